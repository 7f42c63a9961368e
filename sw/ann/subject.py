"""An ANN beside the data that it is measured on: what a conversion needs to be simulated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sw.ann import files, reading
from sw.ann.figures import Conversion
from sw.ann.graph import Graph
from sw.ann.methods import Method, Thresholds
from sw.ann.modules import Normalise
from sw.ann.simulate import simulate
from sw.ann.trainer import on_device, shape_of, values
from sw.cli import UserError
from sw.data import registry
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.partition import hold_out
from sw.selection import Selection

__all__ = ["Subject"]

_CALIBRATION = 500  # training images that thresholds are found on
_HELD_OUT = 0.1  # of the training set, of an ANN that does not say it
_BATCH_ON_GPU = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """An ANN as a graph, and images.

    Parameters
    ----------
    name : str
    graph : Graph
    dataset : str
    part : str
        ``test`` or ``validation``.
    calibration : float [M, …]
        Training images, none of them among ``images``, as the graph takes them.
    images : uint8 [N, height, width, channels]
    labels : int64 [N]
    levels : int
        Of a QCFS ANN, 0 of one with ReLU.
    digest : str, or None
        Of one's own data, :attr:`sw.data.dataset.Dataset.digest`.
    """

    name: str
    graph: Graph
    dataset: str
    part: str
    calibration: Tensor
    images: Tensor
    labels: Tensor
    levels: int = 0
    digest: str | None = None

    @classmethod
    def of_file(
        cls,
        path: Path,
        selection: Selection,
        device: torch.device,
        *,
        validation: bool = False,
        count: int | None = None,
    ) -> "Subject":
        """The ANN of a file that ``sw.train_ann`` wrote.

        Parameters
        ----------
        selection : Selection
            The data; without a name those that the ANN was trained on.
        validation : bool
            The images that were held out from training, in place of the test part.
        count : int, optional
            Only the first so many.

        Raises
        ------
        UserError
            The file is none, or the data are not such as the ANN was made for.
        """
        ann = files.read(path)
        known = ann.description
        selection = replace(
            selection,
            dataset=selection.dataset or known.dataset,
            off_channel=selection.off_channel or known.off_channel or None,
        )
        data = _images(_load(selection))
        shape = shape_of(data)
        if shape != known.shape or data.labels != known.labels:
            raise UserError(
                f"{path}: takes images of {_size(known.shape)} in {len(known.labels)} classes of "
                f"{known.dataset}, {data.name} has {_size(shape)} in {len(data.labels)}; name the "
                "data set that it was made for"
            )
        return cls._of(
            path.stem,
            ann.module.to(device),
            data,
            known.validation,
            validation=validation,
            count=count,
            levels=known.levels,
        )

    @classmethod
    def of_module(
        cls,
        module: nn.Module,
        data: Dataset | EventDataset,
        device: torch.device,
        *,
        mean: Sequence[float] = (),
        deviation: Sequence[float] = (),
        count: int | None = None,
    ) -> "Subject":
        """A module of PyTorch that takes images in 0 … 1, or with ``mean`` and ``deviation`` such
        as are normalised by them, of each channel.

        Raises
        ------
        UserError
            It cannot be converted, or the data are not such as it was made for.
        """
        images = _images(data)
        channels = shape_of(images)[0]
        for flag, given in (("mean", mean), ("std", deviation)):
            if given and len(given) not in (1, channels):
                raise UserError(
                    f"--{flag}: must be 1 or {channels} numbers for {data.name}, not {len(given)}"
                )
        if mean or deviation:
            module = nn.Sequential(Normalise(mean or [0.0], deviation or [1.0]), module)
        return cls._of(
            type(module).__name__,
            module.to(device),
            images,
            _HELD_OUT,
            validation=False,
            count=count,
        )

    @classmethod
    def _of(
        cls,
        name: str,
        module: nn.Module,
        data: Dataset,
        fraction: float,
        *,
        validation: bool,
        count: int | None,
        levels: int = 0,
    ) -> "Subject":
        module = module.float()  # as images are
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        device = next(module.parameters(), torch.zeros(0)).device
        if device.type == "cuda":  # no TF32: a rounded product may miss a threshold
            torch.set_float32_matmul_precision("highest")
            torch.backends.cudnn.allow_tf32 = False
        graph = reading.read(module, shape_of(data))
        if graph.classes != len(data.labels):
            raise UserError(
                f"{name}: has {graph.classes} outputs, {data.name} has {len(data.labels)} classes; "
                "name the data set that it was made for"
            )
        learnt, apart = hold_out(data.train_labels, data.train_groups, fraction)
        if validation and not len(apart):
            raise UserError(f"{name}: nothing was held out from its training; leave out --held-out")
        chosen = np.random.default_rng(0).permutation(learnt)[:_CALIBRATION]
        train, test = on_device(data, device)
        images, labels = (each[apart] for each in train) if validation else test
        return cls(
            name=name,
            graph=graph,
            dataset=data.name,
            part="validation" if validation else "test",
            calibration=_like(graph)(train[0][chosen]),
            images=images[:count],
            labels=labels[:count],
            levels=levels,
            digest=data.digest,
        )

    @torch.no_grad()
    def thresholds(self, method: Method) -> Thresholds:
        """Of ``method`` for this ANN."""
        return method.thresholds(self.graph, self.calibration)

    def given(self, images: Tensor) -> Tensor:
        """What the ANN is given of ``images`` uint8 [B, height, width, channels]."""
        return _like(self.graph)(images)

    def convert(
        self, name: str, method: Method, steps: int, progress: Callable[[float], None]
    ) -> Conversion:
        """``method`` on the images, simulated; ``progress`` as :func:`sw.ann.simulate.simulate` has
        it.
        """
        thresholds = self.thresholds(method)
        batch = {"batch": _BATCH_ON_GPU} if self.images.is_cuda else {}
        return simulate(
            self.graph,
            method,
            thresholds,
            self.images,
            self.labels,
            steps=steps,
            name=name,
            dataset=self.dataset,
            part=self.part,
            values=self.given,
            progress=progress,
            **batch,
        )


@lru_cache(maxsize=1)  # several ANNs are mostly of one data set
def _load(selection: Selection) -> Dataset | EventDataset:
    return registry.load_selected(selection)


def _like(graph: Graph) -> Callable[[Tensor], Tensor]:
    """What makes of images uint8 [B, height, width, channels] what ``graph`` takes."""
    if len(graph.shape) == 3:
        return values
    return lambda images: values(images).flatten(1)


def _images(data: Dataset | EventDataset) -> Dataset:
    if not isinstance(data, Dataset):
        raise UserError(f"{data.name}: holds events; an ANN takes images")
    return data


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
