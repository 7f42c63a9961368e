"""Inferences of the gather engine in Amaranth's simulator, as the golden model sees them."""

import random
from dataclasses import dataclass, field

import numpy as np
from exchange import cycle_by_cycle, plain

from hw.rtl.gather.engine import GatherEngine
from sim import golden
from sw.structure import First

__all__ = ["Seen", "check", "infer", "pixel_items"]


@dataclass
class Seen:
    """What an inference showed.

    Attributes
    ----------
    times : list of int array
        Of each hidden layer of the plan, behind its pooling, when its units fired: T if they did
        not.
    margins : list of int
        Of the last step.
    step : int
        That step.
    cycles : int
        From the last input to the last margin.
    """

    times: list
    margins: list = field(default_factory=list)
    step: int = 0
    cycles: int = 0


def pixel_items(network, times):
    """What the engine takes of one image, whose units fire at ``times`` int [units], T for never:
    place by place, at each place channel by channel.
    """
    channels, height, width = network.maps[0]
    ordered = times.reshape(channels, height * width).T.reshape(-1)
    return [
        {
            "unit": [0],
            "step": [int(time) % network.steps],
            "spike": int(time < network.steps),
            "last": index == len(ordered) - 1,
        }
        for index, time in enumerate(ordered)
    ]


def infer(dut, network, images, *, idle=0.0, pause=0.0, seed=0, restart_after=None, limit=20_000):
    """The inferences of ``images``, times as for :func:`pixel_items`, one after another, a restart
    behind each decision; the first one is cut off ``restart_after`` cycles after it began, if that
    is given. Returns a list of :class:`Seen`.
    """
    chance, result, plan = random.Random(seed), [], dut.plan
    shapes = [(each.channels, *each.places) for each in plan.hidden]

    def note(fired, seen):
        layer = plan.layers[fired["layer"]]
        x, group = divmod(fired["column"], layer.groups)
        unit = group * plan.lanes + fired["lane"], fired["row"], x
        times = seen.times[fired["layer"]]
        assert times[unit] == plan.steps, "a unit fires again"
        times[unit] = fired["step"]

    async def restart(ctx):
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)

    async def process(ctx):
        await restart(ctx)
        for index, image in enumerate(images):
            items, sent, offering = pixel_items(network, image), 0, False
            seen = Seen(times=[np.full(shape, plan.steps) for shape in shapes])
            decided, begun, ready, cycle, last_sent = False, False, False, 0, 0
            while not decided and not (index == 0 and cycle == restart_after):
                assert cycle < limit, f"hangs after {sent} of {len(items)} items"
                offering = sent < len(items) and (offering or chance.random() >= idle)
                ctx.set(dut.arrivals.valid, offering)
                if offering:
                    ctx.set(dut.arrivals.payload, items[sent])
                # Ready before the first margin of a step, it is so for the others.
                ready = ready or chance.random() >= pause
                ctx.set(dut.margins.ready, ready)
                if ctx.get(dut.fired.valid):
                    note(plain(ctx.get(dut.fired)), seen)
                if ctx.get(dut.margins.valid):
                    assert ready, "did not wait"
                    if not begun:
                        seen.margins = []
                    value = plain(ctx.get(dut.margins.payload))
                    seen.margins.append(value["margin"])
                    seen.step, begun = value["step"], not value["last"]
                    final = value["step"] == plan.steps - 1
                    decided = value["last"] and (final or max(seen.margins) >= 0)
                    ready = begun
                assert ctx.get(dut.fired.begins) == (offering and sent == len(items) - 1)
                if offering and ctx.get(dut.arrivals.ready):
                    sent, offering, last_sent = sent + 1, False, cycle
                await ctx.tick()
                cycle += 1
            ctx.set(dut.arrivals.valid, 0)
            seen.cycles = cycle - 1 - last_sent
            for _ in range(2):  # until SerialDecide has decided
                await ctx.tick()
            await restart(ctx)
            result.append(seen)

    cycle_by_cycle(dut, process)
    return result


def check(network, images, *, lanes, **settings):
    """All spike times of hidden layers and all margins of the decision step are those of the golden
    model. Returns what was seen and the golden answer.
    """
    dut = GatherEngine(network=network, lanes=lanes)
    times = network.encoder.times(images, network.steps).reshape(len(images), -1)
    result = infer(dut, network, times, **settings)
    answer = golden.run_images(network, images)
    skipped = 1 if settings.get("restart_after") is not None else 0
    for image, seen in list(enumerate(result))[skipped:]:
        step = answer.step[image]
        for layer, times in zip(dut.plan.hidden, seen.times, strict=True):
            index = layer.index
            while isinstance(network.layers[index + 1].kind, First):
                index += 1  # a unit stops where its pooling fires
            expected = answer.times[index][image]
            expected = np.where(expected > step, network.steps, expected)  # the rest is not made
            np.testing.assert_array_equal(times.reshape(-1), expected)
        assert (seen.step, max(seen.margins)) == (step, answer.margin[image])
        assert seen.margins.index(max(seen.margins)) == answer.label[image]
    return result, answer
