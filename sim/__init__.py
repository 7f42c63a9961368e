"""Check: the golden model, the testbenches, the equivalence runs."""

from sw.guard import guard

guard()
