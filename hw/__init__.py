"""Build: from a Network to RTL, a bitstream, Verilog."""

from sw.firstspike import guard

guard()
