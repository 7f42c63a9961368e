"""Holds a network's hardware against the golden model, image by image.

``python -m sim.verify NETWORK`` compiles the exported Verilog, streams the test images of the
network's data set through it twice, and compares class, decision step, margin and the spike time of
every hidden unit up to the decision with the golden model's. The first pass offers each image to an
idle core and measures how long its answer takes; the second offers pixels at any time and measures
how often an image is answered.

Exit status: 0 all equal, 1 a difference (shown), 2 it could not be tried.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from hw.rtl.config import DEFAULT, Config, engine_names, find_config
from hw.rtl.inputs.registry import find_input
from sim import golden
from sim.verilator import tool
from sim.verilator.netlist import netlist_sources
from sim.verilator.simulator import UNSEEN, CoreError, Simulator, record_type
from sw.answer import Answer
from sw.cli import check_output, run, write_json
from sw.data import registry
from sw.encoder import Inputs
from sw.flags import parser, positive_int, share
from sw.network import Network, find

__all__ = ["MismatchError", "differs", "main", "verify"]

_NETLIST_IMAGES = 100


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


def differs(answer: Answer, records: np.ndarray) -> np.ndarray:
    """Bool [B]: which of the core's ``records`` [B] contradict the golden ``answer``."""
    wrong = records["label"] != answer.label
    wrong |= records["step"] != answer.step
    wrong |= records["margin"] != answer.margin
    if records["times"].size:
        return wrong | _spikes_differ(answer, records).any(axis=1)
    return wrong


def _spikes_differ(answer: Answer, records: np.ndarray) -> np.ndarray:
    """Bool [B, hidden units]. A spike after the decision need not come, but not at another time."""
    expected = np.concatenate(answer.times[:-1], axis=1)
    late = expected > answer.step[:, None]
    return (records["times"] != expected) & ~(late & (records["times"] == UNSEEN))


