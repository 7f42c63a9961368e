"""The timing rule in networks with layers on maps."""
