"""The cycles of the engines, each in a file named as that of the engine in hw/rtl/engines.

It has a function ``stage`` that makes the stage of a layer; or, of an engine that makes a whole
network, ``cycles`` and ``traffic``.
"""
