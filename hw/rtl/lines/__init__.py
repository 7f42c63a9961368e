"""What the lines engine is made of."""
