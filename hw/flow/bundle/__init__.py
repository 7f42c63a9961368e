"""A folder that an ASIC flow takes as it is: Verilog, test bench, constraints, data sheet."""
