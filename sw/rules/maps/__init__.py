"""Networks with layers on maps, block by block, and the timing rule in them."""
