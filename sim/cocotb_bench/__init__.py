"""Testbenches in Python, by cocotb."""
