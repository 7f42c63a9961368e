"""The largest network that fits a board: against every smaller one, and against the zoo."""

from dataclasses import replace

import pytest

from hw.boards.table import BOARDS
from hw.explore.resources import resources_of, shortage
from hw.explore.sizing import _dense, fit, largest, narrower
from hw.explore.stand_in import narrowed, stand_in
from sw.cli import UserError
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import find, zoo_names
from sw.structure import parse, write

MNIST = LatencyEncoder(shape=(28, 28), silent_below=16)
DIGITS = LatencyEncoder(shape=(8, 8), silent_below=16)


def test_the_preset_of_mnist_on_the_icebreaker():
    """It is as large as the zoo's network for that board, which was routed."""
    inputs, hidden, reason = largest("ice40", MNIST, (600,), 10, 8)
    assert (inputs, *hidden, 10) == find(BOARDS["icebreaker"].network).sizes
    assert reason.startswith("784-600-10 needs 159 block RAMs of 30 and about ")
    assert " or folded-32-spram,event, or take --board ulx3s or orangecrab" in reason


@pytest.mark.parametrize("board", ["ulx3s", "orangecrab"])
def test_what_fits_stays(board):
    assert largest(board, MNIST, (600,), 10, 8) == (784, (600,), "")


def test_it_is_the_best_of_all():
    """Of every number of pixels with every multiple of 8 units, by the estimate."""
    board, found = BOARDS["icestick"], []
    for inputs in range(1, 65):
        encoder = DIGITS if inputs == 64 else replace(DIGITS, select=tuple(range(inputs)))
        for hidden in range(8, 65, 8):
            needed = resources_of(_dense(encoder, (hidden,), 10, 8))
            if not shortage(needed, board) and needed.logic_cells(board.family) <= 1280 * 0.8:
                found.append((inputs * hidden**2, inputs, hidden))
    _, inputs, hidden = max(found)
    assert largest("icestick", DIGITS, (64,), 10, 8)[:2] == (inputs, (hidden,))


def test_where_little_fits_a_board_is_filled_further():
    board = BOARDS["icestick"]
    inputs, hidden, _ = largest("icestick", DIGITS, (64,), 10, 16)
    cells = resources_of(_dense(DIGITS, hidden, 10, 16)).logic_cells(board.family)
    assert inputs == 64
    assert 1280 * 0.8 < cells <= 1280 * 0.9


def test_what_was_named_is_kept():
    inputs, hidden, _ = largest("icebreaker", MNIST, (100,), 10, 8, fewer_units=False)
    assert hidden == (100,)
    assert inputs < 784
    inputs, hidden, _ = largest("icebreaker", MNIST, (600,), 10, 8, fewer_inputs=False)
    assert inputs == 784
    assert hidden[0] % 8 == 0
    with pytest.raises(UserError, match=r"^--board icebreaker: no such network fits; 784-600-10 "):
        largest("icebreaker", MNIST, (600,), 10, 8, fewer_inputs=False, fewer_units=False)


def test_layers_shrink_alike():
    _, (first, second), _ = largest("icebreaker", MNIST, (256, 128), 10, 8)
    assert first < 256
    assert second == first // 2


def test_channels_of_events_stay():
    assert largest("icebreaker", EventsEncoder(channels=700), (256,), 10, 16).inputs == 700


def test_nothing_fits():
    with pytest.raises(UserError, match=r"^--board icestick: no such network fits; 20000-64-10 "):
        largest("icestick", EventsEncoder(channels=20_000), (64,), 10, 16)


def test_unknown_board():
    with pytest.raises(UserError, match=r"board 'abacus' is not known; choose one of icebreaker"):
        largest("abacus", DIGITS, (8,), 10, 16)


def test_whether_a_trained_network_fits():
    small, large = find(BOARDS["icestick"].network), find("mnist-784-600-10-t8")
    needed = resources_of(small)
    cells, memories = (
        count(BOARDS["icestick"].family) for count in (needed.logic_cells, needed.block_rams)
    )
    assert fit(small, "icestick") == (
        "",
        f"fits icestick: about {cells:,} of 1,280 logic cells, {memories} of 16 block RAMs",
    )
    engine, line = fit(large, "icebreaker")
    assert engine is None
    assert line.startswith(
        "does not fit icebreaker: 784-600-10 needs 159 block RAMs of 30 and about "
    )


def test_maps_that_fit_stay():
    kinds = parse("8c3p1-f2-10")
    assert narrower("icebreaker", DIGITS, kinds, 4) == (kinds, "")
    network = stand_in(DIGITS, kinds, 4)
    engine, line = fit(network, "icebreaker")
    assert engine == ""
    assert line.startswith("fits icebreaker: about ")
    assert line.endswith(", 1 of 4 SPRAM")


def test_maps_get_fewer_channels_until_they_fit():
    """As many as fit: with the next larger share nothing does."""
    kinds = parse("64c3p1-f2-128c3p1-f2-256-10")
    fewer, reason = narrower("icebreaker", MNIST, kinds, 4)
    assert write(MNIST.map, kinds) in reason
    assert " of them for its weights" in reason
    shares = [fewer[0].channels / 64, fewer[2].channels / 128]
    assert max(shares) < 1
    assert fit(stand_in(MNIST, fewer, 4), "icebreaker").engine is not None
    more = narrowed(kinds, max(shares) + 1 / 16, 4)
    assert fit(stand_in(MNIST, more, 4), "icebreaker").engine is None


def test_maps_that_are_kept_are_refused():
    message = r"^--board icebreaker: no such network fits; 1x28x28-64c3p1-f2-128c3p1-f2-256-10 "
    with pytest.raises(UserError, match=message):
        narrower("icebreaker", MNIST, parse("64c3p1-f2-128c3p1-f2-256-10"), 4, fewer=False)


def test_loaded_weights_where_only_they_fit():
    network = stand_in(MNIST, parse("16c3p1-f2-32c3p1-f2-10"), 4)
    engine, line = fit(network, "icebreaker")
    assert engine.endswith("-spram")
    assert line.startswith(f"fits icebreaker with {engine}: about ")


def test_narrowed_by_hand():
    kinds = parse("16c3p1-f2-10c3-7-10")
    assert narrowed(kinds, 0.5, 4) == parse("8c3p1-f2-4c3-4-10")
    assert narrowed(kinds, 0.5) == parse("8c3p1-f2-5c3-3-10")
    assert narrowed(kinds, 0.01, 8) == parse("8c3p1-f2-8c3-7-10")


@pytest.mark.parametrize("name", zoo_names(codings=("first-spike",)))
def test_the_stand_in_is_near_the_trained_network(name):
    """Within 5 %: what is picked before training fits after it."""
    network = find(name)
    board = BOARDS["ulx3s"]
    trained = resources_of(network).logic_cells(board.family)
    kinds = [layer.kind for layer in network.layers]
    guess = stand_in(network.encoder, kinds, network.steps)
    assert resources_of(guess).logic_cells(board.family) == pytest.approx(trained, rel=0.05)
