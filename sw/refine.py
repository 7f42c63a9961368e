"""``python -m sw.refine NETWORK``: improves a trained network by changes of single signs, biases
and thresholds, each kept if it lowers the loss.

The network goes to ``--out`` after the last sweep. A command that was killed is resumed by giving
it again.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sw import cli
from sw.cli import UserError
from sw.data.dataset import Dataset
from sw.data.partition import hold_out
from sw.data.registry import load_dataset_for
from sw.encoder import ImageEncoder
from sw.flags import add_augment, output_file, parser, positive_float, positive_int, share
from sw.learn import devices
from sw.learn.answers import run_inputs
from sw.learn.batches import Augmentation, ImageInputs, augmentation_of
from sw.learn.refinement import Changes, Refinement, Units
from sw.learn.saved import Saved
from sw.network import CODINGS, Network, file_name, find
from sw.reports.result import command_line
from sw.rules.neuron import spiked
from sw.rules.settings import listing, settings_of
from sw.selection import Selection

__all__ = ["main"]

_CHECKPOINTS = Saved(
    name="checkpoint",
    another="finish that one, or --restart drops it",
    drop="--restart drops it",
)
_PART = 2000  # images at a time that are encoded


def arguments() -> argparse.ArgumentParser:
    flags = parser(
        "Refine a trained network by changes of single signs, biases and thresholds.",
        dataset="the one that the network was trained on",
        build=True,
        seed=True,
    )
    flags.formatter_class = argparse.RawDescriptionHelpFormatter
    flags.epilog = f"--augment\n\n{listing({'images': settings_of(Augmentation)})}"
    add = flags.add_argument
    add("network", help="path, or name in the zoo")
    add("--sweeps", metavar="N", type=positive_int, default=4, help="(default: %(default)s)")
    add(
        "--sample",
        metavar="N",
        type=positive_int,
        default=40_000,
        help="training images that a sweep looks at, drawn anew for each (default: %(default)s); "
        "fewer where there are fewer, or 2 GiB hold no more",
    )
    add(
        "--caution",
        metavar="Z",
        type=positive_float,
        default=2.0,
        help="standard errors by which a change must lower the loss (default: %(default)s)",
    )
    add_augment(flags)
    add(
        "--validation",
        metavar="F",
        type=share,
        default=1 / 12,
        help="share of the training set held out; as it was in training (default: a twelfth)",
    )
    add("--device", default="auto", help="cpu, cuda or auto (default: %(default)s)")
    add("--restart", action="store_true", help="drop a checkpoint and start from the beginning")
    add("--out", metavar="FILE", type=output_file, help="(default: <build-dir>/<network>-refined)")
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else list(argv)
    args = arguments().parse_args(argv)
    device = devices.find(args.device)
    network = find(args.network, codings=CODINGS)
    refinement = Refinement(network, device, args.caution)
    name = f"{network.file_name}-refined"
    out = args.out or args.build_dir / f"{name}.safetensors"
    cli.check_output(out)
    data = load_dataset_for(network, Selection.of(args))
    if not isinstance(data, Dataset):
        raise UserError(f"{data.name}: holds events; only networks of images are refined")
    learnt, held_out = hold_out(data.train_labels, data.train_groups, args.validation)
    augmentation = augmentation_of(args.augment)
    source = _Source(network, data, augmentation, device)
    identity = {
        "network": network.sha256,
        "dataset": data.name,
        "data": data.digest,
        "sample": args.sample,
        "caution": args.caution,
        "augment": repr(augmentation),
        "validation": args.validation,
        "seed": args.seed,
    }
    with cli.exclusive(args.build_dir / "refine" / name) as folder:
        checkpoint = folder / "checkpoint.pt"
        if args.restart:
            checkpoint.unlink(missing_ok=True)
        validation = _refine(refinement, source, learnt, held_out, args, checkpoint, identity)
        refined = refinement.network()
        answer = run_inputs(refined, data.test_part(refined.steps), device)
        accuracy = answer.figures(data.test_labels).accuracy
        provenance = {
            **network.provenance,
            "refined_from": network.sha256,
            "validation_accuracy": validation,
            "test_accuracy": accuracy,
            "command": f"{network.provenance['command']} && {command_line('sw.refine', argv)}",
        }
        replace(
            refined, name=file_name(args.out.stem) if args.out else name, provenance=provenance
        ).save(out)
        checkpoint.unlink()
    if not args.quiet:
        print(f"{out}: {refined.structure}, {accuracy:.2%} strict")


class _Source:
    """Training images as a network takes them."""

    def __init__(
        self,
        network: Network,
        data: Dataset,
        augmentation: Augmentation | None,
        device: torch.device,
    ) -> None:
        maps = (data.maps, data.oriented, data.off_channel)
        assert isinstance(network.encoder, ImageEncoder)
        self._inputs = ImageInputs(data.train_inputs, network.encoder, network.steps, device, *maps)
        self._labels = torch.from_numpy(data.train_labels).to(device)
        self._augmentation, self.device = augmentation, device
        self._spikes = network.coding == "first-spike"

    def take(self, index: Tensor, *, augmented: bool) -> tuple[Tensor, Tensor]:
        """Inputs, as :meth:`Refinement.sweep` has them, and labels of the images ``index`` [B]."""
        change = self._augmentation if augmented else None
        index = index.to(self.device)
        parts = [self._sent(self._inputs.take(part, change)) for part in index.split(_PART)]
        return torch.cat(parts), self._labels[index]

    def _sent(self, inputs: Tensor) -> Tensor:
        return spiked(inputs, self._inputs.steps) if self._spikes else inputs[:, None].float()


def _refine(
    refinement: Refinement,
    source: _Source,
    learnt: np.ndarray,
    held_out: np.ndarray,
    args: argparse.Namespace,
    checkpoint: Path,
    identity: Mapping[str, object],
) -> float | None:
    """All sweeps, from ``checkpoint`` if it is there. Returns the accuracy on images held out."""
    images, probe, done = torch.from_numpy(learnt), torch.from_numpy(held_out), 0
    count = min(args.sample, refinement.most_images)
    torch.manual_seed(args.seed * 1_000_003)
    first = images[torch.randperm(len(images))[:count]]
    refinement.fit_scale(*source.take(first, augmented=False))
    if checkpoint.exists():
        with _CHECKPOINTS.reading(checkpoint, identity, source.device) as content:
            refinement.units = [Units(**each) for each in content["units"]]
            done = int(content["done"])
    held = source.take(probe, augmented=False) if len(probe) else None

    def told() -> float | None:
        if held is None:
            return None
        right = refinement.potentials(held[0]).argmax(dim=1) == held[1]
        return float(right.float().mean())

    accuracy = told()
    units = sum(len(each.bias) for each in refinement.units[:-1])
    with tqdm(
        total=args.sweeps * units, initial=done * units, unit="unit", disable=args.quiet
    ) as bar:
        for sweep in range(done, args.sweeps):
            torch.manual_seed(args.seed * 1_000_003 + sweep + 1)
            generator = torch.Generator().manual_seed(args.seed * 1_000_003 + sweep + 1)
            chosen = images[torch.randperm(len(images))[:count]]
            changes = refinement.sweep(*source.take(chosen, augmented=True), generator, bar.update)
            accuracy = told()
            if not args.quiet:
                bar.write(_line(sweep, args.sweeps, changes, accuracy), file=sys.stdout)
            content = {"units": [vars(each) for each in refinement.units], "done": sweep + 1}
            _CHECKPOINTS.write(checkpoint, identity, content)
    return accuracy


def _line(sweep: int, sweeps: int, changes: Changes, accuracy: float | None) -> str:
    strict = "none held out" if accuracy is None else f"{accuracy:.2%} strict"
    return (
        f"sweep {sweep + 1}/{sweeps}  loss {changes.loss_before:.4f} to {changes.loss_after:.4f}  "
        f"{changes.signs} signs, {changes.others} other numbers  validation {strict}"
    )


if __name__ == "__main__":
    cli.run(main)
