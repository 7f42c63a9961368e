"""Check: the golden model, the testbenches, the equivalence runs."""
