"""Learn: data, encoders, training rules and the Network file."""
