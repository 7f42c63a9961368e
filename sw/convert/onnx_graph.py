"""Reads ONNX graphs with the operators of QONNX (https://github.com/fastmachinelearning/qonnx):
what depends on constants only is computed, and what is left must be a chain of nodes.

Each node is run by ONNX's own reference implementation, which is NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sw import limits
from sw.cli import printable
from sw.convert.errors import ConversionError, check_file
from sw.foreign import reason_of

if TYPE_CHECKING:
    import onnx
    from onnx.reference import ReferenceEvaluator

__all__ = ["Node", "chain_of", "evaluate", "evaluator", "read", "several_bits"]

_BYTES = 1 << 28  # of a file, at most: float32 for limits.WEIGHTS, twice
_NODES = 10_000
_NUMBERS = "biuf"  # kinds of arrays
_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")

# What constants are computed by: nothing here gives more numbers than it gets, but by broadcasting
_COMPUTED = {
    "Abs", "Add", "BipolarQuant", "Cast", "Constant", "Div", "Flatten", "Greater", "GreaterOrEqual",
    "Identity", "Less", "LessOrEqual", "Mul", "Neg", "Pow", "Reciprocal", "Reshape", "Sign", "Sqrt",
    "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of which one input is not constant.

    Parameters
    ----------
    title : str
        As messages call it.
    kind : str
        Its operator.
    place : int
        Which of its inputs is not constant.
    constants : dict of int to array
        The others; a shape that is computed from the input is missing.
    attributes : dict of str to number
        Those that are numbers.
    output : str
        Name of its result in the graph.
    """

    title: str
    kind: str
    place: int
    constants: dict[int, np.ndarray]
    attributes: dict[str, float]
    output: str
    _alone: onnx.GraphProto = field(repr=False)
    _model: onnx.ModelProto = field(repr=False)

    @cached_property
    def _evaluator(self) -> ReferenceEvaluator:
        return evaluator(self._alone, self._model)

    def run(self, values: np.ndarray) -> np.ndarray:
        """Its result, for ``values`` [N] or [B, N] in the place of its input."""
        row = values.shape[-1]
        feeds = {
            str(place): value.reshape(-1) if value.ndim > 2 and value.size == row else value
            for place, value in self.constants.items()
        }
        try:
            return evaluate(self._evaluator, feeds | {str(self.place): values})
        except Exception as error:  # whatever the library raises for shapes that do not fit
            raise ConversionError(
                f"{self.title}: cannot be computed ({reason_of(error)})"
            ) from None


def read(path: Path) -> onnx.ModelProto:
    """Reads a file. Raises :class:`ConversionError` with the path and the fault in one line."""
    import onnx

    check_file(path)
    if (size := path.stat().st_size) > _BYTES:
        raise ConversionError(f"{path}: must have at most {_BYTES:,} bytes, not {size:,}")
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # of protobuf's own kind
        raise ConversionError(f"{path}: is no ONNX file, or a damaged one") from None
    if not model.graph.node:
        raise ConversionError(f"{path}: is no ONNX file, or has no nodes")
    return model


def several_bits(width: np.ndarray | None) -> str:
    """What is said of a Quant node, by its bit width if that is known."""
    bits = f"{float(width.ravel()[0]):g}" if width is not None and width.size else "several"
    return f"quantises to {bits} bits; weights and activations of a network have 1 (BipolarQuant)"


def evaluator(graph: onnx.GraphProto, model: onnx.ModelProto) -> ReferenceEvaluator:
    """ONNX's reference implementation of ``graph``, in the opsets of ``model``."""
    from onnx.reference import ReferenceEvaluator

    opsets = dict.fromkeys(_DOMAINS, 1)  # some files leave them out
    opsets |= {each.domain: each.version for each in model.opset_import}
    return ReferenceEvaluator(graph, opsets=opsets, new_ops=_operators())


