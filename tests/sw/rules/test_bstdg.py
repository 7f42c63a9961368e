"""The timing rule against hand-worked cases and against explicit loops."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sw.cli import UserError
from sw.rules import RULES, sparse
from sw.rules.bstdg import Bstdg
from sw.rules.stdg import Stdg


def network(sizes, steps, weights, thresholds, **settings):
    """Without noise; the read-outs' weights 0 unless told, so that times act alone."""
    settings = {"hidden_noise": 0, "output_noise": 0, "margin_gain": 0, "later_gain": 0} | settings
    rule = Bstdg(sizes, steps, **settings)
    with torch.no_grad():
        for index, (weight, threshold) in enumerate(zip(weights, thresholds, strict=True)):
            rule.weights[index].copy_(torch.tensor(weight))
            rule.thresholds[index].copy_(torch.tensor(threshold))
    return rule


def test_registered():
    assert RULES["bstdg"] is Bstdg


@pytest.mark.smoke
def test_one_layer_by_hand():
    """Two outputs, three inputs at steps 0, 2 and never; T = 4, so β = 0.2.

    V_0 = 1, 1, 2, 2 crosses 1.5 at step 2. V_1 = −1, −1, 0, 0 never does: it peaks at step 2. The
    label is 1: p = softmax(−(2, 4 + 1) / 0.2) = (1, 3e-7), g = (y − p) / β = (−5, 5).
    """
    rule = network((3, 2), 4, [[[0.5, 0.5, 0.5], [-0.5, 0.5, 0.5]]], [[1.5, 1.5]])
    rule.backward(torch.tensor([[0, 2, 4]]), torch.tensor([1]))
    p = math.exp(-2 / 0.2) / (math.exp(-2 / 0.2) + math.exp(-5 / 0.2))
    g = torch.tensor([-p / 0.2, p / 0.2])
    # both inputs that fired came by step 2; the third, which never fired, gets nothing
    expected = torch.stack([-g, -g, torch.zeros(2)], dim=1)
    torch.testing.assert_close(rule.weights[0].grad, expected)
    torch.testing.assert_close(rule.thresholds[0].grad, g)


def test_later_input_gets_no_gradient():
    """The unit fires at step 0, so the input at step 1 is no cause of it."""
    rule = network((2, 2), 4, [[[0.5, 0.5], [-0.5, -0.5]]], [[1.0, 5.0]])
    rule.backward(torch.tensor([[0, 1]]), torch.tensor([1]))
    assert rule.weights[0].grad[0, 0] > 0
    assert rule.weights[0].grad[0, 1] == 0


def test_window_by_hand():
    """Inputs at steps 0, 2, 3 and never; both units fire at step 2, so the label's g is −(other's).

    Of a width of 2 and a lobe of a quarter the inputs teach as exp(−2/2), 1, −exp(−1/2)/4 and
    −exp(−2/2)/4; the error that goes back does not see the window.
    """
    rule = network((4, 2), 4, [[[0.5] * 4, [0.5] * 4]], [[1.5, 1.5]], lobe=0.25, width=2.0)
    rule.backward(torch.tensor([[0, 2, 3, 4]]), torch.tensor([0]))
    g = rule.thresholds[0].grad
    assert g[0] == -g[1] != 0
    window = [math.exp(-1), 1, -math.exp(-0.5) / 4, -math.exp(-1) / 4]
    torch.testing.assert_close(rule.weights[0].grad, -g[:, None] * torch.tensor(window))


@pytest.mark.parametrize("steps", [4, 21])
def test_window_at_every_step(steps):
    """Every part of the error, unit by unit: a sum over pairs of spikes."""
    torch.manual_seed(steps)
    rule = Bstdg((8, 6, 3), steps, lobe=0.3, width=3.0)
    times = torch.randint(0, steps + 1, (12, 8))
    rule.start(times)
    draws, labels = rule.draw(12), torch.nn.functional.one_hot(torch.arange(12) % 3).float()
    layers, read_out = rule._forward(times, draws)
    parts = rule._output_error(layers[1], read_out, labels)
    for index in (1, 0):
        inputs, found = layers[index].inputs, rule.gradients(times, labels, draws)[index][0]
        expected = torch.zeros(found.shape)
        for part in parts:
            after = part.step.expand(part.error.shape)[:, :, None]
            before = inputs[:, None, :]
            window = (-(after - before).abs() / 3.0).exp()
            taught = torch.where(before <= after, window, -0.3 * window)
            expected -= (part.error[:, :, None] * taught).mean(dim=0)
        torch.testing.assert_close(found, expected)
        if index:
            parts = [rule._hidden_error(parts, index, layers[0])]


