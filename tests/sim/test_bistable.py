"""The golden model of bistable networks: by hand, and against a twin of plain loops that follows
docs/spec.md word by word, spike by spike.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import bistable_network, random_network
from structures import convolution, pooling

from sim import bistable, golden
from sw.encoder import PhaseEncoder, Spikes
from sw.network import Layer
from sw.structure import Conv, Max, Sum


def sources(kind, shape):
    """Of each output (c, y, x): row of weights, and (column of weights, input unit) of all inputs
    that it sees.
    """
    channels, height, width = shape
    if not isinstance(kind, Conv):
        for j in range(kind.units):
            yield j, [(i, i) for i in range(channels * height * width)]
        return
    (kh, kw), (sh, sw), (top, bottom, left, right) = kind.kernel, kind.stride, kind.padding
    for c in range(kind.channels):
        for y in range((height + top + bottom - kh) // sh + 1):
            for x in range((width + left + right - kw) // sw + 1):
                seen = []
                for i in range(channels):
                    for ky in range(kh):
                        for kx in range(kw):
                            iy, ix = y * sh + ky - top, x * sw + kx - left
                            if 0 <= iy < height and 0 <= ix < width:
                                unit = (i * height + iy) * width + ix
                                seen.append(((i * kh + ky) * kw + kx, unit))
                yield c, seen


def windows(kind, shape):
    channels, height, width = shape
    kh, kw = kind.kernel
    for c in range(channels):
        for y in range(height // kh):
            for x in range(width // kw):
                yield [
                    (c * height + y * kh + ky) * width + x * kw + kx
                    for ky in range(kh)
                    for kx in range(kw)
                ]


def spoken(potential, threshold, steps):
    """Rule 3: spikes of a unit in the phases of one period."""
    spikes = []
    for k in range(steps):
        fires = potential >= threshold * 2 ** (steps - 1 - k)
        if fires:
            potential -= threshold * 2 ** (steps - 1 - k)
        spikes.append(int(fires))
    return spikes


def largest(window, steps):
    """Rule 4, bit-serially: of a window, those that are still largest go on."""
    going_on, spikes = set(range(len(window))), []
    for k in range(steps):
        fire = {i for i in going_on if window[i][k]}
        going_on = fire or going_on
        spikes.append(int(bool(fire)))
    return spikes


def number(spikes):
    """The value whose bits these are, most significant first."""
    return int("".join(map(str, spikes)), 2)


def loops(network, codes):
    """Values of all layers but the last, and U of the last, for one input; in spikes only."""
    steps = network.steps
    # spikes[l][i][k] of the inputs (l = 0) and of each layer
    spikes = [[[code >> (steps - 1 - k) & 1 for k in range(steps)] for code in map(int, codes)]]
    for index, (layer, shape) in enumerate(zip(network.layers, network.maps, strict=False)):
        kind, before = layer.kind, spikes[-1]
        if isinstance(kind, Max):
            spikes.append([largest([before[i] for i in w], steps) for w in windows(kind, shape)])
            continue
        if isinstance(kind, Sum):
            # A unit of weights +1 and of the threshold kh · kw
            area = kind.kernel[0] * kind.kernel[1]
            after = []
            for window in windows(kind, shape):
                potential = 0
                for k in range(steps):
                    potential = 2 * potential + sum(before[i][k] for i in window)
                after.append(spoken(potential, area, steps))
            spikes.append(after)
            continue
        potentials, after = [], []
        for unit, (row, seen) in enumerate(sources(kind, shape)):
            potential = past = 0
            for k in range(steps):
                fired = [1 if layer.weight[row, b] else -1 for b, i in seen if before[i][k]]
                potential = 2 * potential + sum(fired)
            potential = int(layer.bias[row]) + int(layer.gain[row]) * potential
            if kind.shortcut is not None:
                held_back = spikes[index - kind.shortcut.back + 1][unit]
                for k in range(steps):
                    past = 2 * past + held_back[k]
                potential += kind.shortcut.gain * past
            potentials.append(potential)
            after.append(spoken(potential, int(layer.threshold[row]), steps))
        spikes.append(after)
    values = [[number(unit) for unit in layer] for layer in spikes[1:-1]]
    return values, potentials


def compare(network, codes):
    answer = bistable.run(network, codes)
    for image in range(len(codes)):
        values, potentials = loops(network, codes[image])
        assert [layer[image].tolist() for layer in answer.values] == values
        assert answer.potential[image].tolist() == potentials
        best = max(range(len(potentials)), key=lambda k: (potentials[k], -k))
        assert answer.label[image] == best
    return answer


def random_codes(rng, network, count):
    return rng.integers(0, 2**network.steps, (count, network.encoder.inputs)).astype(np.uint8)


STRUCTURES = {
    "3c3p1-m2-4c3p1-a2-3": (2, 6, 7),
    "3c3s2p1-2c2-4": (1, 7, 6),
    "2c5s2p2-3-2": (1, 6, 6),
    "m2-3c2-2": (2, 5, 5),
    "4c1x3s1x2p0.0.2.1-m1x2-3": (2, 1, 9),
    "2c3x1s2x1p1.0.0.0-3c2s3-2": (3, 6, 5),
    "a3x1-2": (1, 4, 2),
    "6-6+1x2-6+2-3": (4, 1, 1),
    "3c3p1-3c3p1+1x4-m2-3c3p1-3c3p1+2-2": (1, 6, 6),
    "2c3p1+1x8-3": (2, 4, 4),  # from the inputs
    "8-8+2x2": (8, 1, 1),  # of the output layer, from the inputs
    "m2-3-3+1": (1, 4, 4),
    "4": (3, 2, 2),
}


@pytest.mark.smoke
@pytest.mark.parametrize("text", STRUCTURES)
def test_plain_loops(rng, text):
    for steps in (1, 3, 8):
        network = bistable_network(rng, text, steps, STRUCTURES[text])
        answer = compare(network, random_codes(rng, network, 3))
        if steps == 3 and len(network.layers) > 1:
            assert len(np.unique(answer.values[0])) > 2  # the test is one of many values


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_random_structures(data):
    draw = data.draw
    shape = draw(st.tuples(*(st.integers(1, n) for n in (3, 6, 6))))
    size, entries = shape[1:], []
    for _ in range(draw(st.integers(1, 2))):
        found = convolution(draw, size, channels=3, kernel=3, stride=3)
        if found is None:
            break
        entry, size = found
        entries.append(entry)
        if draw(st.booleans()):
            entry, size = pooling(draw, size, "ma")
            entries.append(entry)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = draw(st.integers(1, 8))
    network = bistable_network(rng, "-".join([*entries, "3"]), steps, shape)
    compare(network, random_codes(rng, network, 2))


def layer(weight, bias, threshold, gain=1, kind=None):
    rows = len(weight)
    return Layer(
        weight=np.array(weight) > 0,
        threshold=np.full(rows, threshold, np.int32),
        bias=np.array(bias, np.int32),
        gain=np.full(rows, gain, np.int32),
        kind=kind,
    )


def test_by_hand(rng):
    """K = 2: pixels 64 and 255 are 1 and 3. Hidden: 5 + 2 · (1 − 3) = 1, 1 // 3 = 0; and
    −1 + 2 · (1 + 3) = 7, 7 // 3 = 2. Output: 10 − 0 + 2, and 10 + 0 − 2.
    """
    network = bistable_network(rng, "2-2", 2, (1, 2))
    hidden = layer([[1, -1], [1, 1]], [5, -1], 3, gain=2)
    output = layer([[-1, 1], [1, -1]], [10, 10], 1)
    network = dataclasses.replace(network, layers=(hidden, output))
    answer = bistable.run_inputs(network, np.array([[[64, 255]]], np.uint8))
    assert answer.values[0].tolist() == [[0, 2]]
    assert answer.potential.tolist() == [[12, 8]]
    assert (answer.label.tolist(), answer.margin.tolist()) == ([0], [4])
    assert answer.latency == 4  # two periods of two steps


def test_division_rounds_down_and_is_clamped(rng):
    """−1 // 2 is −1, which is silence; 2^K and more is the largest value."""
    network = bistable_network(rng, "4-1", 1, (1, 1))
    hidden = layer([[1], [1], [1], [1]], [-2, 0, 1, 9], 2)
    network = dataclasses.replace(network, layers=(hidden, layer([[1, 1, 1, 1]], [0], 1)))
    answer = bistable.run(network, np.array([[1]], np.uint8))
    assert answer.values[0].tolist() == [[0, 0, 1, 1]]


