"""The boards: parts, clocks, pins, top level."""