def test_a_window_refuses_events():
    rule = Bstdg((4, 2), 8, width=2.0)
    with pytest.raises(UserError, match="takes one spike per input of a dense layer, not events"):
        rule.start(torch.ones(5, 8, 4, dtype=torch.int16))


@pytest.mark.parametrize(("label", "unit"), [(0, 0), (1, 1)])
def test_no_push_beyond_the_window(label, unit):
    """Unit 0 fires in step 0 and cannot be earlier; unit 1 never fires and cannot be later."""
    rule = network((1, 2), 4, [[[0.5], [-0.5]]], [[1.0, 3.0]], time_scale=1.0)
    rule.backward(torch.tensor([[0]]), torch.tensor([label]))
    gradient = rule.thresholds[0].grad
    if label == 0:
        assert gradient.tolist() == [0, 0]
    else:
        assert (gradient[0] < 0, gradient[1] > 0) == (True, True)


def test_hidden_error_by_hand():
    """One hidden unit fires at step 1 with margin 0.5, one stays silent with margin −3.5.

    The output, alone, fires at step 1 with label 1 of two: only the causal chain is looked at.
    """
    rule = network(
        (2, 2, 2),
        4,
        [[[0.5, 0.5], [-0.5, -0.5]], [[0.5, -0.5], [-0.5, 0.5]]],
        [[1.5, 2.5], [1.0, 9.0]],
    )
    rule.backward(torch.tensor([[0, 1]]), torch.tensor([1]))
    output = rule.thresholds[1].grad  # g of the two outputs, at steps 1 and 0
    # hidden 1 peaks at step 0 with V = −1; output 1's potential peaks at step 0 with 0
    arrives_0 = output[0]  # e = 1: output 1's error sits at step 0, before it
    arrives_1 = -output[0] + output[1]  # e = 0: sees both
    torch.testing.assert_close(rule.thresholds[0].grad[0], arrives_0 * math.exp(-0.25))
    torch.testing.assert_close(rule.thresholds[0].grad[1], arrives_1 * math.exp(-7))


def by_loops(rule, times, labels):
    """Gradients of every layer by loops over images, units and steps; no noise, λ₂ = 0."""
    steps, layers = rule.steps, len(rule.weights)
    signs = [(w >= 0).double() * 2 - 1 for w in rule.weights]
    dw = [torch.zeros_like(s) for s in signs]
    dtheta = [torch.zeros(len(s), dtype=torch.double) for s in signs]
    for row, label in zip(times.tolist(), labels.tolist(), strict=True):
        arrived, traces = [row], []
        for sign, threshold, spread in zip(
            signs, rule.thresholds, rule.spread.tolist(), strict=True
        ):
            fired, peak, margin, potential = [], [], [], []
            for j in range(len(sign)):
                v = [
                    sum(float(sign[j, i]) for i, t in enumerate(arrived[-1]) if t <= step)
                    for step in range(steps)
                ]
                crossing = [step for step in range(steps) if v[step] >= threshold[j].item()]
                fired.append(crossing[0] if crossing else steps)
                peak.append(crossing[0] if crossing else v.index(max(v)))
                margin.append((v[peak[-1]] - threshold[j].item()) / spread)
                potential.append([(x - threshold[j].item()) / spread for x in v])
            traces.append((fired, peak, margin, potential))
            arrived.append(fired)
        fired, peak, _, potential = traces[-1]
        decision = min(*fired, steps - 1)
        beta = steps / 20
        logits = [
            -(t + (k == label)) / beta + rule.margin_gain * potential[k][decision]
            for k, t in enumerate(fired)
        ]
        top = max(logits)
        total = sum(math.exp(x - top) for x in logits)
        errors = []  # of the current layer: (unit, step, g)
        for k, logit in enumerate(logits):
            wanted = (k == label) - math.exp(logit - top) / total
            beyond = (fired[k] == 0 and wanted > 0) or (fired[k] == steps and wanted < 0)
            errors += [] if beyond else [(k, peak[k], wanted / beta)]
            errors.append((k, decision, rule.margin_gain * wanted))
        for index in reversed(range(layers)):
            passed = [0.0] * len(arrived[index])
            for j, step, g in errors:
                dtheta[index][j] += g
                for i, t in enumerate(arrived[index]):
                    if t <= step:
                        dw[index][j, i] -= g
                    if index and traces[index - 1][1][i] <= step:
                        passed[i] += float(signs[index][j, i]) * g
            if index:
                fired, peak, margin, _ = traces[index - 1]
                errors = []
                for i, h in enumerate(passed):
                    gain = math.exp(2 * margin[i] if fired[i] == steps else -margin[i] / 2)
                    if not (fired[i] == 0 and h > 0):
                        errors.append((i, peak[i], h * gain))
    return [g / len(labels) for g in dw], [g / len(labels) for g in dtheta]


