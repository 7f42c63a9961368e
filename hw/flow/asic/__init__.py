"""A network for silicon: Verilog, test bench, constraints and the files of ASIC flows; and through
a flow on this machine, to gates and a layout.
"""
