"""What the blocks of the tiles engine tell one another: layouts of their payloads."""

from amaranth.lib import data

from hw.rtl.tiles.plan import TilesPlan

__all__ = [
    "AccessLayout",
    "EmittedLayout",
    "EntryLayout",
    "FiredLayout",
    "PlacedLayout",
]


class AccessLayout(data.StructLayout):
    """One access to a row of every bank of margins.

    The last place that is accessed lies in bank (bank_down, bank_across), in row (down, across);
    target (a, b) is a places above it and b to its left. Where all banks are meant in the same row,
    the last place is that of the last bank.

    Members
    -------
    valid : 1
        The margins are read. Without one of the next three that is all.
    add : 1
        The weights of each target are added.
    fire : 1
        Lanes that have reached their threshold fire.
    preset : 1
        What is written are the margins of a tile's start; may come with ``fire``.
    down, across : plan.row_bits
    bank_down, bank_across : range(B_h), range(B_w)
    enable_down, enable_across : B_h, B_w
        Target (a, b) is accessed if bit a of the first and bit b of the second are set.
    """

    def __init__(self, plan: TilesPlan):
        (down, across), (banks_down, banks_across) = plan.row_bits, plan.grid
        super().__init__(
            {
                "valid": 1,
                "add": 1,
                "fire": 1,
                "preset": 1,
                "down": down,
                "across": across,
                "bank_down": range(banks_down),
                "bank_across": range(banks_across),
                "enable_down": banks_down,
                "enable_across": banks_across,
            }
        )


class EntryLayout(data.StructLayout):
    """An entry of a list on its way to the banks: units of one place that fire in the same step.

    Members
    -------
    mask : P
        Those of the tile that fire.
    x, y : plan.coordinate_bits
        The place in the layer's ``inputs``.
    base : range(plan.weight_rows)
        Row of weights of the tile's lane 0 at position 0.
    """

    def __init__(self, plan: TilesPlan):
        y, x = plan.coordinate_bits
        super().__init__({"mask": plan.lanes, "x": x, "y": y, "base": range(plan.weight_rows)})


class _Watched(data.StructLayout):
    """Something of a layer's tile in a step, for those who watch."""

    def __init__(self, plan: TilesPlan, members: dict[str, int]):
        super().__init__(
            {
                "valid": 1,
                "layer": range(len(plan.layers)),
                "tile": range(max(plan.inputs.tiles, *(layer.tiles for layer in plan.layers))),
                "step": range(plan.steps),
                **members,
            }
        )


class FiredLayout(_Watched):
    """Units that fire at the end of a step: of one row of all banks, before pooling.

    Members
    -------
    valid : 1
    layer : range(layers)
        Of those of the plan.
    tile, step
    down, across : plan.row_bits
        The row of the banks.
    units : B_h · B_w · P
        Bit (i · B_w + j) · P + p is lane p of bank (i, j).
    """

    def __init__(self, plan: TilesPlan):
        down, across = plan.row_bits
        super().__init__(plan, {"down": down, "across": across, "units": plan.banks * plan.lanes})


class EmittedLayout(_Watched):
    """An entry that is written to a layer's list: the units of one place and tile that fire, after
    pooling.

    Members
    -------
    valid : 1
    layer, tile, step
        As in :class:`FiredLayout`.
    y, x : plan.coordinate_bits
        The place in the layer's ``outputs``.
    mask : P
    """

    def __init__(self, plan: TilesPlan):
        y, x = plan.coordinate_bits
        super().__init__(plan, {"y": y, "x": x, "mask": plan.lanes})


class PlacedLayout(data.StructLayout):
    """A unit of the network's input, with its place in the plan's ``inputs``.

    Members
    -------
    x, y : plan.coordinate_bits
    lane : range(plan.input_lanes)
    step : range(steps)
    spike : 1
        It fires.
    last : 1
        The input ends here.
    """

    def __init__(self, plan: TilesPlan):
        y, x = plan.coordinate_bits
        super().__init__(
            {
                "x": x,
                "y": y,
                "lane": range(plan.input_lanes),
                "step": range(plan.steps),
                "spike": 1,
                "last": 1,
            }
        )
