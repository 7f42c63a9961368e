"""Early decision: sound against every input that may still come, and as early as that allows."""

import itertools

import numpy as np
import pytest
from networks import bistable_network

from sim import bistable
from sw import early
from sw.network import Layer


def completions(codes, left):
    """All inputs that begin with the same bits as ``codes``, but for their last ``left`` ones."""
    known = codes >> left << left
    for rest in itertools.product(range(2**left), repeat=len(codes)):
        yield known + np.array(rest, np.uint8)


@pytest.mark.parametrize("text", ["3", "4+1x2"])
def test_certain_exactly_when_every_completion_agrees(rng, text):
    """Without a shortcut the bound is tight: it says so as soon as all completions agree."""
    shape = (4, 1, 1)
    early_ones = 0
    for _ in range(12):
        network = bistable_network(rng, text, 2, shape)
        codes = rng.integers(0, 4, (6, 4)).astype(np.uint8)
        answer = bistable.run(network, codes)
        for image, given in enumerate(codes):
            others = np.array(list(completions(given, 1)))
            labels = bistable.run(network, others).label
            agree = bool((labels == answer.label[image]).all())
            if answer.certain[image] == 0:
                assert agree
                early_ones += 1
            elif text == "3":
                assert not agree
    assert early_ones > 0


def test_never_another_class(rng):
    """Potentials after each phase, recomputed from the bits: the leader when certain stays."""
    for text in ("20-5", "6c3p1-m2-4"):
        network = bistable_network(rng, text, 4, (1, 6, 6))
        codes = rng.integers(0, 16, (60, 36)).astype(np.uint8)
        answer = bistable.run(network, codes)
        last, inputs = network.layers[-1], answer.values[-1].astype(np.int64)
        signs = np.where(last.weight, 1, -1)
        assert answer.certain.min() >= 4 * (len(network.layers) - len(network.pooling) - 1)
        for image, step in enumerate(answer.certain):
            left = 3 - step % 4
            heard = (inputs[image] >> left << left) @ signs.T * last.gain + last.bias
            assert heard.argmax() == answer.label[image]


def test_by_hand():
    """One input, K = 2, b = +1 and −1, c = 0 and 1: D = [[0, 0], [2, 0]]. After phase 0 of the
    value 2 the potentials are 2 and −1, and class 0 loses nothing to class 1. Of the value 0 they
    are 0 and 1: class 1 leads by 1, which is less than what it can lose, 2.
    """
    layer = Layer(
        weight=np.array([[True], [False]]),
        threshold=np.ones(2, np.int32),
        bias=np.array([0, 1], np.int32),
    )
    bound = early.bound(layer)
    assert bound.tolist() == [[0, 0], [2, 0]]
    heard = [np.array([[2, -1], [0, 1]]), np.array([[2, -1], [0, 1]])]
    assert early.certain_phase(heard, bound).tolist() == [0, 1]


def test_gains_that_differ():
    """Σ_i max(0, g_j b_ji − g_w b_wi) by a plain loop."""
    rng = np.random.default_rng(1)
    weight, gain = rng.random((4, 9)) < 0.5, np.array([1, 2, 8, 1], np.int32)
    layer = Layer(weight=weight, threshold=np.ones(4, np.int32), gain=gain)
    signs = np.where(weight, 1, -1)
    for w, j in np.ndindex(4, 4):
        expected = sum(
            max(0, int(gain[j]) * int(signs[j, i]) - int(gain[w]) * int(signs[w, i]))
            for i in range(9)
        )
        assert early.bound(layer)[w, j] == expected
