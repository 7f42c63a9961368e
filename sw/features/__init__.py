"""What is done to data before the encoder."""
