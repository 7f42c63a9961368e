"""From QONNX: graphs of BipolarQuant, MatMul or Gemm, and BatchNormalization, as Brevitas exports
binarised networks; other spellings of a sign are understood, too (:mod:`sw.convert.step`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from sw.cli import printable
from sw.convert.errors import ConversionError
from sw.convert.layers import Converted, Levels, Stage, Target
from sw.convert.onnx_graph import Node, chain_of, evaluate, evaluator, several_bits
from sw.convert.signs import Activation, Reading, convert_signs
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.foreign import reason_of
from sw.network import Network

if TYPE_CHECKING:
    import onnx

__all__ = ["convert_qonnx", "from_qonnx"]

_LINEAR = {"MatMul", "Gemm"}
_AFFINE = {"Add", "Sub", "Mul", "Div", "Neg", "BatchNormalization"}
_ACTIVATIONS = {
    "BipolarQuant", "Cast", "Clip", "Greater", "GreaterOrEqual", "HardSigmoid", "HardTanh", "Less",
    "LessOrEqual", "Not", "Relu", "Sigmoid", "Sign", "Tanh", "Where",
}  # fmt: skip
_NOTHING = {"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
_FLOATS = {1, 11}  # float32 and float64, as onnx.TensorProto numbers them
_ORDER = {"Softmax", "LogSoftmax", "ArgMax", "TopK"}  # at the end; the largest stays the largest
_TRIALS = 8  # random inputs on which the graph and the chain that it is taken for must agree


def from_qonnx(
    model: onnx.ModelProto,
    *,
    encoder: LatencyEncoder | EventsEncoder,
    steps: int,
    labels: Sequence[str],
    name: str = "converted",
    dataset: str | None = None,
    bipolar: bool = False,
    input_range: tuple[float, float] | None = None,
    equal_scales: bool = False,
) -> Network:
    """The network that an ONNX model is.

    Parameters
    ----------
    model : onnx.ModelProto
        A chain of MatMul or Gemm, BatchNormalization, Add, Sub, Mul, Div and BipolarQuant.
    encoder, steps, labels, name, dataset, bipolar, input_range, equal_scales
        As of :func:`sw.convert.from_torch`.

    Raises
    ------
    ConversionError
        No network does the same. One line: node, reason, remedy.
    NetworkError
        Encoder, steps or labels do not fit the graph.
    """
    target = Target(encoder=encoder, steps=steps, labels=labels, name=name, dataset=dataset)
    reading = Reading(bipolar=bipolar, input_range=input_range, equal_scales=equal_scales)
    return convert_qonnx(model, target, reading).network


def convert_qonnx(model: onnx.ModelProto, target: Target, reading: Reading) -> Converted:
    """As :func:`from_qonnx`, with what runs the graph itself."""
    source, chain = chain_of(model)
    chain = [node for node in chain if not _does_nothing(node)]
    while chain and chain[-1].kind in _ORDER:
        chain.pop()
    for node in chain:
        if node.kind not in _LINEAR | _AFFINE | _ACTIVATIONS:
            raise ConversionError(f"{node.title}: {_refusal(node)}")
    starts = [index for index, node in enumerate(chain) if node.kind in _LINEAR]
    if not starts:
        raise ConversionError("ONNX graph: must have a MatMul or Gemm with constant weights")
    front = _activation(chain[: starts[0]])
    ends = [*starts[1:], len(chain)]
    blocks = [_Block(chain[start:end]) for start, end in zip(starts, ends, strict=True)]
    for block in blocks[:-1]:
        if block.activation is None:
            raise ConversionError(
                f"{block.nodes[-1].title}: leads to another linear layer without an activation "
                "between them"
            )
    shape = _shape(model, source, target.encoder.inputs)
    _check_sizes(blocks, target.encoder.inputs)
    converted = convert_signs(
        blocks, front, target, reading, rule="imported from QONNX", source=model.producer_name
    )
    _check_chain(model, source, shape, front, blocks, reading)
    return converted


class _Block:
    """A :class:`sw.convert.signs.Block`: a linear node with the affine ones and the activation that
    follow it.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        affine = list(takewhile(lambda node: node.kind in _AFFINE, nodes[1:]))
        self.nodes = [nodes[0], *affine]
        after = nodes[len(self.nodes) :]
        self.activation = _activation(after)
        self.output = [*self.nodes, *after][-1].output  # its name in the graph
        self.weight, self.bias = _weights(nodes[0])

    def stage(self, inputs: Levels, most: int) -> Stage:
        name = self.nodes[0].title
        stage = Stage(name=name, weight=self.weight, inputs=inputs, most=most)
        stage.affine(name, [1.0], self.bias)
        for node in self.nodes[1:]:
            _fold(node, stage)
        return stage

    def run(self, values: np.ndarray) -> np.ndarray:
        return _run(self.nodes, values.astype(np.float32))


def _does_nothing(node: Node) -> bool:
    """Whether a node leaves numbers as they are and in their order."""
    return node.kind in _NOTHING or (node.kind == "Cast" and node.attributes.get("to") in _FLOATS)


def _refusal(node: Node) -> str:
    if node.kind in ("Conv", "ConvTranspose"):
        return "a convolution; networks are converted with dense layers only"
    if node.kind == "Quant":
        return several_bits(node.constants.get(3))
    if node.kind in _ORDER:
        return "belongs at the end"
    return (
        "no layer of a network; known are MatMul, Gemm, BatchNormalization, Add, Sub, Mul, Div, "
        "BipolarQuant and what else has two values"
    )


