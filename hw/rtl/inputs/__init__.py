"""The inputs: what a network takes and how it becomes events in time order, one a file."""
