"""The ASIC flows, one file each: what a flow wants beside the Verilog, by its documented schema."""
