"""A module of PyTorch as a :class:`sw.ann.graph.Graph`: traced by ``torch.fx``, batch norms folded,
checked against the module itself.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from sw.ann.graph import INPUT, Affine, Graph, Kind, Neuron, Node, Pool, Sum
from sw.ann.modules import QCFS, Normalise
from sw.ann.operations import FUNCTIONS, METHODS, Found, batch_norm, module_of, remedy_of
from sw.cli import UserError
from sw.foreign import reason_of

__all__ = ["read"]

_TRIALS = 4  # random images on which module and graph must agree
_TOLERANCE = 1e-3  # of the largest output


def read(module: nn.Module, shape: Sequence[int]) -> Graph:
    """The graph of ``module``, as it is in evaluation, on the device where it lies. The module is
    left as it is.

    Parameters
    ----------
    module : nn.Module
        Of images float [B, …] in 0 … 1, or of the same flattened [B, N].
    shape : sequence of int
        Channels, height and width.

    Raises
    ------
    UserError
        It cannot be traced, does not take such images, or has something that no spiking neuron
        stands for. One line: the module, its type, what would do.
    """
    module = copy.deepcopy(module).eval()
    graph, example = _graph(module, tuple(shape))
    checked = graph
    if any(isinstance(each, QCFS) for each in module.modules()):
        # By 32 bits a sum may come to lie on the other side of a step, and count a whole level more
        module = copy.deepcopy(module).double()
        checked, example = _graph(module, tuple(shape))
    with torch.no_grad():
        expected, found = module(example), checked.run(example)
    tensors = [*module.parameters(), *module.buffers(), expected, found]
    if not all(each.isfinite().all() for each in tensors):
        raise UserError(
            f"{type(module).__name__}: has weights, or gives outputs, that are not finite; train "
            "it again, with a lower rate"
        )
    if (expected - found).abs().max() > _TOLERANCE * expected.abs().max().clamp(min=1):
        raise UserError(
            f"{type(module).__name__}: what was read of it gives other outputs; its forward may "
            "depend on more than its inputs"
        )
    return graph


class _Tracer(fx.Tracer):
    """Looks into every module but PyTorch's own, and ours that are known."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, Normalise | QCFS):
            return True
        return super().is_leaf_module(m, module_qualified_name)


def _graph(module: nn.Module, shape: tuple[int, ...]) -> tuple[Graph, Tensor]:
    """What is read of ``module``, and random images [B, …] that it takes."""
    traced = _traced(module)
    example = _fitting(module, shape)
    _Shapes(traced).run(example[:2])
    nodes = _check(_pooled_after_neurons(list(_Reader(traced).nodes())))
    return Graph(nodes=tuple(nodes), shape=tuple(example.shape[1:])), example


def _traced(module: nn.Module) -> fx.GraphModule:
    name = type(module).__name__
    try:
        return fx.GraphModule(module, _Tracer().trace(module))
    except Exception as error:  # whatever a stranger's forward raises
        raise UserError(
            f"{name}: its forward cannot be traced ({reason_of(error)}); write it without branches "
            "that depend on values"
        ) from None


