"""The planner of the bistable engine: from a network to its plan (hw/rtl/bistable/plan.py)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from hw.rtl.bistable.plan import BistablePlan, PlannedLayer, Strip, ValueMap
from sw.bistable import highest
from sw.cli import UserError
from sw.encoder import PhaseEncoder
from sw.network import Layer, Network
from sw.structure import Conv, Map, Max, Pooling, Sum

__all__ = ["plan_network", "speaks_of"]

_LEAST = 4  # values of a word


def speaks_of(listens: int) -> int:
    """Values of a word, of which a part of ``listens`` is listened to per cycle."""
    return max(_LEAST, listens)


@dataclass(frozen=True)
class _Stage:
    """A layer with weights and the pooling behind it, as indices of the network's layers."""

    index: int
    last: int
    window: tuple[int, int]
    sums: bool


@lru_cache(maxsize=4)
def plan_network(network: Network, lanes: int, listens: int) -> BistablePlan:
    """The plan of ``network`` for ``lanes`` channels that listen to ``listens`` values per cycle.

    Raises
    ------
    UserError
        The engine cannot make it.
    """
    if not isinstance(network.encoder, PhaseEncoder):
        raise UserError(
            f"network {network.name!r} is a first-spike network, and bistable engines make "
            "bistable ones; take event or tiles"
        )
    speaks = speaks_of(listens)
    stages = list(_stages(network))
    sources = _sources(network, stages)
    strip = None if -1 in sources else _strip(network, stages[0], speaks)
    maps = [_inputs(network, stages[0], speaks, strip)]
    maps += [_value_map(network.maps[stage.last + 1], speaks) for stage in stages]
    words = [each.words for each in maps[1:-1]]
    room = max([*words, *map(sum, pairwise(words))], default=1)
    places = [0 if number % 2 == 0 else room - size for number, size in enumerate(words)]
    held, held_words = _held(sources, maps)
    gain = max(int(network.layers[stage.index].gain.max()) for stage in stages)
    layers = []
    for number, stage in enumerate(stages):
        layer, source = network.layers[stage.index], sources[number]
        kind, shortcut = layer.kind, layer.kind.shortcut
        keeps = shortcut is not None or stage is stages[-1]
        gains, scale = layer.gain.astype(np.int64), gain // int(layer.gain.max())
        scales = np.full_like(gains, scale) if keeps else gain // gains
        before, own = maps[number], network.maps[stage.index + 1]
        # A dense layer is a kernel as large as the map.
        conv = kind if isinstance(kind, Conv) else Conv(channels=own[0], kernel=before.size)
        own_strip = strip if number == 0 else None
        if own_strip:
            (down, _), (high, _), (top, bottom, *_) = conv.stride, conv.kernel, conv.padding
            conv = replace(conv, kernel=(high, 1), stride=(down, 1), padding=(top, bottom, 0, 0))
        planned = PlannedLayer(
            index=stage.index,
            inputs=before,
            outputs=maps[number + 1],
            channels=own[0],
            height=own[1],
            width=own[2],
            kernel=conv.kernel,
            stride=conv.stride,
            window=stage.window,
            sums=stage.sums,
            before=(conv.padding[0], conv.padding[2]),
            reads=places[number - 1] if number else 0,
            writes=places[number] if stage is not stages[-1] else 0,
            plus=_plus(layer, before, network.maps[stage.index], own_strip),
            thresholds=layer.threshold.astype(np.int64) * scales,
            biases=layer.bias.astype(np.int64) * scales,
            shifts=_log2(gains * scales),
            scale=scale,
            past=None if source is None else held[source],
            past_shift=0 if shortcut is None else int(_log2(shortcut.gain * scale)),
            holds=held.get(number),
        )
        layers.append(_clipped(planned, highest(network.steps)))
    return BistablePlan(
        phases=network.steps,
        lanes=lanes,
        listens=listens,
        speaks=speaks,
        layers=tuple(layers),
        outputs=len(network.labels),
        held_words=held_words,
        input_held=held.get(-1),
        strip=strip,
    )


def _clipped(layer: PlannedLayer, top: int) -> PlannedLayer:
    """With no threshold further above all potentials than needs be: its unit never speaks."""
    _, high = layer.bounds(top)
    np.minimum(layer.thresholds, high + 1, out=layer.thresholds)
    return layer


def _stages(network: Network) -> Sequence[_Stage]:
    result: list[_Stage] = []
    for index, layer in enumerate(network.layers):
        kind = layer.kind
        if not isinstance(kind, Pooling):
            result.append(_Stage(index, index, (1, 1), False))
            continue
        if not result:
            raise UserError(
                f"network {network.name!r}: {kind} cannot stand first in hardware; take the "
                "encoder's pool"
            )
        before = result[-1]
        if before.last != before.index and not (isinstance(kind, Max) and not before.sums):
            raise UserError(
                f"network {network.name!r}: {kind} cannot follow another pooling in hardware; "
                "make one of both"
            )
        down, across = before.window[0] * kind.kernel[0], before.window[1] * kind.kernel[1]
        result[-1] = _Stage(before.index, index, (down, across), isinstance(kind, Sum))
    return result


