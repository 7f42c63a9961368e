"""What the blocks of the bistable engine tell one another: layouts of their payloads."""

from amaranth.hdl import ShapeLike, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bistable.plan import BistablePlan
from hw.rtl.encoder import ArrivalLayout

__all__ = [
    "EntryLayout",
    "JobLayout",
    "PartLayout",
    "PlaceLayout",
    "PotentialsLayout",
    "TurnLayout",
    "WordLayout",
    "intake_members",
]


class EntryLayout(data.StructLayout):
    """An entry of a list: a word of the values of a place.

    Parameters
    ----------
    values, phases, slot_bits : int
        Values of a word, K, and bits of its number.

    Members
    -------
    values : array of K
    slot : slot_bits
        The word has the channels from slot · values on.
    more : 1
        The place has another entry behind this one. A place has one at least.
    """

    def __init__(self, values: int, phases: int, slot_bits: int):
        super().__init__({"values": data.ArrayLayout(phases, values), "slot": slot_bits, "more": 1})


class JobLayout(data.StructLayout):
    """A job: one tile at one place before pooling.

    Members
    -------
    past : address of held values
        Only where the network has shortcuts: the first that is added.
    window_ends : 1
        It is the last place of the pooling's window.
    tile_ends : 1
        It is of the last tile.
    layer_ends : 1
        It is the last one of the layer.
    """

    def __init__(self, plan: BistablePlan):
        past = {"past": range(plan.held_words)} if plan.held_words else {}
        super().__init__({**past, "window_ends": 1, "tile_ends": 1, "layer_ends": 1})


class PlaceLayout(data.StructLayout):
    """A place that a job listens to.

    Members
    -------
    address : plan.address_bits
        Of the first entry of its list.
    row : range(weight rows / parts)
        Of the weights to its first word.
    inside : 1
        It is on the map; else it has no values.
    ends : 1
        It is the last one of its job.
    job : JobLayout
    """

    def __init__(self, plan: BistablePlan):
        super().__init__(
            {
                "address": plan.address_bits,
                "row": range(plan.first_rows[-1]),
                "inside": 1,
                "ends": 1,
                "job": JobLayout(plan),
            }
        )


class PartLayout(data.StructLayout):
    """What the lanes do in a cycle.

    Members
    -------
    add : 1
        They listen to values with the row of weights.
    values : array of K, one per value of a part
    row : range(plan.weight_rows)
    speak : 1
        The job has been listened to: its sums go to the twin registers, and the next one begins.
    job : JobLayout
        With ``speak``.
    """

    def __init__(self, plan: BistablePlan):
        super().__init__(
            {
                "add": 1,
                "values": data.ArrayLayout(plan.phases, plan.listens),
                "row": range(plan.weight_rows),
                "speak": 1,
                "job": JobLayout(plan),
            }
        )


class TurnLayout(data.StructLayout):
    """The turn of V channels of a job to speak, with what they say as further ``members``.

    Members
    -------
    valid : 1
    slot : range(words of a place)
        The channels from slot · V on.
    group : range(plan.groups)
        Which of the tile.
    window_begins, window_ends : 1
        The place is the first, the last one of the pooling's window.
    place_ends : 1
        No word of this place follows.
    layer_ends : 1
        Nor of this layer.
    """

    def __init__(self, plan: BistablePlan, **members: ShapeLike):
        slots = max(-(-layer.channels // plan.speaks) for layer in plan.layers)
        super().__init__(
            {
                "valid": 1,
                "slot": range(slots),
                "group": range(plan.groups),
                "window_begins": 1,
                "window_ends": 1,
                "place_ends": 1,
                "layer_ends": 1,
                **members,
            }
        )


class PotentialsLayout(TurnLayout):
    """Potentials of V channels.

    Members
    -------
    potentials : array of signed
        As the plan scales them.
    """

    def __init__(self, plan: BistablePlan):
        shape = data.ArrayLayout(signed(plan.potential_bits), plan.speaks)
        super().__init__(plan, potentials=shape)


class WordLayout(TurnLayout):
    """Values of V channels.

    Members
    -------
    values : array of K
    """

    def __init__(self, plan: BistablePlan):
        super().__init__(plan, values=data.ArrayLayout(plan.phases, plan.speaks))


def intake_members(plan: BistablePlan) -> dict[str, wiring.Member]:
    """Members of a block that takes the network's input, see Intake."""
    return {
        "arrivals": In(stream.Signature(ArrivalLayout(1, 1 << plan.phases))),
        "release": In(1),
        "full": Out(1),
        "valid": Out(1),
        "values": Out(data.ArrayLayout(plan.phases, plan.input_values)),
        "slot": Out(plan.input_slot_bits),
        "place_ends": Out(1),
    }
