"""What learning rules have computed on a GPU."""
