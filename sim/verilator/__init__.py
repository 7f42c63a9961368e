"""Simulation by Verilator and a C++ harness."""
