"""Build: from a Network to RTL, a bitstream, Verilog."""

from sw.guard import guard

guard()
