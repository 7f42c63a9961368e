"""A page to play with: ``python -m sim.demo NETWORK``.

One draws a digit, drops a file or takes a test example, and sees spikes arrive, hidden units fire
and the outputs race to the decision: what the compiled RTL does, beside the golden model's answer.
"""

from sim.demo.command import main

__all__ = ["main"]