def _run(nodes: Sequence[Node], values: np.ndarray) -> np.ndarray:
    for node in nodes:
        values = node.run(values)
    return values


def _activation(nodes: Sequence[Node]) -> Activation | None:
    """Nodes one after the other as one elementwise function; None for none."""
    if not nodes:
        return None

    def run(values: np.ndarray) -> np.ndarray:
        return _run(nodes, values.astype(np.float32)).astype(np.float64)

    return Activation(nodes[0].title, run)


def _weights(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """Weights float64 [N_out, N_in] and biases float64 [N_out]."""
    weight = node.constants.get(1)
    if weight is None or node.place != 0 or node.attributes.get("transA"):
        raise ConversionError(f"{node.title}: must multiply its input by constant weights")
    if weight.ndim != 2 or 0 in weight.shape:
        raise ConversionError(
            f"{node.title}: its weights must be a matrix, not {list(weight.shape)}"
        )
    weight = np.asarray(weight, np.float64)
    if not node.attributes.get("transB"):
        weight = weight.T
    weight = weight * node.attributes.get("alpha", 1.0)
    bias = np.zeros(len(weight))
    if 2 in node.constants:
        bias = bias + node.attributes.get("beta", 1.0) * _per_unit(node, 2, len(weight))
    return weight, bias


def _fold(node: Node, stage: Stage) -> None:
    """Applies an affine node to the values of ``stage``."""
    units = len(stage.weight)
    if node.kind == "Neg":
        return stage.affine(node.title, [-1.0], [0.0])
    if node.kind == "BatchNormalization":
        if node.place != 0 or sorted(node.constants) != [1, 2, 3, 4]:
            raise ConversionError(f"{node.title}: its parameters must be constants")
        gamma, beta, mean, variance = (_per_unit(node, place, units) for place in (1, 2, 3, 4))
        variance = variance + node.attributes.get("epsilon", 1e-5)
        if not (variance > 0).all():
            raise ConversionError(f"{node.title}: its variance must be above 0")
        return stage.normalise(node.title, gamma, mean, np.sqrt(variance), beta)
    constant = _per_unit(node, 1 - node.place, units)
    if node.kind == "Mul":
        return stage.affine(node.title, constant, [0.0])
    if node.kind == "Div":
        if node.place != 0 or not constant.all():
            raise ConversionError(f"{node.title}: must divide by constants that are not 0")
        return stage.normalise(node.title, [1.0], [0.0], constant, [0.0])
    if node.kind == "Sub":
        if node.place == 0:
            return stage.affine(node.title, [1.0], -constant)
        return stage.affine(node.title, [-1.0], constant)
    return stage.affine(node.title, [1.0], constant)


def _per_unit(node: Node, place: int, units: int) -> np.ndarray:
    """A constant of a node, one number per unit or one for all."""
    value = np.asarray(node.constants[place], np.float64)
    if value.size not in (1, units) or value.shape[-1:] not in ((), (1,), (units,)):
        raise ConversionError(
            f"{node.title}: a constant of shape {list(value.shape)} for {units} units"
        )
    return value.reshape(-1)


def _check_sizes(blocks: Sequence[_Block], inputs: int) -> None:
    for block in blocks:
        if block.weight.shape[1] != inputs:
            raise ConversionError(
                f"{block.nodes[0].title}: takes {block.weight.shape[1]:,} inputs, not {inputs:,}"
            )
        inputs = len(block.weight)


def _shape(model: onnx.ModelProto, source: str, inputs: int) -> list[int]:
    """The shape of one example, as the graph has it."""
    given = next(each for each in model.graph.input if each.name == source)
    shape = [each.dim_value for each in given.type.tensor_type.shape.dim][1:]
    if not shape or 0 in shape:  # not known
        return [inputs]
    if math.prod(shape) != inputs:
        raise ConversionError(
            f"{printable(source, 60)}: the graph takes {' × '.join(map(str, shape))} numbers, and "
            f"the encoder gives {inputs:,}"
        )
    return shape


def _check_chain(
    model: onnx.ModelProto,
    source: str,
    shape: Sequence[int],
    front: Activation | None,
    blocks: Sequence[_Block],
    reading: Reading,
) -> None:
    """Refuses a graph that gives something else than the chain that it is taken for."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (_TRIALS, 1, math.prod(shape)))
    inputs = reading.of_pixels(pixels if front else 255 * (pixels > 127))
    try:
        graph = evaluator(model.graph, model)
        results = [
            evaluate(graph, {source: each.reshape(1, *shape)}, blocks[-1].output) for each in inputs
        ]
    except Exception as error:  # whatever the library raises for a wrong graph
        raise ConversionError(f"ONNX graph: cannot be run ({reason_of(error)})") from None
    for values, whole in zip(inputs, results, strict=True):
        for step in [front, *(part for block in blocks for part in (block, block.activation))]:
            values = step.run(values) if step else values
        if whole.shape != values.shape or not np.allclose(whole, values, 1e-4, 1e-5):
            raise ConversionError(
                "ONNX graph: gives something else than its layers one after the other; leave out "
                "all but layers"
            )