def _fitting(module: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Random images [B, …] in a form that ``module`` takes."""
    tensor = next(iter([*module.parameters(), *module.buffers()]), torch.zeros(()))
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(_TRIALS, *shape, generator=generator).to(tensor.device)
    if tensor.is_floating_point():
        images = images.to(tensor.dtype)
    reason = ""
    for given in (images, images.flatten(1)):
        try:
            with torch.no_grad():
                result = module(given)
        except Exception as error:  # whatever a stranger's forward raises
            reason = reason or reason_of(error)
            continue
        if isinstance(result, Tensor) and result.ndim == 2 and len(result) == _TRIALS:
            return given
        reason = reason or "it does not give a row of outputs for each image"
    size = " × ".join(map(str, shape))
    raise UserError(
        f"{type(module).__name__}: does not take images of {size} ({reason}); name the data set "
        "that it was made for"
    )


class _Shapes(fx.Interpreter):
    """Notes the shape of each value."""

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401  as its parent has it
        with torch.no_grad():
            result = super().run_node(n)
        n.meta["shape"] = tuple(result.shape) if isinstance(result, Tensor) else None
        return result


class _Reader:
    """Reads the nodes of a traced module."""

    def __init__(self, traced: fx.GraphModule) -> None:
        self._modules = dict(traced.named_modules())
        self._graph = traced.graph
        self._same: dict[str, str] = {}  # a node that changes nothing, and what it passes on
        self._folded: set[str] = set()  # batch norms that went into the layer before

    def nodes(self) -> Iterator[Node]:
        for node in self._graph.nodes:
            if node.op == "placeholder":
                if self._same:
                    raise UserError(f"{node.name}: a second input; an ANN has one, the image")
                self._same[node.name] = INPUT
            elif node.op == "output" or node.meta["shape"] is None:
                continue
            elif node.op == "get_attr":
                raise UserError(
                    f"{node.target}: a parameter that its forward uses itself; put it into a layer"
                )
            else:
                yield from self._read(node)

    def _read(self, node: fx.Node) -> Iterator[Node]:
        inputs = [each for each in node.all_input_nodes if each.meta["shape"] is not None]
        name, found = self._found(node)
        if isinstance(found.kind, Sum):
            inputs = [each for each in node.args if isinstance(each, fx.Node)]
        if len(inputs) != (2 if isinstance(found.kind, Sum) else 1):
            raise UserError(f"{name}: takes {len(inputs)} values; {remedy_of('it')}")
        shape = node.meta["shape"]
        kind = found.kind
        if found.flat:
            before = inputs[0].meta["shape"]
            if shape == before:
                kind = None
            elif len(shape) == 2 and shape[0] == before[0]:
                kind = Affine(linear=lambda values: values.flatten(1))
            else:
                raise UserError(
                    f"{name}: makes {list(shape[1:])} of {list(before[1:])}; flatten all but the "
                    "first dimension, with nn.Flatten()"
                )
        sources = tuple(self._same.get(each.name, each.name) for each in inputs)
        if kind is None:
            self._same[node.name] = sources[0]
            return
        yield Node(name=node.name, kind=kind, inputs=sources, shape=shape[1:])

    def _found(self, node: fx.Node) -> tuple[str, Found]:
        """What messages call it, and what it is."""
        rest = [each for each in node.args if not isinstance(each, fx.Node)]
        if node.op == "call_module":
            module = self._modules[str(node.target)]
            name = f"{node.target} ({type(module).__name__})"
            if node.name in self._folded:
                return name, Found()
            return name, module_of(name, self._with_norm(node, module))
        table: Any = METHODS if node.op == "call_method" else FUNCTIONS
        called = str(getattr(node.target, "__name__", node.target))
        name = f"{node.name} ({called})"
        if node.target not in table:
            raise UserError(f"{name}: {remedy_of(called)}")
        return name, table[node.target](name, *rest, **node.kwargs)

    def _with_norm(self, node: fx.Node, module: nn.Module) -> nn.Module:
        """``module`` with the batch norm after it, if only that one sees its values."""
        if not isinstance(module, nn.Conv2d | nn.Linear) or len(node.users) != 1:
            return module
        (after,) = node.users
        norm = self._modules.get(str(after.target)) if after.op == "call_module" else None
        if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            return module
        scale, shift = batch_norm(f"{after.target} ({type(norm).__name__})", norm)
        self._folded.add(after.name)
        result = copy.deepcopy(module)
        weight = module.weight.detach()
        bias = shift if module.bias is None else shift + module.bias.detach() * scale
        result.weight = nn.Parameter(weight * scale.reshape(-1, *(1,) * (weight.ndim - 1)))
        result.bias = nn.Parameter(bias)
        return result


def _pooled_after_neurons(nodes: Sequence[Node]) -> list[Node]:
    """With max pooling after the neurons that follow it, which is the same: ReLU never falls."""
    result = list(nodes)
    for node in nodes:
        before = next((each for each in result if each.name == node.inputs[0]), None)
        if not isinstance(node.kind, Neuron) or before is None or not isinstance(before.kind, Pool):
            continue
        users = [each for each in nodes if before.name in each.inputs]
        if users != [node] or _spikes(before.inputs[0], result):
            continue
        source = next(each for each in result if each.name == before.inputs[0])
        neuron = replace(node, inputs=before.inputs, shape=source.shape)
        pool = replace(before, inputs=(node.name,))
        result[result.index(before)] = neuron
        result[result.index(node)] = pool
        for at, each in enumerate(result):
            if each is not pool and node.name in each.inputs:
                inputs = tuple(pool.name if name == node.name else name for name in each.inputs)
                result[at] = replace(each, inputs=inputs)
    return result


def _spikes(name: str, nodes: Sequence[Node]) -> bool:
    """Whether what ``name`` gives is never negative: the input, a neuron, or a pooling of one."""
    if name == INPUT:
        return True
    kind: Kind = next(each.kind for each in nodes if each.name == name)
    return isinstance(kind, Neuron | Pool)


def _check(nodes: list[Node]) -> list[Node]:
    for node in nodes:
        if isinstance(node.kind, Pool) and not _spikes(node.inputs[0], nodes):
            raise UserError(
                f"{node.name} (max pooling): of values that may be negative; put a ReLU before or "
                "after it"
            )
    if not nodes or isinstance(nodes[-1].kind, Neuron | Pool):
        what = nodes[-1].name if nodes else "the module"
        raise UserError(
            f"{what}: no layer after the last activation; an ANN ends in a layer whose largest "
            "output is the class"
        )
    if not any(isinstance(node.kind, Neuron) for node in nodes):
        raise UserError(
            "the module has no ReLU, so no neuron that could spike; train one with ReLU"
        )
    return nodes
