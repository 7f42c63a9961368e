"""``python -m sw.bench_training``: training speed and memory, beside peers and the device's limits.

Prints one JSON object. Every row trains the same network on the same encoded images on the same
device, one step of Adam included, without augmentation:

* rules of this project; on a GPU as one CUDA graph, as the trainer runs them, and eagerly;
* back-propagation through time as snnTorch and SpikingJelly do it, if they are installed (``pip
  install snntorch spikingjelly``; this project does not depend on them). Weights are real, neurons
  integrate without a leak, the loss is the cross-entropy of spike counts. They run eagerly, as they
  are used, and captured as a CUDA graph, which is how fast they could be.

By ``torchrun --nproc-per-node N -m sw.bench_training --device cuda`` the timing rule alone is
timed, each batch shared by N GPUs.

``step_bytes`` is the most that was allocated during a step beyond what lay there before it.
``roofline`` has, for the timing rule, what its equations need at least: ``operations`` (an addition
or a comparison each) and ``bytes`` moved (weights, the state of Adam, spike times), each over the
best of the device's vector units, and the larger of the two times over the time taken. The best:
every lane one operation a cycle; bytes as a large copy moves them. Tensor cores, which few steps
use, could do more.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sw import cli
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.registry import DATASETS, load
from sw.encoder import LatencyEncoder
from sw.flags import parser, positive_int
from sw.learn import distributed
from sw.rules import RULES

__all__ = ["Case", "cases", "main", "measure"]

_ROUNDS = 5  # the median of so many timings
_SECONDS = 0.2  # each of them takes at least
_WARM_UP = 3
_CLASSES = 10
_LANES = 128  # of one multiprocessor


class Case(NamedTuple):
    """Something that learns."""

    name: str
    step: Callable[[], None]  # one step of learning from one batch
    captured: bool  # run it as a CUDA graph


def arguments() -> argparse.ArgumentParser:
    flags = parser("Time training beside its peers.", data=True, seed=True)
    add = flags.add_argument
    add("--dataset", choices=DATASETS, default="digits", help="(default: %(default)s)")
    add("--hidden", metavar="N", type=positive_int, default=600, help="(default: %(default)s)")
    add("--steps", metavar="T", type=positive_int, nargs="+", default=[8, 64, 256])
    add("--batch", metavar="N", type=positive_int, default=256, help="(default: %(default)s)")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")
    add("--only", metavar="CASE", help="time one case, such as bstdg or spikingjelly")
    add("--profile", action="store_true", help="also print where the timing rule spends its time")
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch finds no GPU here; leave it out")
    data = load(args.dataset, args.data_dir)
    if not 1 <= args.batch <= len(data.train_images):
        raise UserError(f"--batch must be in 1 … {len(data.train_images)}, not {args.batch}")
    device = torch.device(args.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    with distributed.joined(device) as device:
        if args.batch % distributed.count():
            raise UserError(f"--batch must be divisible by {distributed.count()}, not {args.batch}")
        figures = _figures(args, data, device)
        if not distributed.first():
            return
    if args.json:
        cli.write_json(args.json, figures)
    if not args.quiet:
        print(json.dumps(figures))


def _figures(args: argparse.Namespace, data: Dataset, device: torch.device) -> dict[str, object]:
    encoder = LatencyEncoder(shape=data.shape, silent_below=16)
    labels = distributed.part(torch.from_numpy(data.train_labels[: args.batch])).to(device)
    limits = _limits(device)
    sizes = (encoder.inputs, args.hidden, _CLASSES)
    rows = []
    for steps in args.steps:
        times = torch.from_numpy(encoder.times(data.train_images[: args.batch], steps)).short()
        times = distributed.part(times).to(device)
        torch.manual_seed(args.seed)
        for case in cases(sizes, steps, times, labels, args.only):
            row = {"case": case.name, "steps": steps, "cuda_graph": case.captured}
            row |= measure(case, args.batch, device)
            if case.name == "bstdg" and limits and distributed.count() == 1:
                row["roofline"] = _roofline(sizes, times, steps, row["images_per_second"], limits)
            rows.append(row)
            if args.profile and case.name == "bstdg" and not case.captured:
                print(_profile(case))
    return {
        "network": "-".join(map(str, sizes)),
        "dataset": args.dataset,
        "batch": args.batch,
        "device": torch.cuda.get_device_name() if limits else "CPU",
        "processes": distributed.count(),
        "torch": torch.__version__,
        "limits": limits,
        "rows": rows,
    }


def cases(
    sizes: Sequence[int], steps: int, times: Tensor, labels: Tensor, only: str | None = None
) -> Iterator[Case]:
    """Everything that can be timed on the device of ``times`` int16 [B, N_in], one after the other,
    so that only one lies in memory; or what is called ``only``.
    """
    graphs = (True, False) if times.is_cuda else (False,)
    settings = {"bstdg": {}, "bstdg, plain": {"fused": False}, "surrogate": {}}
    for name, setting in settings.items():
        if only not in (None, name) or (not times.is_cuda and name == "bstdg, plain"):
            continue  # a CPU has no other than the plain one
        if distributed.count() > 1 and name != "bstdg":
            return
        for captured in graphs:
            rule = RULES[name.split(",")[0]](sizes, steps, **setting).to(times.device)
            rule.start(times)
            rate = torch.tensor(1e-4, device=times.device)
            optimizer = rule.optimizer([{**group, "lr": rate} for group in rule.groups()])

            def step(rule: nn.Module = rule, optimizer: torch.optim.Optimizer = optimizer) -> None:
                rule.backward(times, labels)
                distributed.average([parameter.grad for parameter in rule.parameters()])
                optimizer.step()
                rule.constrain()

            yield Case(name, step, captured)
    for name, peer in (("snntorch", _snntorch), ("spikingjelly", _spikingjelly)):
        for captured in graphs if only in (None, name) else ():
            try:
                network = peer(sizes)
            except ImportError:
                continue
            network.to(times.device)
            optimizer = torch.optim.Adam(
                network.parameters(), lr=1e-4, fused=True, capturable=times.is_cuda
            )
            train = torch.stack([times == t for t in range(steps)]).float()  # [T, B, N_in]

            def step(
                network: nn.Module = network,
                optimizer: torch.optim.Optimizer = optimizer,
                train: Tensor = train,
            ) -> None:
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(train), labels).backward()
                optimizer.step()

            yield Case(name, step, captured)


def measure(case: Case, batch: int, device: torch.device) -> dict[str, object]:
    """Images a second (the median round), and on a GPU the memory of a step; an ``error`` instead
    if the case cannot run so.
    """
    try:
        for _ in range(_WARM_UP):
            case.step()
        figures = {"step_bytes": _step_bytes(case)} if device.type == "cuda" else {}
        step = _captured(case.step) if case.captured else case.step
    except RuntimeError as error:
        torch.cuda.synchronize()
        return {"error": str(error).splitlines()[0]}
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    rounds, count = [], 1
    while len(rounds) < _ROUNDS:
        wait()
        begin = time.perf_counter()
        for _ in range(count):
            step()
        wait()
        clock = torch.tensor(time.perf_counter() - begin, device=device)
        distributed.average([clock])  # so that all processes take as many steps
        seconds = clock.item()
        if seconds < _SECONDS:
            count = max(count + 1, int(1.2 * count * _SECONDS / seconds))
        else:
            rounds.append(batch * count / seconds)
    return {"images_per_second": round(statistics.median(rounds)), **figures}


def _captured(step: Callable[[], None]) -> Callable[[], None]:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _step_bytes(case: Case) -> int:
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    case.step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _snntorch(sizes: Sequence[int]) -> nn.Module:
    import snntorch
    from snntorch import surrogate

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pairs = pairwise(sizes)
            self.synapses = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairs)
            self.neurons = nn.ModuleList(
                snntorch.Leaky(beta=1.0, spike_grad=surrogate.fast_sigmoid()) for _ in self.synapses
            )

        def forward(self, train: Tensor) -> Tensor:
            potentials = [neuron.init_leaky() for neuron in self.neurons]
            counts = 0
            for spikes in train:
                for index, (synapse, neuron) in enumerate(
                    zip(self.synapses, self.neurons, strict=True)
                ):
                    spikes, potentials[index] = neuron(synapse(spikes), potentials[index])
                counts = counts + spikes
            return counts

    return Network()


def _spikingjelly(sizes: Sequence[int]) -> nn.Module:
    from spikingjelly.activation_based import functional, neuron, surrogate

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            blocks = []
            for before, after in pairwise(sizes):
                blocks += [
                    nn.Linear(before, after, bias=False),
                    neuron.IFNode(surrogate_function=surrogate.ATan(), step_mode="m"),
                ]
            self.blocks = nn.Sequential(*blocks)

        def forward(self, train: Tensor) -> Tensor:
            functional.reset_net(self.blocks)
            return self.blocks(train).sum(dim=0)

    return Network()


def _limits(device: torch.device) -> dict[str, float] | None:
    """What a GPU does at best: operations a second, and bytes a second of a large copy."""
    if device.type != "cuda":
        return None
    source = torch.empty(1 << 30, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(8):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        target.copy_(source)
        end.record()
        end.synchronize()
        seconds.append(start.elapsed_time(end) / 1000)
    properties = torch.cuda.get_device_properties(device)
    clock = properties.clock_rate * 1000  # given in kHz
    return {
        "operations_per_second": properties.multi_processor_count * _LANES * clock,
        "bytes_per_second": round(2 * source.numel() / min(seconds)),
    }


def _roofline(
    sizes: Sequence[int], times: Tensor, steps: int, rate: float, limits: dict[str, float]
) -> dict[str, float]:
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
    best = max(
        (forward + backward) / limits["operations_per_second"], moved / limits["bytes_per_second"]
    )
    return {
        "operations": forward + backward,
        "bytes": moved,
        "share": round(best * rate / batch, 4),
    }


def _profile(case: Case) -> str:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(20):
            case.step()
        torch.cuda.synchronize()
    return profiler.key_averages().table(sort_by="cuda_time_total", row_limit=45)


if __name__ == "__main__":
    cli.run(main)
