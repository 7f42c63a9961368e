"""Training rules, one module each, behind one interface."""
