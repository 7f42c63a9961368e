"""Learn: data, encoders, training rules and the Network file."""

__version__ = "0.2.0"  # of the whole project

from sw.guard import guard

guard()