@pytest.mark.parametrize("sizes", [(6, 3), (8, 6, 3), (8, 7, 6, 3)])
@pytest.mark.parametrize("steps", [1, 4, 16, 21])  # 16 and 21 are walked in chunks of eight
@pytest.mark.parametrize("least", [0, math.inf], ids=["by_spike", "by_flags"])
def test_equals_loops(sizes, steps, least, monkeypatch):
    monkeypatch.setattr(sparse, "_LEAST", least)
    torch.manual_seed(sum(sizes) + steps)
    rule = Bstdg(sizes, steps, hidden_noise=0, output_noise=0, margin_gain=2, later_gain=0)
    times = torch.randint(0, steps + 1, (12, sizes[0]))
    labels = torch.randint(0, 3, (12,))
    rule.start(times)
    rule.backward(times, labels)
    for index, (dw, dtheta) in enumerate(zip(*by_loops(rule, times, labels), strict=True)):
        torch.testing.assert_close(rule.weights[index].grad.double(), dw, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            rule.thresholds[index].grad.double(), dtheta, rtol=1e-4, atol=1e-5
        )


def test_later_read_out_by_hand():
    """With T = 1 the random step is step 0 too: g = λ₂ (y − softmax(λ₂ R)), R = V − θ = (1, −1)."""
    rule = network((1, 2), 1, [[[0.5], [-0.5]]], [[0.0, 0.0]], later_gain=2.0, time_scale=1e9)
    rule.backward(torch.tensor([[0]]), torch.tensor([1]))
    q = torch.tensor([2.0, -2.0]).softmax(0)
    torch.testing.assert_close(rule.thresholds[0].grad, 2 * (torch.tensor([0.0, 1.0]) - q))


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_start_lets_the_desired_share_fire(share):
    torch.manual_seed(0)
    rule = Bstdg((64, 200, 10), 16, hidden_share=share)
    times = torch.randint(0, 17, (500, 64))
    rule.start(times)
    layers, _ = rule._forward(times, rule.draw(len(times)))
    assert (layers[0].times < 16).float().mean().item() == pytest.approx(share, abs=0.07)


def test_integers_fire_as_the_real_thresholds():
    rule = network((1, 3), 2, [[[0.5], [0.0], [-0.5]]], [[0.2, -0.2, 1.0]])
    (sign, threshold), *_ = rule.layers()
    assert sign.tolist() == [[1], [1], [-1]]
    assert threshold.tolist() == [1, 0, 1]
    layer, *_ = rule.export()
    assert layer.weight.tolist() == [[True], [True], [False]]
    assert layer.threshold.dtype == "int32"


def test_constrain_clips_weights_only():
    rule = network((1, 1), 2, [[[3.0]]], [[7.0]])
    rule.constrain()
    assert (rule.weights[0].item(), rule.thresholds[0].item()) == (1, 7)


