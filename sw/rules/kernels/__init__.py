"""The timing rule on a GPU."""
