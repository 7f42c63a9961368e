"""The commands that there are."""

from typing import NamedTuple

__all__ = ["COMMANDS", "Command"]


class Command(NamedTuple):
    """A command.

    Parameters
    ----------
    module : str
        Its ``main(arguments)`` is the command.
    description : str
        One line; also the first one of its own ``--help``.
    extras : tuple of str
        The optional dependencies it needs, as pyproject.toml names them.
    """

    module: str
    description: str
    extras: tuple[str, ...] = ()


COMMANDS = {
    "train": Command("sw.train", "Train a single-spike 1-bit network.", ("learn",)),
    "train-ann": Command(
        "sw.train_ann", "Train an ANN of full precision, to convert it to spikes.", ("learn",)
    ),
    "refine": Command(
        "sw.refine",
        "Refine a trained network by changes of single signs, biases and thresholds.",
        ("learn",),
    ),
    "evaluate": Command(
        "sw.evaluate", "Measure a network on a data set's test images or recordings."
    ),
    "convert": Command(
        "sw.convert",
        "Convert a network from PyTorch, QONNX or NIR, or to NIR; or an ANN to spikes.",
        ("convert",),
    ),
    "sweep": Command("sw.sweep", "Train for each value of a flag and each seed.", ("learn",)),
    "report": Command(
        "sw.report",
        "Plot a network's accuracy by step, confusion matrix and input spikes.",
        ("learn",),
    ),
    "raster": Command("sim.raster", "Plot one inference: spikes, margins, decision.", ("learn",)),
    "demo": Command(
        "sim.demo",
        "Play with a network in the browser: draw a digit and see its RTL decide.",
        ("build", "check", "demo"),
    ),
    "estimate": Command(
        "hw.estimate", "Estimate a network on a board, before any synthesis.", ("build",)
    ),
    "build": Command("hw.build", "Build a network's bitstream.", ("build",)),
    "export": Command(
        "hw.export", "Export a network as Verilog that an ASIC flow takes as it is.", ("build",)
    ),
    "asic": Command(
        "hw.asic", "Take a network through an ASIC flow with an open library.", ("build",)
    ),
    "characterise": Command(
        "hw.characterise", "Characterise cells of sky130 with ngspice, for hw.asic.", ("build",)
    ),
    "area": Command(
        "hw.area", "Accuracy against area in silicon, of networks and engines.", ("build", "learn")
    ),
    "verify": Command(
        "sim.verify",
        "Verify a network's hardware against the golden model, image by image.",
        ("build", "check"),
    ),
    "board": Command(
        "sim.board",
        "Simulate a whole iCEBreaker, or be a board in a box for hw.host.",
        ("build", "check"),
    ),
    "link-faults": Command(
        "sim.link_faults", "Try faults on the line to a board.", ("build", "check")
    ),
    "energy": Command(
        "hw.energy", "Estimate a network's energy on an iCE40 UP5K.", ("build", "check")
    ),
    "host": Command(
        "hw.host", "Classify a data set's test images or recordings on a board.", ("host",)
    ),
    "doctor": Command("hw.doctor", "List what is installed, what is missing, and how to get it."),
    "table": Command("hw.table", "Build every board and write the table.", ("build", "check")),
    "calibrate": Command(
        "hw.calibrate",
        "Synthesise a range of designs and fit the resource estimate to them.",
        ("build", "check"),
    ),
    "catalogue": Command("sw.catalogue", "Write the zoo's page, sw/zoo/README.md.", ("learn",)),
    "bench-training": Command(
        "sw.bench_training", "Benchmark training against other libraries.", ("learn",)
    ),
    "bench-conversion": Command(
        "sw.bench_conversion", "Compare the methods that convert an ANN to spikes.", ("learn",)
    ),
    "bench-golden": Command("sim.bench_golden", "Measure the golden model's speed."),
}
