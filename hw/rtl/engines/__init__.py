"""The engines: how a layer is computed, one a file."""
