"""The cycles of the inputs, each in a file named as that of the input in hw/rtl/inputs.

It has a function ``stage`` that makes the first stage, and ``start``, which says when it begins;
and, for an engine of a whole network, ``taken``, which says when it has the input.
"""