def evaluate(
    of: ReferenceEvaluator, feeds: dict[str, np.ndarray], result: str | None = None
) -> np.ndarray:
    """A result by its name, or the first one."""
    results = of.run(None if result is None else [result], feeds)
    assert isinstance(results, list)
    return np.asarray(results[0])


@cache
def _operators() -> list[type]:
    """QONNX's operator, in each domain that it has had."""
    from onnx.reference.op_run import OpRun

    def _run(self: OpRun, x: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray]:
        return (np.where(x >= 0, scale, -scale).astype(x.dtype),)

    return [type("BipolarQuant", (OpRun,), {"op_domain": each, "_run": _run}) for each in _DOMAINS]


def chain_of(model: onnx.ModelProto) -> tuple[str, list[Node]]:
    """The name of the one input of a graph, and its nodes from there to its output.

    Raises
    ------
    ConversionError
        It is no chain, has data in other files, or computes constants by what is not known.
    """
    constants, source = _given(model)
    faults: dict[str, str] = {}  # results that cannot be computed, and why
    shapes: set[str] = set()  # results that depend on the input's shape only
    chain: list[Node] = []
    end, numbers = source, 0
    for node in model.graph.node:
        title = _title(node)
        if not node.output:
            raise ConversionError(f"{title}: gives no result")
        names = [name for name in node.input if name]
        open_ = [name for name in names if name not in constants and name not in shapes]
        if known_fault := next((faults[name] for name in open_ if name in faults), None):
            if end in open_:
                raise ConversionError(known_fault)
            faults.update(dict.fromkeys(node.output, known_fault))
        elif not open_ and not any(name in shapes for name in names):
            result = _computed(node, title, constants, model)
            if isinstance(result, str):
                faults.update(dict.fromkeys(node.output, result))
            else:
                constants[node.output[0]] = result
                if (numbers := numbers + result.size) > 4 * limits.WEIGHTS:
                    raise ConversionError(f"{title}: too many numbers in all constants together")
        elif not open_ or node.op_type == "Shape":
            shapes.update(node.output)
        elif open_ == [end]:
            chain.append(_node(node, title, end, constants, model))
            end = node.output[0]
        else:
            raise ConversionError(f"{title}: {_not_a_chain(open_, source, chain)}")
    outputs = [each.name for each in model.graph.output]
    if outputs != [end]:
        raise ConversionError(
            f"ONNX graph: its one output must be the result of {chain[-1].title}"
            if chain
            else "ONNX graph: its output does not depend on its input"
        )
    return source, chain


def _title(node: onnx.NodeProto) -> str:
    """A node as messages call it."""
    return (
        f"{printable(node.name or next(iter(node.output), ''), 60)} ({printable(node.op_type, 60)})"
    )


def _not_a_chain(names: list[str], source: str, chain: list[Node]) -> str:
    """Why a node that needs these results does not follow the last one of ``chain``."""
    before = {source, *(node.output for node in chain)}
    if unknown := next((name for name in names if name not in before), None):
        return f"needs {printable(unknown, 60)!r}, which no node before it gives"
    if len(names) > 1:
        return f"joins {len(names)} branches; a network is a chain"
    return "begins a second branch; a network is a chain"


