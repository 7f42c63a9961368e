"""Compares a network's compiled hardware with the golden model, image by image."""

import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from hw.rtl.config import DEFAULT, Config
from sim import answers
from sim.verilator.expected import Expected
from sim.verilator.netlist import netlist_sources
from sim.verilator.simulator import CoreError, Simulator, record_type
from sw.answer import Answer, BistableAnswer
from sw.encoder import Inputs
from sw.network import Network
from sw.progress import elapsed

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Compared", "Measured", "MismatchError", "compare"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Of hardware that equals the golden model.

    Parameters
    ----------
    hidden_units_compared : int
        Hidden units whose spike times, or values, were compared, too.
    cycles_mean, cycles_max : float, int
        Cycles per image from the last pixel or the first event to the answer, by an idle core.
    interval_cycles_mean : float or None
        Cycles per image back to back; None with stalls, or of too few images.
    """

    hidden_units_compared: int
    cycles_mean: float
    cycles_max: int
    interval_cycles_mean: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """Hardware that equals the golden model.

    Parameters
    ----------
    measured : Measured
    classes : int64 [B]
        The hardware's, of each image.
    answer : Answer or BistableAnswer
        The golden model's.
    cycles : int64 [B]
        Of each image, as ``cycles_mean`` of ``measured``.
    """

    measured: Measured
    classes: np.ndarray
    answer: Answer | BistableAnswer
    cycles: np.ndarray


@dataclass(kw_only=True)
class MismatchError(Exception):
    """Hardware and golden model disagree.

    Parameters
    ----------
    image : int
        Index of the image.
    message : str
        What was expected and what came, a few lines.
    """

    image: int
    message: str

    def __str__(self) -> str:
        return self.message


def compare(
    network: Network,
    inputs: Inputs,
    *,
    folder: Path,
    stalls: float = 0.0,
    seed: int = 0,
    netlist: bool = False,
    config: Config = DEFAULT,
    progress: bool = False,
) -> Compared:
    """Compares hardware and golden model on ``inputs``, images or events as the network takes them.

    Raises
    ------
    MismatchError
        They disagree.
    UserError
        It could not be run.
    """
    count = len(inputs)
    workers = max(1, min(os.cpu_count() or 1, count // 256))
    what = f"compiling the {'netlist' if netlist else 'RTL'} of {network.title}"
    with elapsed(what, quiet=not progress), ThreadPoolExecutor(2) as pool:
        building = pool.submit(_simulator, network, folder, netlist, config)
        computing = pool.submit(answers.run_inputs, network, inputs)
        simulator, answer = building.result(), computing.result()
    expected = Expected.of(answer, simulator.layers, network)
    alone, stream = (np.zeros(count, record_type(simulator.hidden)) for _ in range(2))
    with _bar(2 * count, progress) as bar:
        for records, how in ((alone, {"alone": True}), (stream, {"stalls": stalls})):
            for start, piece in _pieces(simulator, inputs, count, workers, {**how, "seed": seed}):
                part = slice(start, start + len(piece))
                wrong = np.flatnonzero(expected[part].differs(piece))
                if len(wrong):
                    raise _explain(expected, piece[wrong[0]], int(start + wrong[0]), how)
                records[part] = piece
                bar.update(len(piece))
    cycles = (alone["valid"] - alone["accepted"]).astype(np.int64)
    span = count // workers  # the last piece is the longest, and no shorter than this
    steady = stream["valid"][-span:].astype(np.int64)
    interval = float(np.diff(steady).mean()) if span > 1 and not stalls else None
    measured = Measured(
        hidden_units_compared=simulator.hidden,
        cycles_mean=float(cycles.mean()),
        cycles_max=int(cycles.max()),
        interval_cycles_mean=interval,
    )
    classes = stream["label"].astype(np.int64)
    return Compared(measured=measured, classes=classes, answer=answer, cycles=cycles)


def _simulator(network: Network, folder: Path, netlist: bool, config: Config) -> Simulator:
    sources = netlist_sources(network, folder, config) if netlist else None
    return Simulator.build(network, folder, config=config, sources=sources)


def _pieces(
    simulator: Simulator,
    inputs: Inputs,
    count: int,
    workers: int,
    how: Mapping[str, Any],
) -> Iterator[tuple[int, np.ndarray]]:
    """Records of parts of ``inputs``, each with its first index, from several processes at once."""
    results: SimpleQueue[tuple[int, np.ndarray]] = SimpleQueue()
    bounds = [count * k // workers for k in range(workers + 1)]
    stop = threading.Event()

    def work(start: int, end: int) -> None:
        position = start
        for piece in simulator.stream(inputs[start:end], **how):
            if stop.is_set():
                return
            results.put((position, piece))
            position += len(piece)
        if position != end:
            raise CoreError(f"it ended after {position - start} of {end - start} images")

    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(work, *pair) for pair in pairwise(bounds)]
        try:
            while not all(task.done() for task in running) or not results.empty():
                with suppress(Empty):
                    yield results.get(timeout=0.05)
        finally:
            stop.set()
        for task in running:
            task.result()


def _explain(
    expected: Expected, record: np.ndarray, image: int, how: Mapping[str, Any]
) -> MismatchError:
    """The difference as human-readable text."""
    one = expected[slice(image, image + 1)]
    right = [int(one.label[0]), int(one.step[0]), int(one.margin[0])]
    got = [int(record["label"]), int(record["step"]), int(record["margin"])]
    manner = "offered to an idle core" if how.get("alone") else "offered back to back"
    lines = [
        f"image {image}, {manner}: the hardware differs from the golden model",
        f"{'':12}{'class':>8}{'step':>8}{'margin':>14}",
        f"  {'expected':10}{right[0]:>8}{right[1]:>8}{right[2]:>14}",
        f"  {'got':10}{got[0]:>8}{got[1]:>8}{got[2]:>14}",
        *one.differences(record),
    ]
    return MismatchError(image=image, message="\n".join(lines))


def _bar(total: int, shown: bool) -> "tqdm[object]":
    from tqdm import tqdm

    return tqdm(total=total, unit="image", unit_scale=True, disable=not shown, leave=False)