@pytest.mark.parametrize("steps", [3, 16, 19])
def test_spikes_in_each_step_are_inputs_too(steps):
    """An input that fires twice counts as two that fire once each, with one weight."""
    torch.manual_seed(steps)
    twice = torch.randint(0, steps + 1, (9, 2, 8))
    counts = torch.nn.functional.one_hot(twice, steps + 1).sum(dim=1)[..., :steps].mT
    rule = Bstdg((8, 7, 3), steps)
    rule.start(counts)
    double = Bstdg((16, 7, 3), steps)
    double.load_state_dict(
        {**rule.state_dict(), "weights.0": torch.cat([rule.weights[0]] * 2, dim=1)}
    )
    labels, draws = torch.randint(0, 3, (9,)), rule.draw(9)
    mine = rule.gradients(counts, labels, draws)
    theirs = double.gradients(twice.flatten(1), labels, draws)
    torch.testing.assert_close(mine[0][0], theirs[0][0][:, :8] + theirs[0][0][:, 8:])
    torch.testing.assert_close((mine[0][1], mine[1]), (theirs[0][1], theirs[1]))


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
        rule = Bstdg((30, 20, 5), steps)
        inputs = torch.randint(0, steps + 1, (16, 30))
        with Largest() as mode:
            rule.start(inputs)
            rule.backward(inputs, torch.randint(0, 5, (16,)))
        largest.append(mode.elements)
    assert largest[0] == largest[1] == 16 * 8 * 30


def relaxed_loss(rule, inputs, target, draws):
    """A smooth loss of weights and thresholds whose slope the rule claims to be, as a function.

    Which spikes cause which stays as it is now. Where the rule says "one more of potential fires a
    unit one step earlier", a spike time moves so; a hidden unit that fires earlier by a share of a
    step counts for that much more in what it reaches. A margin moves by one spread.
    """
    layers, read_out = rule._forward(inputs, draws)
    steps, last = rule.steps, len(layers) - 1
    parts = rule._output_error(layers[-1], read_out, target)
    now = [(w.double(), t.double()) for w, t in zip(rule.weights, rule.thresholds, strict=True)]

    def potential(weight, layer, step, moved):
        """V of every unit at its own step [B, N], ``moved`` steps earlier where the inputs are."""
        came = (layer.inputs[:, None, :] <= step[:, :, None]).double()
        if moved is not None:
            effective, earlier = moved
            came = came + (effective[:, None, :] <= step[:, :, None]) * earlier[:, None, :]
        return (came * weight).sum(dim=2)

    def loss(parameters):
        moved = None
        for index, (layer, (weight, theta)) in enumerate(zip(layers, parameters, strict=True)):
            drive = potential(weight, layer, layer.effective, moved) - theta
            drive = drive - potential(now[index][0], layer, layer.effective, None) + now[index][1]
            if index < last:
                silent = layer.times == steps
                decay = torch.where(silent, rule.silent_decay, -rule.fired_decay)
                passed = rule._hidden_error(parts, last, layer)
                free = passed.error != 0  # not pushed beyond the first step
                moved = layer.effective, drive * (decay * layer.margin).exp() * free
        at = []
        for step, margin in (
            (read_out.decision, read_out.at_decision),
            (read_out.later, read_out.at_later),
        ):
            step = step.expand_as(margin)
            change = potential(weight, layer, step, moved) - potential(
                now[-1][0], layer, step, None
            )
            at.append(margin + change - (theta - now[-1][1]))
        time = layer.times - drive * (parts[0].error != 0)
        logits = -(time + rule.lead * target) / (steps * rule.time_scale)
        logits = logits + rule.margin_gain * at[0]
        entropy = -(target * logits.log_softmax(dim=1)).sum(dim=1)
        later = -(target * (rule.later_gain * at[1]).log_softmax(dim=1)).sum(dim=1)
        return (entropy + later).mean().item()

    return loss, now


@pytest.mark.parametrize("sizes", [(6, 3), (7, 5, 3)])
def test_equals_finite_differences(sizes):
    """With real weights, which are differentiable; signs pass their gradient straight through."""
    torch.manual_seed(4)
    rule = Stdg(sizes, 8, time_scale=0.5)
    inputs = torch.randint(0, 9, (5, sizes[0]))
    rule.start(inputs)
    target = torch.nn.functional.one_hot(torch.randint(0, 3, (5,)), 3).float()
    draws = rule.draw(5)
    loss, now = relaxed_loss(rule, inputs, target, draws)
    for index, found in enumerate(rule.gradients(inputs, target, draws)):
        for which in (0, 1):
            for place in range(now[index][which].numel()):
                values = []
                for change in (1e-4, -1e-4):
                    moved = [[p.clone() for p in layer] for layer in now]
                    moved[index][which].view(-1)[place] += change
                    values.append(loss(moved))
                slope = (values[0] - values[1]) / 2e-4
                assert found[which].reshape(-1)[place].item() == pytest.approx(
                    slope, abs=1e-5, rel=1e-4
                )
