"""``python -m sw.bench_training``: training speed and memory, compared with other libraries and the
device's limits.

Prints one JSON object. Every row trains the same network on the same encoded images on the same
device, one step of Adam included, without augmentation:

* rules of this project; on a GPU as one CUDA graph, as the trainer runs them, and eagerly;
* back-propagation through time as snnTorch and SpikingJelly do it, if they are installed (``pip
  install snntorch spikingjelly``; this project does not depend on them). Weights are real, neurons
  integrate without a leak, the loss is the cross-entropy of spike counts. They run eagerly, as they
  are used, and captured as a CUDA graph, which is how fast they could be; SpikingJelly on a GPU
  also with products in half precision.

By ``torchrun --nproc-per-node N -m sw.bench_training --device cuda`` the timing rule alone is
timed, each batch shared by N GPUs.

``step_bytes`` is the most that was allocated during a step beyond what lay there before it.
``roofline`` has, for the timing rule, what its equations need at least: ``operations`` (an addition
or a comparison each) and ``bytes`` moved (weights, the state of Adam, spike times), each over the
best of the device's vector units, and the larger of the two times over the time taken. The best:
every lane one operation per cycle; bytes as a large copy moves them. Tensor cores, which few steps
use, could do more. With layers on maps it has, for both rules, the additions and multiplications of
the three products of each layer (potentials, gradient of the weights, error of the layer before)
at every step, over what tensor cores do of a large product in half precision.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sw import cli
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.registry import EVENT_DATASETS, load_selected
from sw.encoder import LatencyEncoder
from sw.flags import parser, positive_int
from sw.learn import distributed, peers
from sw.learn.presets import MAPS
from sw.learn.step import captured, learn
from sw.limits import steps_fault
from sw.rules import RULES
from sw.rules.settings import Value
from sw.selection import Selection
from sw.structure import Dense, Pooling, Structure, parse

__all__ = ["Bench", "Case", "Limits", "Roofline", "Row", "cases", "main", "measure"]

_ROUNDS = 5  # the median of so many timings
_SECONDS = 0.2  # each of them takes at least
_WARM_UP = 3
_LANES = 128  # of one multiprocessor
_FACTOR = 8192  # edge of a product that keeps tensor cores busy
_RULES: dict[str, dict[str, Value]] = {
    "bstdg": {},
    "bstdg, plain": {"fused": False},
    "surrogate": {},
}
_PEERS = {
    "snntorch": peers.snntorch_network,
    "spikingjelly": peers.spikingjelly_network,
    "spikingjelly, half": peers.half_spikingjelly_network,
}
_GPU_ONLY = {"bstdg, plain", "spikingjelly, half"}  # a CPU has no other than the plain one


class Case(NamedTuple):
    """Something that learns."""

    name: str
    network: nn.Module
    step: Callable[[], None]  # one step of learning from one batch
    captured: bool  # run it as a CUDA graph


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a GPU does at best: its vector units, its tensor cores, its memory."""

    operations_per_second: float
    tensor_operations_per_second: float
    bytes_per_second: int


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """What the equations of a step need at least, and the ``share``, 0 … 1, of the device's best
    that was reached.
    """

    operations: int
    bytes: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was measured of a case: a rate, or the error that it ended in. In JSON what was not
    measured is left out.
    """

    case: str
    steps: int
    cuda_graph: bool
    images_per_second: int | None = None
    step_bytes: int | None = None
    error: str | None = None
    roofline: Roofline | None = None

    def to_dict(self) -> dict[str, object]:
        figures = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in figures.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What the command prints."""

    network: str
    dataset: str
    batch: int
    device: str
    processes: int
    torch: str
    limits: Limits | None  # of a GPU
    rows: list[Row]


