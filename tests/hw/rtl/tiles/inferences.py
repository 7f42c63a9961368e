"""Inferences of the tiles engine in Amaranth's simulator, as the golden model sees them."""

import random
from dataclasses import dataclass, field

import numpy as np
from exchange import cycle_by_cycle, plain

from hw.rtl.tiles.engine import TilesEngine
from sim import golden
from sw.encoder import LatencyEncoder
from sw.structure import First

__all__ = ["Seen", "check", "infer", "input_items", "load"]


@dataclass
class Seen:
    """What an inference showed.

    Attributes
    ----------
    times : list of int array
        Of each hidden layer of the plan, when its units fired: T if they did not. First that of a
        table, if there is one.
    margins : list of (int, list of int)
        Step and margins of each offer.
    adds, cycles : int
        Accesses that added a spike; cycles from the last input to the last offer.
    fault : bool
    """

    times: list
    margins: list = field(default_factory=list)
    cycles: int = 0
    fault: bool = False


def input_items(network, spikes):
    """The items of one inference's input port: ``spikes`` are (step, unit) in time order."""
    steps, (channels, height, width) = network.steps, network.maps[0]
    if isinstance(network.encoder, LatencyEncoder):
        time = {unit: step for step, unit in spikes}
        places = [(c, y, x) for y in range(height) for x in range(width) for c in range(channels)]
        units = [c * height * width + y * width + x for c, y, x in places]
        return [
            {
                "unit": [0],
                "step": [time.get(unit, 0)],
                "spike": unit in time,
                "last": index == len(units) - 1,
            }
            for index, unit in enumerate(units)
        ]
    items = []
    for step in range(steps):
        own = [unit for at, unit in spikes if at == step]
        if own or step in (0, steps - 1):
            items += [
                {"row": [unit], "step": step, "spike": 1, "last": index == len(own) - 1}
                for index, unit in enumerate(own)
            ] or [{"row": [0], "step": step, "spike": 0, "last": 1}]
    return items


async def load(ctx, dut):
    """Loads the weights."""
    ctx.set(dut.load.valid, 1)
    for address, word in enumerate(dut.plan.load_words.tolist()):
        ctx.set(dut.load.payload, {"address": address, "data": word})
        await ctx.tick()
    ctx.set(dut.load.valid, 0)


def infer(dut, network, inputs, *, idle=0.0, pause=0.0, seed=0, restart_after=None, limit=8_000):
    """The inferences of ``inputs``, lists of (step, unit), one after another, a restart behind each
    decision; the first one is cut off ``restart_after`` cycles after it began, if that is given.
    Returns a list of :class:`Seen`.
    """
    chance, result = random.Random(seed), []
    plan, port = dut.plan, dut.arrivals if hasattr(dut, "arrivals") else dut.beats
    tabled = [plan.inputs] if plan.first else []
    maps = [*tabled, *(layer.outputs for layer in plan.layers[:-1])]
    sizes = [int(each.units.max()) + 1 for each in maps]

    def note(emitted, layer, seen):
        units = maps[layer].units[emitted["tile"], emitted["y"], emitted["x"]]
        for lane, unit in enumerate(units.tolist()):
            if emitted["mask"] >> lane & 1:
                assert unit >= 0, "a unit that does not exist fires"
                assert seen.times[layer][unit] == plan.steps, "a unit fires again"
                seen.times[layer][unit] = emitted["step"]

    async def restart(ctx):
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)

    async def process(ctx):
        if hasattr(dut, "load"):
            await load(ctx, dut)
        await restart(ctx)
        for index, spikes in enumerate(inputs):
            items, sent, offering, offered = input_items(network, spikes), 0, False, None
            seen = Seen(times=[np.full(size, plan.steps) for size in sizes])
            decided, cycle, last_sent = False, 0, 0
            while not decided and not (index == 0 and cycle == restart_after):
                assert cycle < limit, f"hangs after {sent} of {len(items)} items"
                offering = sent < len(items) and (offering or chance.random() >= idle)
                ctx.set(port.valid, offering)
                if offering:
                    ctx.set(port.payload, items[sent])
                ready = chance.random() >= pause
                ctx.set(dut.potentials.ready, ready)
                if ctx.get(dut.emitted.valid):
                    emitted = plain(ctx.get(dut.emitted))
                    note(emitted, len(tabled) + emitted["layer"], seen)
                if tabled and ctx.get(dut.entered.valid):
                    note(plain(ctx.get(dut.entered)), 0, seen)
                if ctx.get(dut.potentials.valid):
                    value = plain(ctx.get(dut.potentials.payload))
                    assert offered in (None, value), "an offer was changed"
                    offered = value
                    if ready:
                        seen.margins.append((value["step"], value["margin"]))
                        decided = max(value["margin"]) >= 0 or value["step"] == plan.steps - 1
                        offered = None
                else:
                    assert offered is None, "an offer was withdrawn"
                if offering and ctx.get(port.ready):
                    sent, offering, last_sent = sent + 1, False, cycle
                await ctx.tick()
                cycle += 1
            ctx.set(port.valid, 0)
            seen.cycles = cycle - last_sent
            seen.fault = bool(ctx.get(dut.fault)) if hasattr(dut, "fault") else False
            # The decision comes a cycle after the margins were taken, as from Decide.
            await ctx.tick()
            await restart(ctx)
            result.append(seen)

    cycle_by_cycle(dut, process)
    return result


def check(network, spikes, *, lanes, loaded=False, table=False, **settings):
    """All spike times of hidden layers and all margins of the decision step are those of the golden
    model. Returns what was seen.
    """
    repeats = not isinstance(network.encoder, LatencyEncoder)
    most = int(np.bincount(spikes.image, minlength=1).max()) if repeats else None
    dut = TilesEngine(network=network, lanes=lanes, loaded=loaded, table=table, most_events=most)
    inputs = []
    for image in range(spikes.count):
        own = spikes.image == image
        inputs.append(list(zip(spikes.step[own].tolist(), spikes.unit[own].tolist(), strict=True)))
    result = infer(dut, network, inputs, **settings)
    answer = golden.run(network, spikes)
    skipped = 1 if settings.get("restart_after") is not None else 0
    for image, seen in list(enumerate(result))[skipped:]:
        layers = [layer.index for layer in dut.plan.layers[:-1]]
        for index, times in zip([0, *layers] if table else layers, seen.times, strict=True):
            tabled = table and index == 0
            while isinstance(network.layers[index + 1].kind, First):
                index += 1  # lists have what a pooling passes on
            expected = np.minimum(answer.times[index][image], network.steps)
            # Nothing but that step has been computed, but by a table.
            if answer.step[image] == 0 and not tabled:
                expected = np.where(expected == 0, 0, network.steps)
            np.testing.assert_array_equal(times, expected)
        step, margins = seen.margins[-1]
        assert (step, max(margins)) == (answer.step[image], answer.margin[image])
        assert margins.index(max(margins)) == answer.label[image]
    return result