def test_a_tie_is_the_lowest_index_and_never_right(rng):
    network = bistable_network(rng, "3", 1, (1, 1))
    network = dataclasses.replace(network, layers=(layer([[1], [1], [1]], [0, 5, 5], 1),))
    answer = bistable.run(network, np.array([[1], [1]], np.uint8))
    assert answer.label.tolist() == [1, 1]
    figures = answer.figures(np.array([1, 2]))
    assert (figures.accuracy, figures.lenient_accuracy, figures.tie_share) == (0.0, 1.0, 1.0)
    assert answer.margin.tolist() == [0, 0]


def test_images_become_values(rng):
    """The K most significant bits of a pixel, after pooling and in the order of ``select``."""
    encoder = PhaseEncoder(shape=(2, 4), pool=2, select=(1, 0))
    images = np.array([[[255, 255, 0, 1], [255, 255, 130, 0]]], np.uint8)
    # (0 + 1 + 130 + 0 + 2) // 4 = 33 = 0b00100001
    assert encoder.codes(images, 3).tolist() == [[1, 7]]
    spikes = encoder.encode(images, 3)
    # Unit 0, of the value 1, fires in the last phase; unit 1 in each
    assert list(zip(spikes.step.tolist(), spikes.unit.tolist(), strict=True)) == [
        (0, 1), (1, 1), (2, 0), (2, 1),
    ]  # fmt: skip
    assert len(spikes.step) <= encoder.most_spikes(images)
    assert isinstance(spikes, Spikes)


