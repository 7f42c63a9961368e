"""Build: from a Network to RTL, a bitstream, Verilog."""
