"""Inferences of the bistable engine in Amaranth's simulator."""

import random
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from exchange import cycle_by_cycle, plain

from hw.rtl.bistable.choose import Choose
from hw.rtl.bistable.engine import BistableEngine
from hw.rtl.bistable.planner import plan_network
from sim import bistable

__all__ = ["Chosen", "Seen", "check", "infer"]


class Chosen(wiring.Component):
    """The engine with what chooses the class."""

    def __init__(self, network, *, lanes, listens, loaded=False):
        self.plan = plan_network(network, lanes, listens)
        self.engine = BistableEngine(self.plan, loaded=loaded)
        self.choose = Choose(self.plan)
        super().__init__(
            {
                "arrivals": In(self.engine.arrivals.signature.flip()),
                "result": Out(self.choose.result.signature),
                **({"load": In(self.engine.load.signature.flip())} if loaded else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine, m.submodules.choose = self.engine, self.choose
        wiring.connect(m, wiring.flipped(self.arrivals), self.engine.arrivals)
        wiring.connect(m, self.choose.result, wiring.flipped(self.result))
        if hasattr(self, "load"):
            wiring.connect(m, wiring.flipped(self.load), self.engine.load)
        m.d.comb += [
            self.choose.potentials.eq(self.engine.potentials),
            self.engine.decided.eq(self.choose.decided),
            self.engine.free.eq(self.choose.free),
        ]
        return m


@dataclass
class Seen:
    """What an inference showed.

    Attributes
    ----------
    values : dict of layer of the plan to list of words
        Behind pooling, (slot, values) in the order in which they come.
    spoken : dict
        The same before pooling.
    label, margin, cycles, at : int
        Cycles from the last input to the result; the cycle in which that came.
    """

    values: dict = field(default_factory=dict)
    spoken: dict = field(default_factory=dict)
    label: int = -1
    margin: int = -1
    cycles: int = 0
    at: int = 0


def arrivals(network, codes):
    """The items of one image: every unit in the order (y, x, c)."""
    encoder, top = network.encoder, (1 << network.steps) - 1
    select = range(encoder.pooled) if encoder.select is None else encoder.select
    value = dict(zip(select, codes.tolist(), strict=True))
    places = encoder.pooled // encoder.channels
    order = [c * places + place for place in range(places) for c in range(encoder.channels)]
    return [
        {
            "unit": [0],
            "step": [top - value.get(unit, 0)],
            "spike": unit in value,
            "last": index == len(order) - 1,
        }
        for index, unit in enumerate(order)
        if unit in value or index == len(order) - 1
    ]


def infer(dut, network, images, *, idle=0.0, pause=0.0, seed=0, alone=True, limit=20_000):
    """The inferences of ``images``, uint8 [B, N] codes; ``alone`` each to an idle engine."""
    chance, result = random.Random(seed), []
    engine = dut.engine
    items = [arrivals(network, codes) for codes in images]
    flat = [(n, item, item is own[-1]) for n, own in enumerate(items) for item in own]

    async def process(ctx):
        if hasattr(dut, "load"):
            ctx.set(dut.load.valid, 1)
            for address, word in enumerate(dut.plan.load_words.tolist()):
                ctx.set(dut.load.payload, {"address": address, "data": word})
                await ctx.tick()
            ctx.set(dut.load.valid, 0)
        sent, offering, cycle, quiet, ends = 0, False, 0, 0, []
        seen = Seen()
        while len(result) < len(images):
            quiet += 1
            assert quiet < limit, f"hangs after {sent} of {len(flat)} items"
            able = sent < len(flat) and not (alone and flat[sent][0] > len(result))
            offering = able and (offering or chance.random() >= idle)
            ctx.set(dut.arrivals.valid, offering)
            if offering:
                ctx.set(dut.arrivals.payload, flat[sent][1])
            ready = chance.random() >= pause
            ctx.set(dut.result.ready, ready)
            for port, into in ((engine.spoken, seen.spoken), (engine.written, seen.values)):
                if ctx.get(port.valid):
                    word = plain(ctx.get(port))
                    into.setdefault(ctx.get(engine.layer), []).append(
                        (word["slot"], word["values"])
                    )
            if ctx.get(dut.result.valid) and not seen.cycles:
                seen.cycles, seen.at = cycle - ends[len(result)], cycle
            if ctx.get(dut.result.valid) and ready:
                chosen = plain(ctx.get(dut.result.payload))
                seen.label, seen.margin = chosen["label"], chosen["margin"]
                result.append(seen)
                seen, quiet = Seen(), 0
            if offering and ctx.get(dut.arrivals.ready):
                ends += [cycle] * flat[sent][2]
                sent, offering = sent + 1, False
            await ctx.tick()
            cycle += 1

    cycle_by_cycle(dut, process)
    return result


def check(network, codes, *, lanes, listens, loaded=False, **how):
    """Infers ``codes`` and compares every value of every layer with the golden model's."""
    dut = Chosen(network, lanes=lanes, listens=listens, loaded=loaded)
    seen = infer(dut, network, codes, **how)
    answer = bistable.run(network, codes)
    plan = dut.plan
    for image, each in enumerate(seen):
        for number, layer in enumerate(plan.layers[:-1]):
            behind = plan.layers[number + 1].index - 1
            expected = answer.values[behind][image]
            units = layer.outputs.units.reshape(-1, layer.outputs.slots, plan.speaks)
            got = each.values[number]
            assert len(got) == units.shape[0] * units.shape[1]
            for turn, (slot, values) in enumerate(got):
                place, own = divmod(turn, units.shape[1])
                assert slot == own
                wanted = [int(expected[n]) if n >= 0 else 0 for n in units[place, own]]
                assert values == wanted, f"image {image}, layer {number}, place {place}, {slot}"
            own = _spoken(plan, layer, answer.values[layer.index][image])
            assert each.spoken[number] == own, f"image {image}, layer {number} before pooling"
        assert (each.label, each.margin) == (answer.label[image], answer.margin[image])
    return seen


def _spoken(plan, layer, values):
    """The words of a layer's own values in the order of its jobs."""
    shape = (layer.channels, layer.height, layer.width)
    maps = values.reshape(shape)
    spare = np.zeros((-layer.channels % plan.speaks, *shape[1:]), maps.dtype)
    maps = np.concatenate([maps, spare]).transpose(1, 2, 0)
    (down, across), words = layer.window, plan.groups
    return [
        (slot, maps[y * down + v, x * across + u].reshape(-1, plan.speaks)[slot].tolist())
        for y in range(layer.outputs.height)
        for x in range(layer.outputs.width)
        for tile in range(plan.tiles(layer))
        for v in range(down)
        for u in range(across)
        for slot in range(tile * words, min((tile + 1) * words, maps.shape[2] // plan.speaks))
    ]