def arguments() -> argparse.ArgumentParser:
    flags = parser("Benchmark training against other libraries.", dataset="digits", seed=True)
    flags.set_defaults(dataset="digits")
    add = flags.add_argument
    add(
        "--layers",
        "--hidden",
        metavar="L[,L…]",
        default="600",
        help="the hidden layers, as sw.train takes them (default: %(default)s)",
    )
    add("--steps", metavar="T", type=positive_int, nargs="+", default=[8, 64, 256])
    add("--batch", metavar="N", type=positive_int, default=256, help="(default: %(default)s)")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")
    add("--only", choices=(*_RULES, *_PEERS), help="time one case")
    add("--profile", action="store_true", help="also print where the timing rule spends its time")
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    if args.profile and args.device != "cuda":
        raise UserError("--profile: needs --device cuda, where it measures")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch finds no GPU here; leave it out")
    data = None if args.dataset in EVENT_DATASETS else load_selected(Selection.of(args))
    if not isinstance(data, Dataset):
        raise UserError(f"--dataset {args.dataset}: holds events; name a data set of images")
    faults = [steps_fault(steps, pixels=True) for steps in args.steps]
    if fault := next(filter(None, faults), None):
        raise UserError(fault)
    encoder = LatencyEncoder(shape=data.shape, silent_below=16)
    try:
        kinds = (*parse(args.layers), Dense(units=len(data.labels)))
        structure = Structure(encoder.map, kinds)
    except ValueError as error:
        raise UserError(f"--layers: {error}") from None
    if not 1 <= args.batch <= len(data.train_images):
        raise UserError(f"--batch must be in 1 … {len(data.train_images)}, not {args.batch}")
    device = torch.device(args.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    with distributed.joined(device) as device:
        if args.batch % distributed.count():
            raise UserError(f"--batch must be divisible by {distributed.count()}, not {args.batch}")
        result = _bench(args, data, encoder, structure, device)
        if not distributed.first():
            return
    if args.json:
        cli.write_json(args.json, result)
    if not args.quiet:
        print(cli.to_json(result))


def _bench(
    args: argparse.Namespace,
    data: Dataset,
    encoder: LatencyEncoder,
    structure: Structure,
    device: torch.device,
) -> Bench:
    labels = distributed.part(torch.from_numpy(data.train_labels[: args.batch])).to(device)
    limits = _limits(device)
    rows = []
    for steps in args.steps:
        times = torch.from_numpy(encoder.times(data.train_images[: args.batch], steps)).short()
        times = distributed.part(times).to(device)
        torch.manual_seed(args.seed)
        for case in cases(structure, steps, times, labels, args.only):
            row = measure(case, steps, args.batch, device)
            rate = row.images_per_second
            if rate is not None and limits and distributed.count() == 1:
                if not structure.dense and case.name in _RULES:
                    roofline = _tensor_roofline(structure, args.batch, steps, rate, limits)
                    row = replace(row, roofline=roofline)
                elif len(structure.kinds) == 2 and case.name == "bstdg":
                    roofline = _roofline(structure.sizes, times, steps, rate, limits)
                    row = replace(row, roofline=roofline)
            rows.append(row)
            if args.profile and case.name == "bstdg" and not case.captured:
                print(_profile(case))
    if not rows:
        raise UserError(f"--only {args.only}: needs its package, or --device cuda; not timed")
    return Bench(
        network=str(structure),
        dataset=args.dataset,
        batch=args.batch,
        device=torch.cuda.get_device_name() if limits else "CPU",
        processes=distributed.count(),
        torch=torch.__version__,
        limits=limits,
        rows=rows,
    )


def cases(
    structure: Structure | Sequence[int],
    steps: int,
    times: Tensor,
    labels: Tensor,
    only: str | None = None,
) -> Iterator[Case]:
    """Everything that can be timed on the device of ``times`` int16 [B, N_in], one after the other,
    so that only one lies in memory; or what is called ``only``.
    """
    structure = Structure.of(structure)
    graphs = (True, False) if times.is_cuda else (False,)

    def wanted(name: str) -> bool:
        return only in (None, name) and (times.is_cuda or name not in _GPU_ONLY)

    for name, settings in _RULES.items():
        if not wanted(name):
            continue
        if distributed.count() > 1 and name != "bstdg":
            return
        for graph in graphs:
            rule_name = name.split(",")[0]
            given = settings if structure.dense else {**MAPS[rule_name][1], **settings}
            rule = RULES[rule_name](structure, steps, **given).to(times.device)
            rule.start(times)
            rate = torch.tensor(1e-4, device=times.device)
            optimizer = rule.optimizer([{**group, "lr": rate} for group in rule.groups()])
            yield Case(name, rule, partial(learn, rule, optimizer, times, labels), graph)
    for name, peer in _PEERS.items():
        for graph in graphs if wanted(name) else ():
            try:
                network = peer(structure)
            except ImportError:
                continue
            train = torch.stack([times == t for t in range(steps)]).float()  # [T, B, N_in]
            yield Case(name, network, _peer_step(network, train, labels), graph)


def _peer_step(network: nn.Module, train: Tensor, labels: Tensor) -> Callable[[], None]:
    network.to(train.device)
    optimizer = torch.optim.Adam(
        network.parameters(), lr=1e-4, fused=True, capturable=train.is_cuda
    )

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(train), labels).backward()
        optimizer.step()

    return step


