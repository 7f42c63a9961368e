"""A recipe for data of one's own, from their kind and size, where there is no preset."""

from dataclasses import replace

from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.partition import hold_out
from sw.data.raw import Kind
from sw.learn.recipes import PRESETS, Recipe

__all__ = ["recipe_for"]

_UPDATES = 3000  # steps of the optimizer, about
_EPOCHS = 20, 150
_BATCH = 16, 256
_SMALL = 5_000  # examples to learn from
_WEIGHTS = 1 << 22  # that the first layer has at most, unless it is small

_FEATURES = Recipe(
    dataset="",
    hidden=(128,),
    steps=16,
    epochs=1,
    rate=0.005,
    settings=PRESETS["fsdd"].settings,  # of the presets' the best on tables that were tried
    silent_below=0,
)
_IMAGES = replace(PRESETS["digits"], augmentation=None, silent_below=16)
_BASES = {
    Kind.TABLE: _FEATURES,
    Kind.SERIES: _FEATURES,
    Kind.IMAGES: _IMAGES,
    Kind.EVENTS: replace(PRESETS["fsdd"], augmentation=None),  # units may have no order
    Kind.SOUND: PRESETS["fsdd"],
}


def recipe_for(data: Dataset | EventDataset) -> Recipe:
    """A recipe that usually is good: of a base for the kind, as many passes as make about 3,000
    steps of the optimizer (within 20 … 150), batches of a 32nd of the examples (16 … 256), and a
    hidden layer that keeps the network within what trains on a CPU.
    """
    base = _BASES[Kind(data.reading["kind"])]
    count = len(data.train_labels)
    validation = 0.2 if count < _SMALL else 0.1
    if count // len(data.labels) * validation < 1:
        validation = 0.0  # too few to hold some out
    learnt = len(hold_out(data.train_labels, data.train_groups, validation)[0])
    batch = min(_power_of_two(count // 32, *_BATCH), learnt)
    epochs = min(max(_UPDATES * batch // learnt, _EPOCHS[0]), _EPOCHS[1])
    inputs = data.channels if isinstance(data, EventDataset) else data.train_images[0].size
    hidden = min(base.hidden[0], _power_of_two(_WEIGHTS // inputs, 64, 1024))
    return replace(
        base,
        dataset=data.name,
        hidden=(hidden,),
        epochs=epochs,
        batch=batch,
        validation=validation,
    )


def _power_of_two(value: int, least: int, most: int) -> int:
    """The largest one that is not above ``value``, within ``least`` … ``most``."""
    return min(max(1 << max(value, 1).bit_length() - 1, least), most)
