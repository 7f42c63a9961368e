"""How many cycles the hardware takes, without compiling anything."""
