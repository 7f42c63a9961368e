"""How fast the golden model is, compared with a loop over images and steps that does the same.

``python -m sim.bench_golden`` prints one JSON object.
"""

import json
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from sim import golden
from sw.cli import run, write_json
from sw.encoder import LatencyEncoder
from sw.flags import parser, positive_int
from sw.network import Layer, Network

__all__ = ["loop", "main"]

_SIZES, _STEPS = (784, 600, 10), 16


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Measure the golden model's speed.", seed=True)
    options.add_argument("--images", metavar="N", type=positive_int, default=2000)
    args = options.parse_args(arguments)
    network, images = _workload(np.random.default_rng(args.seed), args.images)
    few = images[: max(1, args.images // 10)]  # the loop is slow
    batched, answer = _rate(lambda: golden.run_images(network, images).label, len(images))
    looped, labels = _rate(lambda: loop(network, few), len(few))
    figures = {
        "network": network.structure,
        "steps": network.steps,
        "images": len(images),
        "golden_images_per_second": round(batched),
        "loop_images_per_second": round(looped),
        "ratio": round(batched / looped, 1),
        "equal": bool((answer[: len(few)] == labels).all()),
    }
    if args.json:
        write_json(args.json, figures)
    if not args.quiet:
        print(json.dumps(figures))


def loop(network: Network, images: np.ndarray) -> np.ndarray:
    """The class of each image, int [B]: image by image, step by step, a matrix product a step."""
    weights = [np.where(layer.weight, 1, -1).astype(np.float32) for layer in network.layers]
    assert isinstance(network.encoder, LatencyEncoder)
    labels = []
    for times in network.encoder.times(images, network.steps):
        potentials = [np.zeros(layer.outputs, np.float32) for layer in network.layers]
        fired = [np.zeros(layer.outputs, bool) for layer in network.layers]
        for step in range(network.steps):
            spikes = times == step
            for index, layer in enumerate(network.layers):
                potentials[index] += weights[index] @ spikes.astype(np.float32)
                spikes = (potentials[index] >= layer.threshold) & ~fired[index]
                fired[index] |= spikes
            if spikes.any():
                break
        margin = potentials[-1] - network.layers[-1].threshold
        labels.append(np.where(spikes | ~spikes.any(), margin, -np.inf).argmax())
    return np.array(labels)


def _workload(rng: np.random.Generator, count: int) -> tuple[Network, np.ndarray]:
    """A random network that decides late, and images as dark as MNIST's: a fifth is not 0."""
    layers = tuple(
        Layer(
            weight=rng.random((n_out, n_in)) < 0.5,
            threshold=np.full(n_out, threshold, np.int32),
        )
        for (n_in, n_out), threshold in zip(pairwise(_SIZES), (12, 25), strict=True)
    )
    keys = ("dataset", "rule", "versions", "command")
    numbers = ("seed", "epochs", "validation_accuracy", "test_accuracy")
    network = Network(
        name="random",
        steps=_STEPS,
        encoder=LatencyEncoder(shape=(28, 28), silent_below=16),
        layers=layers,
        labels=tuple(map(str, range(_SIZES[-1]))),
        provenance={**dict.fromkeys(keys, ""), **dict.fromkeys(numbers, 0)},
    )
    images = rng.integers(16, 256, (count, 28, 28)) * (rng.random((count, 28, 28)) < 0.2)
    return network, images.astype(np.uint8)


def _rate(work: Callable[[], np.ndarray], count: int) -> tuple[float, np.ndarray]:
    """Images per second, the better of two runs, and what came out."""
    best = 0.0
    for _ in range(2):
        begun = time.perf_counter()
        result = work()
        best = max(best, count / (time.perf_counter() - begun))
    return best, result


if __name__ == "__main__":
    run(main)
