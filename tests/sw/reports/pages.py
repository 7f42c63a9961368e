"""Results of every kind about random networks, for tests of the report page."""

import numpy as np
from networks import map_network, random_network, random_spikes

from sim import golden
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.learn.history import Epoch
from sw.network import Network
from sw.reports.floorplan import Placed, Placement
from sw.reports.result import Histogram
from sw.reports.sections.energy import Energy, Part
from sw.reports.sections.evaluation import Evaluation
from sw.reports.sections.hardware import Build, SlowestPath, Use
from sw.reports.sections.silicon import Layout, Silicon
from sw.reports.sections.silicon import Part as Block
from sw.reports.sections.training import Training
from sw.reports.sections.verification import Verification

HOSTILE = "<script>window.harmed = 1</script>"
CLASSES = (HOSTILE, '"&lt;', "$x$ \\frac", "日本", "a\tb\x00", "</svg>", "6", "7", "8", "9")


def renamed(network, **changes):
    """The network with other fields."""
    names = ("name", "steps", "encoder", "layers", "labels", "provenance")
    return Network(**{**{name: getattr(network, name) for name in names}, **changes})


def images(rng, hidden=(14, 9), count=90, labels=CLASSES, steps=8):
    """A network, and images with labels and answers of which some are right."""
    encoder = LatencyEncoder(shape=(8, 8), silent_below=16)
    network = random_network(rng, (64, *hidden, len(labels)), steps, encoder=encoder)
    inputs = rng.integers(0, 256, (count, 8, 8)).astype(np.uint8)
    return labelled(rng, renamed(network, name=f"{HOSTILE}&", labels=labels), inputs)


def events(rng, hidden=(), classes=3, steps=200, count=40):
    """The same with events."""
    network = random_network(
        rng, (700, *hidden, classes), steps, 0, 400, EventsEncoder(channels=700)
    )
    return labelled(rng, network, random_spikes(rng, count, 700, steps, rate=3))


def maps(rng, text="3c3p1-f2-2c2x1-5-3", shape=(8, 6), steps=4, count=30):
    """The same with layers on maps, for images of this ``shape``."""
    encoder = LatencyEncoder(shape=shape, silent_below=16)
    network = renamed(map_network(rng, text, steps, encoder), name="maps")
    size = (count, *shape[-2:], *shape[:-2])
    return labelled(rng, network, rng.integers(0, 256, size).astype(np.uint8))


def labelled(rng, network, inputs):
    answer = golden.run_inputs(network, inputs)
    classes = len(network.labels)
    other = rng.integers(0, classes, len(answer.label))
    labels = np.where(rng.random(len(other)) < 0.6, answer.label, other)
    return network, inputs, labels, answer


def evaluation(network, inputs, labels, answer, **changes):
    about = {"dataset": "digits", "command": "python -m sw.report x", "versions": {"python": "3"}}
    return Evaluation.of(network, inputs, labels, answer, **{**about, **changes})


def others(network):
    """One result of each other kind."""
    about = {"network_sha256": network.sha256, "versions": {"tool <x>": "1 & 2"}}
    cycles = Histogram.of(np.array([3, 3, 4, 8, 20]))
    layers = len(network.layers)
    epochs = tuple(
        Epoch(
            epoch=number,
            rate=0.1,
            validation_accuracy=1 - 0.5 / number,
            decision_step_mean=2.0 + 1 / number,
            spikes_mean=(3.0,) * layers,
        )
        for number in (1, 2, 3)
    )
    placement = Placement(
        columns=3,
        rows=2,
        cells_per_tile=8,
        parts=(
            Placed(
                part="layer 1", cells=9, memories=1, logic=((0, 0, 8), (1, 0, 1)), memory=((2, 1),)
            ),
            Placed(part="decision", cells=2, memories=0, logic=((1, 0, 2),), memory=()),
        ),
    )
    watts = [Part(name=name, value=2.0, low=1.0, high=4.0) for name in ("wires", "static", "sum")]
    return [
        Training(**about, command="python -m sw.train", recipe={"rate": "0.1"}, epochs=epochs),
        Verification(
            **about,
            command="python -m sim.verify x",
            dataset="digits",
            engine="event",
            target="rtl",
            images=90,
            difference=None,
            hidden_units_compared=23,
            cycles=cycles,
            cycles_from="the last pixel",
            interval_cycles_mean=64.0,
            stalls=0.25,
            seed=7,
        ),
        Build(
            **about,
            command="python -m hw.build --board ice40 x",
            board="icebreaker",
            board_title="1BitSquared iCEBreaker",
            part="iCE40UP5K-SG48",
            engine="event",
            includes="PLL, UART link, all layers",
            uses=(
                Use(name="logic cells", estimated=1000, used=1100, available=5280),
                Use(name="block RAMs", estimated=30, used=30, available=30),
                Use(name="SPRAM", estimated=0, used=0, available=0),
            ),
            clock_mhz=20.0,
            fmax_mhz=25.0,
            slowest=SlowestPath(begin="layer 1", end="decision", logic=10.0, routing=30.0),
            placement_seed=3,
            router="router2",
            bitstream="build/icebreaker/x/x.bin",
            bitstream_sha256="ab" * 32,
            cycles=cycles,
            cycles_from="the last pixel",
            accuracy=0.5,
            images=90,
            note="by the cycle model",
            placement=placement,
        ),
        Energy(
            **about,
            command="python -m hw.energy x",
            device="iCE40 UP5K",
            clock_mhz=12.0,
            images=20,
            cycles_mean=70.0,
            parts=tuple(watts[:2]),
            core=watts[2],
            total=watts[2],
            note="an estimate, from published currents; nothing was measured on a board",
        ),
        Silicon(
            **about,
            command="python -m hw.asic x",
            library="osu018",
            engine="event",
            node_nm=180,
            clock_mhz=100.0,
            um2=432.0,
            gates=18.0,
            cells=6,
            flip_flops=3,
            parts=(
                Block(name="fire_0", cells=4, um2=384.0, gates=16.0, places=((0, 0, 9), (2, 1, 3))),
                Block(name="top", cells=2, um2=48.0, gates=2.0),
            ),
            facts=(("LVS", "Circuits match uniquely."),),
            images=90,
            mismatches=0,
            fmax_mhz=157.0,
            nanojoules=25.0,
            layout=Layout(
                width_um=10.0,
                height_um=20.0,
                sites=12,
                rows=2,
                site_um=0.8,
                row_um=10.0,
                utilisation=0.9,
                wire_mm=1.5,
                vias=30,
            ),
            lvs=True,
            note="an open library, no sign-off",
        ),
    ]
