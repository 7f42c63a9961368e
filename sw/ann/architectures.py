"""ANNs by the text that names their hidden layers, such as ``16c3p1,m2,32c3p1,m2``.

Convolutions and dense layers are written as in networks (docs/spec.md): ``16c3p1``, ``8c5s2``,
``128``. Beside them: ``m2`` max pooling and ``a2`` average pooling of 2 × 2; ``r32s2`` a residual
block of 32 channels and stride 2; ``g`` the average of each map; ``d50`` a dropout of 50 %.
Convolutions and dense layers have a batch norm and an activation; the last layer, one output per
class, has neither.
"""

import re
from collections import OrderedDict

from torch import nn

from sw.ann.modules import QCFS, Activation, Normalise, ResidualBlock, convolution
from sw.cli import UserError, printable
from sw.structure import Conv, Dense, Map, parse

__all__ = ["ARCHITECTURES", "activation_of", "build"]

ARCHITECTURES = {
    "vgg16": "64c3p1,64c3p1,m2,128c3p1,128c3p1,m2,256c3p1,256c3p1,256c3p1,m2,512c3p1,512c3p1,"
    "512c3p1,m2,512c3p1,512c3p1,512c3p1,m2,512,512",
    "resnet20": "16c3p1,r16,r16,r16,r32s2,r32,r32,r64s2,r64,r64,g",
}
"""Names for long texts: VGG16 with dense layers of 512 units (Simonyan and Zisserman 2015), and
ResNet20 (He et al. 2016) with convolutions on the shortcuts that change their size; both for images
of 32 × 32."""

_POOL = re.compile(r"([ma])([1-9][0-9]?)")
_BLOCK = re.compile(r"r([1-9][0-9]{0,4})(?:s([1-9]))?")
_DROPOUT = re.compile(r"d([1-9][0-9]?)")


def activation_of(levels: int) -> Activation:
    """ReLU for 0 levels, else :class:`sw.ann.modules.QCFS` of so many."""
    return (lambda: QCFS(levels)) if levels else nn.ReLU


def build(
    layers: str,
    shape: Map,
    classes: int,
    activation: Activation = nn.ReLU,
    normalise: Normalise | None = None,
) -> nn.Sequential:
    """The ANN with these hidden ``layers``, for images float [B, …] in 0 … 1 and ``classes``
    outputs.

    Raises
    ------
    UserError
        An entry of ``layers`` is none of the forms above, or a map becomes smaller than its window.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if normalise is not None:
        parts["normalise"] = normalise
    before, flat = shape, False
    for index, text in enumerate(filter(None, ARCHITECTURES.get(layers, layers).split(",")), 1):
        try:
            module, before = _layer(text, before, activation)
        except ValueError as error:
            raise UserError(f"--layers: layer {index}: {error}") from None
        dense = isinstance(module, nn.Sequential) and isinstance(module[0], nn.Linear)
        if dense and not flat:
            parts["flatten"], flat = nn.Flatten(), True
        elif flat and not dense and not isinstance(module, nn.Dropout):
            raise UserError(f"--layers: layer {index}, {text}, must stand before the dense layers")
        parts[f"layer{index}"] = module
    if not flat:
        parts["flatten"] = nn.Flatten()
    parts["output"] = nn.Linear(before[0] * before[1] * before[2], classes)
    return nn.Sequential(parts)


def _layer(text: str, before: Map, activation: Activation) -> tuple[nn.Module, Map]:
    """The layer that ``text`` names on maps ``before``, and the maps that it makes. Raises
    ValueError.
    """
    channels, height, width = before
    if match := _POOL.fullmatch(text):
        size = int(match[2])
        if size > min(height, width):
            raise ValueError(
                f"window of {text} must not be larger than the map, {height} × {width}"
            )
        kind = nn.MaxPool2d if match[1] == "m" else nn.AvgPool2d
        return kind(size), (channels, height // size, width // size)
    if match := _BLOCK.fullmatch(text):
        stride, count = int(match[2] or 1), int(match[1])
        after = count, (height - 1) // stride + 1, (width - 1) // stride + 1
        return ResidualBlock(channels, count, stride, activation), after
    if text == "g":
        return nn.AdaptiveAvgPool2d(1), (channels, 1, 1)
    if match := _DROPOUT.fullmatch(text):
        return nn.Dropout(int(match[1]) / 100), before
    try:
        (kind_,) = parse(text)
    except ValueError:
        kind_ = None
    if isinstance(kind_, Conv) and kind_.shortcut is None:
        top, bottom, left, right = kind_.padding
        if (top, left) == (bottom, right):
            module = convolution(
                channels, kind_.channels, kind_.kernel, kind_.stride, (top, left), activation
            )
            return module, kind_.output(before)
    if isinstance(kind_, Dense) and kind_.shortcut is None:
        linear = nn.Linear(channels * height * width, kind_.units, bias=False)
        parts = OrderedDict(
            linear=linear, norm=nn.BatchNorm1d(kind_.units), activation=activation()
        )
        return nn.Sequential(parts), (kind_.units, 1, 1)
    raise ValueError(
        "must be a convolution such as 16c3p1 or 8c5s2, units such as 128, pooling m2 or a2, a "
        f"residual block r16 or r32s2, g or a dropout d50, not {printable(repr(text), 40)}"
    )