def _given(model: onnx.ModelProto) -> tuple[dict[str, np.ndarray], str]:
    """The constants of the file, and the name of the one input."""
    from onnx import numpy_helper
    from onnx.external_data_helper import uses_external_data

    if len(model.graph.node) > _NODES:
        raise ConversionError(
            f"ONNX graph: must have at most {_NODES:,} nodes, not {len(model.graph.node):,}"
        )
    if any(isinstance(name, bytes) for name in _names(model.graph)):  # protobuf lets them pass
        raise ConversionError("ONNX graph: is damaged: its names must be UTF-8")
    for name, tensor in _tensors(model.graph):
        if uses_external_data(tensor):
            raise ConversionError(
                f"{printable(name, 60)}: its data are in another file; save the graph with all "
                "data within it (onnx.save, save_as_external_data=False)"
            )
    constants = {}
    for tensor in model.graph.initializer:
        name = printable(tensor.name, 60)
        try:
            value = numpy_helper.to_array(tensor)
        except Exception as error:  # data that do not fill the shape, an unknown type
            raise ConversionError(f"{name}: is a damaged tensor ({reason_of(error)})") from None
        if value.dtype.kind not in _NUMBERS:
            raise ConversionError(f"{name}: must hold numbers, not {value.dtype}; save float32")
        constants[tensor.name] = value
    inputs = [each.name for each in model.graph.input if each.name not in constants]
    if len(inputs) != 1:
        raise ConversionError(f"ONNX graph: must have one input, not {len(inputs)}")
    return constants, inputs[0]


def _names(graph: onnx.GraphProto) -> Iterator[str | bytes]:
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (each.name for each in node.attribute)
    for values in (graph.initializer, graph.input, graph.output):
        yield from (each.name for each in values)


def _tensors(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Those that nodes may be run with, by a name."""
    yield from ((tensor.name, tensor) for tensor in graph.initializer)
    for node in graph.node:
        yield from ((_title(node), each.t) for each in node.attribute if each.HasField("t"))


def _computed(
    node: onnx.NodeProto, title: str, constants: dict[str, np.ndarray], model: onnx.ModelProto
) -> np.ndarray | str:
    """The constant that a node gives, or why it cannot be computed."""
    names = [name for name in node.input if name]
    values = [constants[name] for name in names]
    if node.op_type == "Quant":
        return f"{title}: {several_bits(values[3] if len(values) > 3 else None)}"
    if node.op_type not in _COMPUTED:
        return f"{title}: constants are not computed by {printable(node.op_type, 60)}"
    if _broadcast(*(value.shape for value in values)) > limits.WEIGHTS:
        return f"{title}: would give more than {limits.WEIGHTS:,} numbers"
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused where it is used
            feeds = dict(zip(names, values, strict=True))
            result = evaluate(evaluator(_alone(node), model), feeds)
    except Exception as error:  # whatever the library raises for a wrong graph
        return f"{title}: cannot be computed ({reason_of(error)})"
    if result.dtype.kind not in _NUMBERS:
        return f"{title}: must give numbers, not {result.dtype}"
    return result


def _broadcast(*shapes: tuple[int, ...]) -> int:
    """Numbers in the result of broadcasting; 0 if the shapes do not fit."""
    try:
        return math.prod(np.broadcast_shapes(*shapes))
    except ValueError:
        return 0


def _node(
    node: onnx.NodeProto,
    title: str,
    end: str,
    constants: dict[str, np.ndarray],
    model: onnx.ModelProto,
) -> Node:
    from onnx import NodeProto

    place = list(node.input).index(end)
    known = {i: constants[name] for i, name in enumerate(node.input) if name in constants}
    bare = NodeProto()
    bare.CopyFrom(node)
    bare.ClearField("input")
    named = (str(i) if i == place or i in known else "" for i in range(len(node.input)))
    bare.input.extend(named)
    return Node(
        title=title,
        kind=node.op_type,
        place=place,
        constants=known,
        attributes=dict(_numbers(node)),
        output=node.output[0],
        _alone=_alone(bare),
        _model=model,
    )


def _numbers(node: onnx.NodeProto) -> Iterator[tuple[str, float]]:
    for each in node.attribute:
        if each.type == each.INT:
            yield each.name, each.i
        elif each.type == each.FLOAT:
            yield each.name, each.f


def _alone(node: onnx.NodeProto) -> onnx.GraphProto:
    """The graph of one node."""
    from onnx import TensorProto, helper

    def described(names: Iterable[str]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names if n]

    return helper.make_graph([node], "node", described(node.input), described(node.output[:1]))
