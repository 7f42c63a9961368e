"""The engines: how a layer is computed, one per file."""
