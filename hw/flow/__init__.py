"""The tools, and what they make: bitstreams and Verilog."""
