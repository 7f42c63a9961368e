"""A network for silicon: Verilog, test bench, constraints and the files of ASIC flows."""