def verify(
    network: Network,
    inputs: Inputs,
    *,
    folder: Path,
    stalls: float = 0.0,
    seed: int = 0,
    netlist: bool = False,
    config: Config = DEFAULT,
    progress: bool = False,
) -> tuple[dict[str, object], np.ndarray]:
    """Compares hardware and golden model on ``inputs``: images uint8 [B, height, width], or events.

    Returns
    -------
    (dict, int [B])
        Figures that are about the hardware alone, and the class of each image.

    Raises
    ------
    MismatchError
        They disagree.
    UserError
        It could not be tried.
    """
    count = len(inputs)
    workers = max(1, min(os.cpu_count() or 1, count // 256))
    with ThreadPoolExecutor(2) as pool:
        building = pool.submit(_simulator, network, folder, netlist, config)
        computing = pool.submit(golden.run_inputs, network, inputs)
        simulator, answer = building.result(), computing.result()
    alone, stream = (np.zeros(count, record_type(simulator.hidden)) for _ in range(2))
    with _bar(2 * count, progress) as bar:
        for records, how in ((alone, {"alone": True}), (stream, {"stalls": stalls})):
            for start, piece in _pieces(simulator, inputs, count, workers, {**how, "seed": seed}):
                part = slice(start, start + len(piece))
                wrong = np.flatnonzero(differs(_part(answer, part), piece))
                if len(wrong):
                    raise _explain(answer, piece[wrong[0]], int(start + wrong[0]), how)
                records[part] = piece
                bar.update(len(piece))
    cycles = (alone["valid"] - alone["accepted"]).astype(np.int64)
    span = count // workers  # the last piece is the longest, and no shorter than this
    steady = stream["valid"][-span:].astype(np.int64)
    interval = float(np.diff(steady).mean()) if span > 1 and not stalls else None
    figures = {
        "mismatches": 0,
        "hidden_units_compared": simulator.hidden,
        "cycles_mean": float(cycles.mean()),
        "cycles_max": int(cycles.max()),
        "interval_cycles_mean": interval,
    }
    return figures, stream["label"].astype(np.int64)


def _simulator(network: Network, folder: Path, netlist: bool, config: Config) -> Simulator:
    sources = netlist_sources(network, config) if netlist else None
    return Simulator.build(network, folder, config=config, sources=sources)


def _pieces(
    simulator: Simulator,
    inputs: Inputs,
    count: int,
    workers: int,
    how: dict[str, object],
) -> Iterator[tuple[int, np.ndarray]]:
    """Records of parts of ``inputs``, each with its first index, from several processes at once."""
    results: SimpleQueue = SimpleQueue()
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


def _part(answer: Answer, part: slice) -> Answer:
    return Answer(
        steps=answer.steps,
        times=tuple(times[part] for times in answer.times),
        label=answer.label[part],
        step=answer.step[part],
        margin=answer.margin[part],
    )


def _explain(
    answer: Answer, record: np.ndarray, image: int, how: dict[str, object]
) -> MismatchError:
    """The difference as a person wants to see it."""
    expected = [int(answer.label[image]), int(answer.step[image]), int(answer.margin[image])]
    got = [int(record["label"]), int(record["step"]), int(record["margin"])]
    manner = "offered to an idle core" if how.get("alone") else "offered back to back"
    lines = [
        f"image {image}, {manner}: the hardware differs from the golden model",
        f"{'':12}{'class':>8}{'step':>8}{'margin':>14}",
        f"  {'expected':10}{expected[0]:>8}{expected[1]:>8}{expected[2]:>14}",
        f"  {'got':10}{got[0]:>8}{got[1]:>8}{got[2]:>14}",
    ]
    if record["times"].size:
        one = _part(answer, slice(image, image + 1))
        units = np.flatnonzero(_spikes_differ(one, record.reshape(1))[0])
        times = np.concatenate(one.times[:-1], axis=1)[0]
        first = [0, *np.cumsum([layer.shape[1] for layer in one.times[:-1]])]
        for unit in units[:4]:
            layer = int(np.searchsorted(first, unit, side="right")) - 1
            lines.append(
                f"  hidden unit {unit - first[layer]} of layer {layer}: expected "
                f"{_step(int(times[unit]), one.steps)}, got "
                f"{_step(int(record['times'][unit]), one.steps)}"
            )
        if len(units) > 4:
            lines.append(f"  and {len(units) - 4} more hidden units")
    return MismatchError(image=image, message="\n".join(lines))


def _step(value: int, steps: int) -> str:
    if value == UNSEEN - 1:
        return "two spikes"
    return f"step {value}" if value < steps else "no spike"


def _bar(total: int, shown: bool) -> "tqdm":  # noqa: F821
    from tqdm import tqdm

    return tqdm(total=total, unit="image", unit_scale=True, disable=not shown, leave=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = parser(
        "Hold a network's hardware against the golden model, image by image.",
        data=True,
        build=True,
        seed=True,
    )
    options.add_argument("network", help="path of a network file, or a name in the zoo")
    options.add_argument(
        "--dataset", choices=registry.DATASETS, help="default: the one the network was trained on"
    )
    options.add_argument(
        "--images",
        metavar="N",
        type=positive_int,
        help=f"the first N test images (default: all; with --netlist {_NETLIST_IMAGES})",
    )
    options.add_argument(
        "--stalls",
        metavar="P",
        type=share,
        default=0.0,
        help="probability of a random pause after each pixel and each answer, in the second pass",
    )
    options.add_argument(
        "--netlist", action="store_true", help="test the netlist synthesised for iCE40 instead"
    )
    options.add_argument("--engine", default="event", help=engine_names())
    args = options.parse_args(arguments)
    check_output(args.build_dir / "verify", folder=True)
    begun = time.monotonic()
    network, config = find(args.network), find_config(args.engine)
    name = args.dataset or str(network.provenance["dataset"])
    count = args.images or (_NETLIST_IMAGES if args.netlist else None)
    inputs, labels = registry.load_for(network, name, args.data_dir, count)
    target = "netlist" if args.netlist else "rtl"
    figures: dict[str, object] = {
        "network": network.name,
        "network_sha256": network.sha256,
        "dataset": name,
        "target": target,
        "engine": args.engine,
        "images": len(labels),
        "stalls": args.stalls,
        "seed": args.seed,
        "verilator": tool.find().version,
    }
    failure = None
    try:
        found, classes = verify(
            network,
            inputs,
            folder=args.build_dir / "verify",
            stalls=args.stalls,
            seed=args.seed,
            netlist=args.netlist,
            config=config,
            progress=not args.quiet,
        )
        figures |= {**found, "accuracy": float((classes == labels).mean())}
    except MismatchError as difference:
        failure = str(difference)
        figures |= {"mismatches": 1, "first_mismatch": difference.image}
    except CoreError as fault:
        failure = f"the core's behaviour is wrong: {fault}"
        figures |= {"mismatches": 1, "fault": str(fault)}
    figures["seconds"] = round(time.monotonic() - begun, 2)
    if args.json:
        write_json(args.json, figures)
    if failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    if not args.quiet:
        print(_summary(network, figures))
    return 0


def _summary(network: Network, figures: dict[str, object]) -> str:
    lines = [
        f"{network.title} ({network.structure}, {network.steps} steps): golden model = "
        f"{'RTL' if figures['target'] == 'rtl' else 'iCE40 netlist'} on {figures['images']} "
        f"images of {figures['dataset']}",
        "  equal          class, decision step, margin"
        + (", every hidden spike" if figures["hidden_units_compared"] else ""),
        f"  accuracy       {figures['accuracy']:.2%}",
        f"  cycles         {figures['cycles_mean']:.1f} mean, {figures['cycles_max']} worst, "
        f"from {find_input(network.encoder).cycles_from} to the answer",
    ]
    if figures["interval_cycles_mean"]:
        lines.append(f"  cycles/image   {figures['interval_cycles_mean']:.1f} back to back")
    return "\n".join([*lines, f"  seconds        {figures['seconds']}"])


if __name__ == "__main__":
    run(main)
