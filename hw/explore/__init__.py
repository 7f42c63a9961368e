"""What a network needs, and which design serves a goal best, before any synthesis."""
