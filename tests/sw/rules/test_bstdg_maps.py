"""The timing rule on maps against explicit loops: units, windows, steps, masks one by one."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sw.cli import UserError
from sw.rules.bstdg import Bstdg
from sw.rules.maps.forward import survey
from sw.structure import Conv, First, Structure, parse


def structure(text):
    first, _, rest = text.partition("-")
    return Structure(tuple(map(int, first.split("x"))), parse(rest))


class Loops:
    """One batch, forward and back, from the rule's parameters and draws; all by plain loops."""

    def __init__(self, rule, inputs, labels, draws):
        self.rule, self.steps, self.count = rule, rule.steps, len(inputs)
        blocks, self.kinds = [], rule.structure.kinds
        for index, kind in enumerate(self.kinds):
            if not isinstance(kind, First):
                blocks.append(index)
        self.blocks = blocks
        self.weights = [np.where(w.detach().numpy() >= 0, 1.0, -1.0) for w in rule.weights]
        self.labels, self.draws = labels.tolist(), draws
        images = [self.forward(row.numpy(), b) for b, row in enumerate(inputs)]
        self.gradients = self.backward(images)

    def pooled(self, index):
        """Window of the poolings after layer ``index``, by how many units they span."""
        down = across = 1
        for kind in self.kinds[index + 1 :]:
            if not isinstance(kind, First):
                break
            down, across = down * kind.kernel[0], across * kind.kernel[1]
        return down, across

    def taps(self, index, channel, y, x):
        """Weight column and input (c, y, x) of one unit; inputs beyond the edge do not exist."""
        kind, (channels, rows, columns) = self.kinds[index], self.rule.structure.maps[index]
        if not isinstance(kind, Conv):
            flat = itertools.product(range(channels), range(rows), range(columns))
            yield from enumerate(flat)
            return
        top, _, left, _ = kind.padding
        high, wide = kind.kernel
        for column, (c, ky, kx) in enumerate(
            itertools.product(range(channels), range(high), range(wide))
        ):
            place = y * kind.stride[0] + ky - top, x * kind.stride[1] + kx - left
            if 0 <= place[0] < rows and 0 <= place[1] < columns:
                yield column, (c, *place)

    def forward(self, row, b):
        """Of one image: what each block reads, and of each window its time and what is seen."""
        rule, steps = self.rule, self.steps
        times = row.reshape(rule.structure.maps[0])
        if isinstance(self.kinds[0], First):
            down, across = self.pooled(-1)
            times = self.earliest(times, down, across)
        layers = []
        for order, index in enumerate(self.blocks):
            channels, rows, columns = rule.structure.maps[index + 1]
            down, across = self.pooled(index)
            theta = (
                getattr(rule, f"mean{order}") + rule.spread[order] * rule.thresholds[order]
            ).tolist()
            spread, noise = rule.spread[order].item(), self.draws.noise[order][b]
            windows = {}
            for c, y, x in itertools.product(
                range(channels), range(rows // down), range(columns // across)
            ):
                shift = noise[y, x, c] if noise.dim() == 3 else noise[0]
                best = []
                for k in range(steps):
                    options = []
                    for unit, (dy, dx) in enumerate(itertools.product(range(down), range(across))):
                        v = sum(
                            self.weights[order][c, column]
                            for column, i in self.taps(index, c, y * down + dy, x * across + dx)
                            if times[i] <= k
                        )
                        margin = (v - theta[c] - shift.item() * spread) / spread
                        options.append((margin, -unit))
                    best.append(max(options))
                crossing = [k for k in range(steps) if best[k][0] >= 0]
                windows[c, y, x] = (crossing[0] if crossing else steps), best
            layers.append((times, windows))
            times = np.full((channels, rows // down, columns // across), steps)
            for place, (time, _) in windows.items():
                times[place] = time
        decision = min(times.min(), steps - 1)
        start = 0 if rule.later_from_start else decision
        later = min(start + int(self.draws.later[b].item() * (steps - start)), steps - 1)
        return layers, decision, later

    def earliest(self, times, down, across):
        channels, rows, columns = times.shape
        result = np.zeros((channels, rows // down, columns // across), int)
        for c, y, x in np.ndindex(result.shape):
            result[c, y, x] = times[
                c, y * down : (y + 1) * down, x * across : (x + 1) * across
            ].min()
        return result

    def seen(self, best, read):
        """Unit, step and margin of the peak up to the step ``read``."""
        peak = max(range(read + 1), key=lambda k: (best[k][0], -k))
        return -best[peak][1], peak, best[peak][0]

    def output_error(self, image, label):
        """(unit, step, error) of the three parts."""
        rule, (layers, decision, later) = self.rule, image
        windows = [layers[-1][1][j, 0, 0] for j in range(rule.sizes[-1])]
        beta, second = rule.steps * rule.time_scale, max(decision, later)

        def share(logits):
            powers = [math.exp(x - max(logits)) for x in logits]
            return [x / sum(powers) for x in powers]

        p = share(
            [
                -(time + rule.lead * (j == label)) / beta + rule.margin_gain * best[decision][0]
                for j, (time, best) in enumerate(windows)
            ]
        )
        q = share([rule.later_gain * best[later][0] for _, best in windows])
        for j, (time, best) in enumerate(windows):
            own = ((j == label) - p[j]) / beta
            step = time if time <= second else self.seen(best, second)[1]
            if not ((time == 0 and own > 0) or (time == rule.steps and own < 0)):
                yield (j, 0, 0), step, own
            yield (j, 0, 0), decision, rule.margin_gain * ((j == label) - p[j])
            yield (j, 0, 0), later, rule.later_gain * ((j == label) - q[j])

    def backward(self, images):
        rule, steps, count = self.rule, self.steps, self.count
        entries = [
            list(self.output_error(image, label))
            for image, label in zip(images, self.labels, strict=True)
        ]
        result = []
        for order in reversed(range(len(self.blocks))):
            index = self.blocks[order]
            channels, rows, columns = rule.structure.maps[index + 1]
            total = np.zeros(channels)
            error = np.zeros((count, channels, rows, columns, steps))
            for b, image in enumerate(entries):
                for place, step, g in image:
                    total[place[0]] += g
                    error[(b, *place, step)] += g
            error -= (total / (count * rows * columns * steps))[:, None, None, None]
            dw = np.zeros_like(self.weights[order])
            arriving = [np.zeros((*image[0][order][0].shape, steps)) for image in images]
            for b, (layers, _, _) in enumerate(images):
                times = layers[order][0]
                for c, y, x in np.ndindex(channels, rows, columns):
                    for column, i in self.taps(index, c, y, x):
                        for k in range(steps):
                            if times[i] <= k:
                                dw[c, column] -= error[b, c, y, x, k] / count
                        arriving[b][i] += self.weights[order][c, column] * error[b, c, y, x]
            result.append((dw, total / count))
            if order:
                entries = [
                    list(self.hidden_error(order - 1, image, arriving[b]))
                    for b, image in enumerate(images)
                ]
        return result[::-1]

    def hidden_error(self, order, image, arriving):
        """(unit, step, error) of what each read-out sees of a window."""
        layers, decision, later = image
        rule, first = self.rule, min(decision, later)
        down, across = self.pooled(self.blocks[order])
        for (c, y, x), (time, best) in layers[order][1].items():
            for which, read in enumerate((first, max(decision, later))):
                unit, peak, margin = self.seen(best, read)
                since = time if time <= read else peak
                error = sum(
                    arriving[c, y, x, k]
                    for k in range(since, self.steps)
                    if (k <= first) == (which == 0)
                )
                decay = rule.silent_decay if margin < 0 else -rule.fired_decay
                dy, dx = divmod(unit, across)
                yield (c, y * down + dy, x * across + dx), peak, error * math.exp(decay * margin)


NETWORKS = [
    "1x6x6-3c3p1-f2-4c2-3",
    "2x5x5-3c3s2p1-4c2x1p1.0.0.1-5-3",
    "1x7x8-3c2-f2x3-4c2x1-f2-3",
    "1x8x9-f2-3c3p1-f3-3",
]


@pytest.mark.parametrize("text", NETWORKS)
@pytest.mark.parametrize("steps", [1, 4, 11])  # 11 are walked in chunks of eight
@pytest.mark.parametrize("from_start", [False, True])
def test_equals_loops(text, steps, from_start):
    torch.manual_seed(steps)
    rule = Bstdg(
        structure(text), steps, later_from_start=from_start, time_scale=0.3, fired_decay=1.5
    ).double()
    inputs = torch.randint(0, steps + 1, (4, rule.sizes[0])).short()
    labels = torch.arange(4) % 3
    rule.start(inputs)
    draws = rule.draw(4)
    found, _ = rule._gradients_on_maps(inputs, labels, draws)
    expected = Loops(rule, inputs, labels, draws).gradients
    for mine, loops in zip(found, expected, strict=True):
        for gradient, value in zip(mine, loops, strict=True):
            np.testing.assert_allclose(gradient.detach().numpy(), value, atol=1e-6, rtol=1e-6)
    assert all(np.abs(dw).max() > 0 for dw, _ in expected)


def test_memory_does_not_grow_with_steps():
    """No tensor of a step of learning is larger at T = 256 than at T = 8."""

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                self.elements = max(self.elements, result.numel())
            return result

    largest = []
    for steps in (8, 256):
        rule = Bstdg(structure("1x9x9-3c3p1-f2-4c2-5"), steps)
        inputs = torch.randint(0, steps + 1, (16, 81)).short()
        with Largest() as mode:
            rule.start(inputs)
            rule.backward(inputs, torch.randint(0, 5, (16,)))
        largest.append(mode.elements)
    assert largest[0] == largest[1] == 8 * 16 * 3 * 9 * 9


def test_start_lets_the_desired_share_of_windows_fire():
    torch.manual_seed(0)
    rule = Bstdg(structure("1x20x20-20c5-f2-40c3-10"), 8, hidden_share=0.3, hidden_noise=0)
    inputs = torch.randint(0, 9, (200, 400)).short()
    rule.start(inputs)
    _, traces = rule._gradients_on_maps(inputs, torch.zeros(200).long(), rule.draw(200))
    shares = [(trace.times < 8).float().mean().item() for trace in traces[:-1]]
    assert shares == pytest.approx([0.3, 0.3], abs=0.07)


@pytest.mark.parametrize("steps", [4, 11])
def test_spikes_in_each_step_are_inputs_too(steps):
    """Inputs that fire once learn as their counts do; one that fires twice counts twice."""
    torch.manual_seed(steps)
    times = torch.randint(0, steps + 1, (6, 25)).short()
    counts = torch.nn.functional.one_hot(times.long(), steps + 1)[..., :steps].mT.short()
    rule = Bstdg(structure("1x5x5-3c3p1-f2-3"), steps)
    rule.start(times)
    labels, draws = torch.arange(6) % 3, rule.draw(6)
    once, _ = rule._gradients_on_maps(times, labels, draws)
    counted, _ = rule._gradients_on_maps(counts, labels, draws)
    torch.testing.assert_close(once, counted)
    layer = rule._on_maps(0, rule.thresholds[0])
    source = rule._source(2 * counts)
    twice = survey(layer, source, 6, steps).mean
    torch.testing.assert_close(twice, 2 * survey(layer, rule._source(counts), 6, steps).mean)


def test_integers_fire_as_the_real_thresholds():
    rule = Bstdg(structure("1x3x3-2c2-2"), 2)
    with torch.no_grad():
        rule.mean0.copy_(torch.tensor([0.5, -1.0]))
        rule.spread.fill_(2.0)
        rule.thresholds[0].copy_(torch.tensor([0.1, 0.5]))
    (_, threshold), _ = rule.layers()
    assert threshold.tolist() == [1, 0]  # of 0.7 and 0.0


def test_calibration_measures_without_noise():
    """The mean potential of one filter of nine +1: nine times the share of inputs that fired."""
    rule = Bstdg(structure("1x3x3-1c3-2"), 4, calibration=1)
    with torch.no_grad():
        rule.weights[0].fill_(0.5)
    inputs = torch.tensor([[0, 1, 2, 3, 4, 4, 4, 4, 4]]).short()
    rule.calibrate(inputs, 1.0)
    assert rule.mean0.tolist() == [(1 + 2 + 3 + 4) / 4]


def test_annealed_signs_sharpen_and_end():
    rule = Bstdg(structure("1x3x3-1c3-2"), 4, anneal_share=0.5, anneal_from=2, anneal_to=32)
    latent = rule.weights[0]
    for share, k in ((0.0, 2.0), (0.25, 8.0)):
        rule.progress(share)
        met = rule._on_maps(0, rule.thresholds[0]).weight
        torch.testing.assert_close(met, torch.tanh(k * latent))
    rule.progress(0.5)
    torch.testing.assert_close(rule._on_maps(0, latent).weight, rule.used(latent))
    assert set(rule.layers()[0][0].flatten().tolist()) <= {-1.0, 1.0}


def test_a_window_refuses_maps():
    rule = Bstdg(structure("1x3x3-1c3-2"), 4, width=2.0)
    with pytest.raises(UserError, match="of a dense layer, not layers on maps"):
        rule.start(torch.zeros(5, 9).short())


def test_thresholds_of_hidden_units_stay_positive():
    rule = Bstdg(structure("1x3x3-2c2-2"), 2, positive=True)
    with torch.no_grad():
        for threshold in rule.thresholds:
            threshold.fill_(-3.0)
    (_, hidden), (_, outputs) = rule.layers()
    assert (hidden.tolist(), outputs.tolist()) == ([1, 1], [-3, -3])


@pytest.mark.parametrize(("filter_", "way"), [(0.5, 1), (-0.5, -1)])
def test_outputs_wait_while_the_end_knows_more(filter_, way):
    """Outputs see one input, at step 1. Of a label that it speaks for the last step knows more than
    the decision in step 0, so output thresholds rise; of one that it speaks against they fall.
    """
    noise = {"output_noise": 0, "hidden_noise": 0}
    rule = Bstdg(structure("1x1x2-1c1-2"), 2, gap=0.01, momentum=0, **noise)
    with torch.no_grad():
        rule.weights[0].fill_(0.5)
        rule.thresholds[0].fill_(1.0)
        rule.weights[1].copy_(torch.tensor([[filter_, 0.5], [-filter_, 0.5]]))
        rule.thresholds[1].fill_(-1.0)  # both fire in step 0
    rule.backward(torch.tensor([[1, 2]]).short(), torch.tensor([0]))
    assert rule.offset.item() == pytest.approx(way * 0.01)
    (_, threshold) = rule.layers()[1]
    assert threshold.tolist() == [0 if way > 0 else -1] * 2  # of −0.99 and −1.01
