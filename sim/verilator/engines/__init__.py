"""The probes of engines that make a whole network, each in a file named as that of the engine in
hw/rtl/engines.

It has a function ``probes`` that makes them.
"""
