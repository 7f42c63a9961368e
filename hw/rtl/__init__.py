"""What a network becomes: blocks and the core."""
