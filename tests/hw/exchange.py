"""Runs a block of the hardware cycle by cycle, and drives its streams."""

import random
from dataclasses import dataclass

from amaranth.sim import Simulator

__all__ = ["PACES", "Simulation", "Taken", "cycle_by_cycle", "exchange", "plain"]

# Probability that a stream idles and that its other end pauses, in a cycle.
PACES = [(idle, pause) for idle in (0, 0.5, 0.9) for pause in (0, 0.5, 0.9)]


@dataclass(kw_only=True)
class Taken:
    """An item of the output: the first cycle it was offered in, and its value."""

    cycle: int
    value: object


class Simulation:
    """A block that is elaborated once and run many times, each time from power-up."""

    def __init__(self, dut):
        self._process = None
        self._simulator = Simulator(dut)
        self._simulator.add_clock(1e-6)
        self._simulator.add_testbench(self._testbench)

    async def _testbench(self, ctx):
        await self._process(ctx)

    def run(self, process):
        if self._process:
            self._simulator.reset()
        self._process = process
        self._simulator.run()


def cycle_by_cycle(dut, process):
    """Simulates ``dut``, a block or its :class:`Simulation`; ``async def process(ctx)`` ends each
    cycle by ``await ctx.tick()``.
    """
    (dut if isinstance(dut, Simulation) else Simulation(dut)).run(process)


def plain(value):
    """A payload as plain Python: a dict for a structure, a list for an array, else an integer."""
    shape = value.shape() if hasattr(value, "shape") else None
    if shape is None:
        return value
    names = [name for name, _ in shape]
    fields = {name: plain(value[name]) for name in names}
    return list(fields.values()) if names and isinstance(names[0], int) else fields


def exchange(dut, into, out, items, count, *, idle=0, pause=0, seed=0, before=None):
    """Simulates ``dut`` as :func:`cycle_by_cycle` does: sends ``items`` into its stream ``into``,
    takes ``count`` items from its stream ``out``.

    ``before(ctx, cycle)``, called at a cycle's start, may set other inputs. What is offered must
    stay as it is until it is taken.

    Returns the cycle in which each item was accepted, and each item :class:`Taken`.
    """
    chance = random.Random(seed)
    accepted, taken = [], []

    async def process(ctx):
        offering, offered, cycle, quiet = False, None, 0, 0
        while len(taken) < count or len(accepted) < len(items):
            assert quiet < 2000, f"nothing moves after {len(accepted)} items in, {len(taken)} out"
            if before:
                before(ctx, cycle)
            offering = len(accepted) < len(items) and (offering or chance.random() >= idle)
            ctx.set(into.valid, offering)
            if offering:
                ctx.set(into.payload, items[len(accepted)])
            ctx.set(out.ready, len(taken) < count and chance.random() >= pause)
            quiet += 1
            if offered is not None:
                assert ctx.get(out.valid), "an offer was withdrawn"
                assert plain(ctx.get(out.payload)) == offered.value, "an offer was changed"
            elif ctx.get(out.valid):
                offered = Taken(cycle=cycle, value=plain(ctx.get(out.payload)))
            if ctx.get(out.valid) and ctx.get(out.ready):
                taken.append(offered)
                offered, quiet = None, 0
            if offering and ctx.get(into.ready):
                accepted.append(cycle)
                offering, quiet = False, 0
            await ctx.tick()
            cycle += 1

    cycle_by_cycle(dut, process)
    return accepted, taken