def test_figures_count_spikes(rng):
    """Spikes of a unit are the ones of its value; a pooling has none of its own."""
    network = bistable_network(rng, "3c1-m2-5-3", 3, (1, 4, 4))
    codes = random_codes(rng, network, 9)
    answer = bistable.run(network, codes)
    figures = answer.figures(np.zeros(9, int))
    counted = [sum(int(v).bit_count() for v in layer.flat) / 9 for layer in answer.values]
    assert figures.layer_spikes_mean == pytest.approx(counted)
    assert figures.hidden_spikes_mean == pytest.approx(counted[0] + counted[2])
    assert figures.decision_step_mean == 9  # three layers with weights


def test_each_golden_model_takes_its_own_coding(rng):
    network = bistable_network(rng, "3", 2, (2, 2))
    images = np.zeros((1, 2, 2), np.uint8)
    with pytest.raises(ValueError, match="must be a first-spike one, not a bistable one"):
        golden.run_inputs(network, images)
    with pytest.raises(ValueError, match="must be a bistable one"):
        bistable.run_inputs(random_network(rng, (4, 3), 2), images)


def test_answers_do_not_depend_on_the_batch(rng):
    network = bistable_network(rng, "3c3p1-m2-3c3p1+1x2-3", 4, (3, 6, 6))
    codes = random_codes(rng, network, 70)
    whole = bistable.run(network, codes)
    for image in (0, 31, 32, 69):
        one = bistable.run(network, codes[image : image + 1])
        part = whole[image : image + 1]
        assert one.potential.tolist() == part.potential.tolist()
        assert one.certain.tolist() == part.certain.tolist()
        assert [v.tolist() for v in one.values] == [v.tolist() for v in part.values]
    assert len(bistable.run(network, codes[:0]).label) == 0


def test_large_sums_are_exact(rng):
    """Beyond 2^24, which a float of 32 bits no longer counts one by one."""
    network = bistable_network(rng, "2", 8, (300, 300))
    output = Layer(
        weight=np.ones((2, 90_000), bool),
        threshold=np.ones(2, np.int32),
        bias=np.zeros(2, np.int32),
    )
    output.weight[1, :1] = False
    network = dataclasses.replace(network, layers=(output,))
    codes = np.full((1, 90_000), 255, np.uint8)
    assert bistable.run(network, codes).potential.tolist() == [[22_950_000, 22_950_000 - 510]]
