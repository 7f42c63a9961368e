"""The inputs: what a network takes and how it becomes spikes in time order, one per file."""
