"""How fast the golden model is, compared with a loop over images and steps that does the same.

``python -m sim.bench_golden`` prints one JSON object.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from sim import golden
from sw.cli import run, write_json
from sw.encoder import LatencyEncoder
from sw.flags import parser, positive_int
from sw.network import Layer, Network
from sw.structure import Conv, First, Kind, Pair, parse
from sw.structure import maps as structure_maps

__all__ = ["loop", "main"]

_Result = TypeVar("_Result")

# Layers, steps, and thresholds of the layers with weights. On maps hidden layers spike as often as
# those of lively trained networks
_DENSE = "600-10", 16, (12, 25)
_MAPS = "16c3p1-f2-32c3p1-f2-10", 4, (2, 3, 80)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Measure the golden model's speed.", seed=True)
    options.add_argument("--images", metavar="N", type=positive_int, default=2000)
    options.add_argument(
        "--maps",
        action="store_true",
        help=f"of {_MAPS[0]} instead of the dense network {_DENSE[0]}",
    )
    args = options.parse_args(arguments)
    network, images = _workload(np.random.default_rng(args.seed), args.images, maps=args.maps)
    few = images[: max(1, args.images // 10)]  # the loop is slow
    batched, answer = _rate(lambda: golden.run_images(network, images), len(images))
    looped, labels = _rate(lambda: loop(network, few), len(few))
    figures = {
        "network": network.structure,
        "steps": network.steps,
        "images": len(images),
        "spikes": [round(float((t < network.steps).sum(1).mean())) for t in answer.times],
        "golden_images_per_second": round(batched),
        "loop_images_per_second": round(looped),
        "ratio": round(batched / looped, 1),
        "equal": bool((answer.label[: len(few)] == labels).all()),
    }
    if args.json:
        write_json(args.json, figures)
    if not args.quiet:
        print(json.dumps(figures))


def loop(network: Network, images: np.ndarray) -> np.ndarray:
    """The class of each image, int [B]: image by image, step by step, a matrix product a step."""
    assert isinstance(network.encoder, LatencyEncoder)
    weights = [np.where(layer.weight, 1, -1).astype(np.float32) for layer in network.layers]
    labels = []
    for times in network.encoder.times(images, network.steps):
        potentials = [np.zeros(shape, np.float32) for shape in network.maps[1:]]
        fired = [np.zeros(shape, bool) for shape in network.maps[1:]]
        for step in range(network.steps):
            spikes = (times == step).reshape(network.encoder.map)
            for index, layer in enumerate(network.layers):
                if isinstance(layer.kind, First):
                    crossed = _windows(spikes, layer.kind.kernel, layer.kind.kernel).any((3, 4))
                else:
                    potentials[index] += _sums(layer.kind, weights[index], spikes)
                    crossed = potentials[index] >= layer.threshold[:, None, None]
                spikes = crossed & ~fired[index]
                fired[index] |= spikes
            if spikes.any():
                break
        margin = potentials[-1].ravel() - network.layers[-1].threshold
        labels.append(np.where(spikes.ravel() | ~spikes.any(), margin, -np.inf).argmax())
    return np.array(labels)


def _sums(kind: Kind, weights: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """What one step's ``spikes``, bool [C, H, W], add to the potentials [C, H, W]."""
    if not isinstance(kind, Conv):
        return (weights @ spikes.astype(np.float32).ravel())[:, None, None]
    top, bottom, left, right = kind.padding
    padded = np.pad(spikes.astype(np.float32), ((0, 0), (top, bottom), (left, right)))
    windows = _windows(padded, kind.kernel, kind.stride)
    kernels = weights.reshape(len(weights), len(spikes), *kind.kernel)
    return np.tensordot(kernels, windows, ((1, 2, 3), (0, 3, 4)))


def _windows(map_: np.ndarray, kernel: Pair, stride: Pair) -> np.ndarray:
    """The windows of a map [C, H, W], as [C, rows, columns, kernel, kernel]."""
    windows = np.lib.stride_tricks.sliding_window_view(map_, kernel, axis=(1, 2))
    return windows[:, :: stride[0], :: stride[1]]


def _workload(rng: np.random.Generator, count: int, *, maps: bool) -> tuple[Network, np.ndarray]:
    """A random network that decides late, and images as dark as MNIST's: a fifth is not 0."""
    text, steps, thresholds = _MAPS if maps else _DENSE
    encoder = LatencyEncoder(shape=(28, 28), silent_below=16)
    kinds, unused = parse(text), iter(thresholds)
    layers = []
    for kind, before in zip(kinds, structure_maps(encoder.map, kinds), strict=False):
        if shape := kind.weights(before):
            layers.append(
                Layer(
                    weight=rng.random(shape) < 0.5,
                    threshold=np.full(shape[0], next(unused), np.int32),
                    kind=kind,
                )
            )
        else:
            layers.append(Layer(kind=kind))
    keys = ("dataset", "rule", "versions", "command")
    numbers = ("seed", "epochs", "validation_accuracy", "test_accuracy")
    network = Network(
        name="random",
        steps=steps,
        encoder=encoder,
        layers=tuple(layers),
        labels=tuple(map(str, range(layers[-1].outputs))),
        provenance={**dict.fromkeys(keys, ""), **dict.fromkeys(numbers, 0)},
    )
    images = rng.integers(16, 256, (count, 28, 28)) * (rng.random((count, 28, 28)) < 0.2)
    return network, images.astype(np.uint8)


def _rate(work: Callable[[], _Result], count: int) -> tuple[float, _Result]:
    """Images per second, the better of two runs, and what came out."""
    best = 0.0
    for _ in range(2):
        begun = time.perf_counter()
        result = work()
        best = max(best, count / (time.perf_counter() - begun))
    return best, result


if __name__ == "__main__":
    run(main)
