"""A recipe for data of one's own, from their kind and size, where there is no preset."""

from dataclasses import replace

from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.data.partition import hold_out
from sw.data.raw import Kind
from sw.learn.presets import PRESETS
from sw.learn.recipes import Recipe

__all__ = ["recipe_for"]

_UPDATES = 2000  # steps of the optimizer, about
_EPOCHS = 20, 300
_BATCH = 16, 256
_UNITS = 64, 512  # of the hidden layer, where features have no order
_VALIDATION = 0.1
_WEIGHTS = 1 << 22  # that the first layer has at most, unless it is small

_FEATURES = Recipe(
    dataset="",
    hidden=(_UNITS[1],),
    steps=16,
    epochs=1,
    rate=0.005,
    settings={**PRESETS["fsdd"].settings, "output_noise": 0.3},
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
    """A recipe that usually is good: of a base for the kind, as many passes as make about 2,000
    steps of the optimizer (within 20 … 300), batches of a 32nd of the examples (16 … 256), and for
    tables and series about as many hidden units as there are examples (64 … 512), but no more than
    eight per input, and than train on a CPU. Chosen by cross-validation on the training parts of
    nine data sets (docs/own_data.md).
    """
    base = _BASES[Kind(data.reading["kind"])]
    count = len(data.train_labels)
    # Where there are too few to hold some out, none are
    validation = _VALIDATION if count // len(data.labels) * _VALIDATION >= 1 else 0.0
    learnt = len(hold_out(data.train_labels, data.train_groups, validation)[0])
    batch = min(_power_of_two(count // 32, *_BATCH), learnt)
    epochs = min(max(_UPDATES * batch // learnt, _EPOCHS[0]), _EPOCHS[1])
    inputs = data.channels if isinstance(data, EventDataset) else data.train_images[0].size
    usual = base.hidden[0]
    assert isinstance(usual, int)
    hidden = min(usual, _power_of_two(_WEIGHTS // inputs, 64, 1024))
    if base is _FEATURES:
        hidden = min(hidden, _power_of_two(min(count, 8 * inputs), *_UNITS))
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
