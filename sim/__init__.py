"""Check: the golden model, the testbenches, the equivalence runs."""

from sw.firstspike import guard

guard()