def _sources(network: Network, stages: Sequence[_Stage]) -> list[int | None]:
    """The stage behind which each stage's shortcut begins; −1 is the network's input."""
    behind = {-1: -1} | {stage.last: number for number, stage in enumerate(stages)}
    result: list[int | None] = []
    for stage in stages:
        shortcut = network.layers[stage.index].kind.shortcut
        if shortcut is None:
            result.append(None)
            continue
        source = shortcut.source(stage.index)
        if source not in behind:
            raise UserError(
                f"network {network.name!r}: the shortcut of layer {stage.index} cannot begin "
                f"between layer {source} and its pooling; let it begin behind the pooling"
            )
        result.append(behind[source])
    return result


def _held(sources: Sequence[int | None], maps: Sequence[ValueMap]) -> tuple[dict[int, int], int]:
    """Where the outputs of each stage that a shortcut needs are held back, and words in all. Maps
    that are not held at the same time may share words.
    """
    until = {source: user for user, source in enumerate(sources) if source is not None}
    begins: dict[int, int] = {}
    words = 0
    for source in sorted(until):
        size = maps[source + 1].words
        others = sorted(
            (begins[each], begins[each] + maps[each + 1].words)
            for each in begins
            if until[each] >= source
        )
        place = 0
        for begin, end in others:
            if place + size <= begin:
                break
            place = max(place, end)
        begins[source] = place
        words = max(words, place + size)
    return begins, words


def _strip(network: Network, first: _Stage, speaks: int) -> Strip | None:
    """How the input becomes strips; None if the first layer has no kernel with several columns, or
    one of which words would come faster than they can be written.
    """
    kind, (channels, _, width) = network.layers[first.index].kind, network.maps[0]
    if not isinstance(kind, Conv):
        return None
    (_, wide), (_, across), before = kind.kernel, kind.stride, kind.padding[2]
    words = -(-wide * channels // speaks)
    if wide == 1 or before >= wide or words > across * channels:
        return None
    return Strip(
        width=width,
        channels=channels,
        kernel=wide,
        stride=across,
        before=before,
        places=network.maps[first.index + 1][2],
    )


def _inputs(network: Network, first: _Stage, speaks: int, strip: Strip | None) -> ValueMap:
    """The network's input: a map; or of strips; or before a dense layer one place with all units,
    in the order in which they come.
    """
    encoder = network.encoder
    assert isinstance(encoder, PhaseEncoder)
    if strip:
        shape = channels, height, width = network.maps[0]
        units = np.arange(np.prod(shape)).reshape(shape).transpose(1, 2, 0)
        columns = strip.stride * np.arange(strip.places)[:, None] + np.arange(strip.kernel)
        columns -= strip.before  # [places, kernel]
        inside = (columns >= 0) & (columns < width)
        of_places = np.where(inside[..., None], units[:, np.clip(columns, 0, width - 1)], -1)
        return _padded(of_places.reshape(height, strip.places, strip.kernel * channels), speaks)
    if isinstance(network.layers[first.index].kind, Conv):
        return _value_map(network.maps[0], speaks)
    select = np.arange(encoder.pooled) if encoder.select is None else np.array(encoder.select)
    channel, place = np.divmod(select, encoder.pooled // encoder.channels)
    order = np.argsort(place * encoder.channels + channel, kind="stable")
    return _padded(order[None, None], speaks)


def _value_map(shape: Map, speaks: int) -> ValueMap:
    units = np.arange(np.prod(shape)).reshape(shape)
    return _padded(units.transpose(1, 2, 0), speaks)


def _padded(units: np.ndarray, speaks: int) -> ValueMap:
    spare = -units.shape[2] % speaks
    padded = np.pad(units, ((0, 0), (0, 0), (0, spare)), constant_values=-1)
    slots = padded.shape[2] // speaks
    return ValueMap(units=padded, slots=slots, values=units.shape[2])


def _plus(layer: Layer, inputs: ValueMap, shape: Map, strip: Strip | None) -> np.ndarray:
    """Which weights are +1, in the order in which they are needed."""
    kind = layer.kind
    if isinstance(kind, Conv):
        high, wide = kind.kernel
        ordered = np.arange(layer.inputs).reshape(shape[0], high, wide).transpose(1, 2, 0)
        places = ordered.reshape(high if strip else high * wide, inputs.values)
        spare = inputs.units.shape[2] - inputs.values
        columns = np.pad(places, ((0, 0), (0, spare)), constant_values=-1)
    else:
        columns = inputs.units.reshape(-1, inputs.units.shape[2])
    return layer.weight[:, columns] & (columns >= 0)


def _log2(powers: np.ndarray | int) -> np.ndarray:
    """The exponents of powers of two."""
    return np.round(np.log2(powers)).astype(np.int64)
