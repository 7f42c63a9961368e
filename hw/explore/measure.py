"""Accuracy and cycles of a network on test data: the one module of ``hw`` that asks ``sim``, its
golden model and its cycle model. ``sim.verify`` holds both against the RTL.
"""

from pathlib import Path

from hw.rtl.config import DEFAULT, Config
from sim import golden
from sim.cycles import model
from sw.cli import UserError
from sw.data.registry import load_for
from sw.network import Network

__all__ = ["measure", "performance"]


def measure(network: Network, data_dir: Path | None, config: Config = DEFAULT) -> dict[str, object]:
    """Accuracy (strict) and cycles over the test images or recordings of the network's data set.

    The values are None, with the reason in ``note``, where the data cannot be had.
    """
    try:
        inputs, labels = load_for(network, None, data_dir)
    except UserError as error:
        return dict.fromkeys(("images", "accuracy", "cycles_mean", "cycles_max")) | {
            "note": f"not measured: {error}"
        }
    answer = golden.run_inputs(network, inputs)
    count = model.cycles(network, inputs, answer, config)
    traffic = model.traffic(network, inputs, answer, config)
    begin = config.input(network).cycles_from
    return {
        "images": len(labels),
        "accuracy": float((answer.label == labels).mean()),
        "cycles_mean": float(count.mean()),
        "cycles_max": int(count.max()),
        "cycles_from": begin,
        "weight_bits_needed_mean": float(traffic.needed.mean()),
        "weight_bits_a_cycle": traffic.width,
        "limit_fraction": round(traffic.fraction(count), 4),
        "limit_fraction_left": round(traffic.fraction_left(count), 4),
        "note": f"cycles from {begin} to the answer, by the exact cycle model",
    }


def performance(figures: dict[str, object]) -> list[tuple[str, str]]:
    """Lines for people about what :func:`measure` found, at the board's clock."""
    if figures["accuracy"] is None:
        return [("accuracy, cycles", figures["note"])]
    mean, worst = figures["cycles_mean"], figures["cycles_max"]
    begin = figures.get("cycles_from", "the last pixel")
    limit = (
        f"{figures['limit_fraction']:.2f}: weight bits needed over those that the memories give in "
        "these cycles"
    )
    if figures["limit_fraction_left"] != figures["limit_fraction"]:
        limit += f"; {figures['limit_fraction_left']:.2f} of those after the last pixel"
    return [
        ("accuracy, strict", f"{figures['accuracy']:.2%} of {figures['images']:,} test images"),
        ("cycles an image", f"mean {mean:.1f}, worst {worst}"),
        ("of the limit", limit),
        (
            "time an image",
            f"mean {mean / figures['clock_mhz']:.2f} µs at the board's clock, "
            f"from {begin} to the answer, without the UART",
        ),
    ]
