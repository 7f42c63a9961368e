"""How a layer integrates, one engine a file."""
