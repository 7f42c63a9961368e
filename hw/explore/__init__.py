"""What a network needs, and which design answers a goal best, before any synthesis."""