def measure(case: Case, steps: int, batch: int, device: torch.device) -> Row:
    """Images per second (the median round), and on a GPU the memory of a step; an ``error`` instead
    if the case cannot run so.
    """
    row = Row(case=case.name, steps=steps, cuda_graph=case.captured)
    try:
        for _ in range(_WARM_UP):
            case.step()
        if device.type == "cuda":
            row = replace(row, step_bytes=_step_bytes(case))
        step = captured(case.step, case.step) if case.captured else case.step
    except RuntimeError as error:
        torch.cuda.synchronize()
        return replace(row, step_bytes=None, error=str(error).splitlines()[0])
    rounds: list[float] = []
    count = 1
    while len(rounds) < _ROUNDS:
        _wait(device)
        begin = time.perf_counter()
        for _ in range(count):
            step()
        _wait(device)
        clock = torch.tensor(time.perf_counter() - begin, device=device)
        distributed.average([clock])  # so that all processes take as many steps
        seconds = clock.item()
        if seconds < _SECONDS:
            count = max(count + 1, int(1.2 * count * _SECONDS / seconds))
        else:
            rounds.append(batch * count / seconds)
    return replace(row, images_per_second=round(statistics.median(rounds)))


def _wait(device: torch.device) -> None:
    """Until a GPU has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def _step_bytes(case: Case) -> int:
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    case.step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _limits(device: torch.device) -> Limits | None:
    """Those of a GPU; bytes as a large copy moves them, tensor cores by a large product."""
    if device.type != "cuda":
        return None
    source = torch.empty(1 << 30, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    factor = torch.randn(_FACTOR, _FACTOR, device=device, dtype=torch.float16)
    properties = torch.cuda.get_device_properties(device)
    clock = properties.clock_rate * 1000  # given in kHz
    return Limits(
        operations_per_second=properties.multi_processor_count * _LANES * clock,
        tensor_operations_per_second=2 * _FACTOR**3 / _seconds(lambda: factor @ factor),
        bytes_per_second=round(2 * source.numel() / _seconds(lambda: target.copy_(source))),
    )


def _seconds(work: Callable[[], object]) -> float:
    """What a GPU takes for it, the least of a few times."""
    seconds = []
    for _ in range(8):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        seconds.append(start.elapsed_time(end) / 1000)
    return min(seconds)


def _roofline(
    sizes: Sequence[int], times: Tensor, steps: int, rate: float, limits: Limits
) -> Roofline:
    """Of one step of the timing rule with one hidden layer."""
    inputs, hidden, outputs = sizes
    batch = len(times)
    spikes = int((times < steps).sum())
    hidden_spikes = batch * hidden  # at most; few of them fire
    forward = spikes * hidden + hidden_spikes * outputs
    # comparison and addition: of each weight of the hidden layer, and three times of each of the
    # output layer for its gradient and for what it passes back
    backward = 2 * batch * (inputs * hidden + 2 * 3 * hidden * outputs)
    weights = inputs * hidden + hidden * outputs
    # weights, gradient and Adam's two means: each read and written once; times as bytes
    moved = 4 * 2 * 4 * weights + batch * sum(sizes)
    best = max((forward + backward) / limits.operations_per_second, moved / limits.bytes_per_second)
    return Roofline(operations=forward + backward, bytes=moved, share=round(best * rate / batch, 4))


def _tensor_roofline(
    structure: Structure, batch: int, steps: int, rate: float, limits: Limits
) -> Roofline:
    """Of one step of a rule with layers on maps."""
    products, weights = 0, 0
    for index, (kind, inputs, output) in enumerate(
        zip(structure.kinds, structure.maps, structure.maps[1:], strict=False)
    ):
        if isinstance(kind, Pooling):
            continue
        rows, columns = kind.weights(inputs)
        places = output[1] * output[2]
        products += (3 if index else 2) * rows * columns * places
        weights += rows * columns
    operations = 2 * products * steps * batch
    moved = 4 * 2 * 4 * weights + batch * sum(structure.sizes)
    best = max(operations / limits.tensor_operations_per_second, moved / limits.bytes_per_second)
    return Roofline(operations=operations, bytes=moved, share=round(best * rate / batch, 4))


def _profile(case: Case) -> str:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(20):
            case.step()
        torch.cuda.synchronize()
    return profiler.key_averages().table(sort_by="cuda_time_total", row_limit=45)


if __name__ == "__main__":
    cli.run(main)
