"""What a simulation counts, by hand: spikes of inactivated neurons, errors, steps, shortcuts."""

from dataclasses import replace

import pytest
import torch
from nets import ann, dense
from torch import nn

from sw.ann import reading
from sw.ann.figures import first_within
from sw.ann.graph import Neuron
from sw.ann.methods import METHODS
from sw.ann.schedule import schedule
from sw.ann.simulate import Batch, simulate
from sw.cli import UserError

# Two inputs, 10/15 and 5/15, become two neurons that say 1010 and 0101 of 4 bits. The third neuron
# gets +1 of the first and −2.5 of the second: 10 − 12.5 < 0, so it should be silent. But the first
# one's bit comes first.
LEAD = (
    ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], 1.0),
    ([[1.0, -2.5], [0.5, 0.0]], [0.0, 0.0], 1.0),
    ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], None),
)
IMAGE = torch.tensor([[10 / 15, 5 / 15]], dtype=torch.float64)


def run(method, steps, layers=LEAD, image=IMAGE):
    graph, thresholds = dense(*layers)
    return simulate(
        graph,
        method,
        thresholds,
        image,
        torch.tensor([1]),
        steps=steps,
        name="m",
        dataset="two",
        values=lambda images: images,
    )


def test_phase_lead_makes_a_neuron_fire_that_should_not():
    """Step 1: 8/15 has come, and 8/15 is what the first spike needs. Step 2: −2.5 · 4/15."""
    result = run(METHODS["phase"](phases=4, start=0.0, coded=True), 4)
    first, second = result.layers
    assert (first.spikes_mean, first.sin_share) == (4, 0)
    # of the second layer the first unit fires once, wrongly; the other says 5/15: 0101
    assert second.spikes_mean == 3
    assert second.sin_share == pytest.approx(1 / 3)
    assert result.sin_share == pytest.approx(1 / 7)
    # it has said 8/15 in place of 0, beside 5/15
    assert second.error == pytest.approx((8 / 15) / (5 / 15))
    assert first.error == pytest.approx(0, abs=1e-12)


def test_a_bistable_neuron_waits():
    result = run(METHODS["bistable"](phases=4), 12)
    first, second = result.layers
    assert result.answer_step == 12
    # periods 1 and 2 of the first layer, period 2 of the second
    assert (first.spikes_mean, second.spikes_mean) == (8, 2)
    assert result.sin_share == 0
    assert first.error == pytest.approx(0, abs=1e-12)
    assert second.error == pytest.approx(0, abs=1e-12)
    assert result.spikes_mean == (0, 0, 0, 0, 1, 2, 3, 4, 5, 7, 8, 10)
    # nothing is known before period 3, and then the first class has the lead
    assert result.accuracy == (0.0,) * 9 + (1.0,) * 3
    assert result.half_point_step == result.tenth_point_step == 10


def test_rate_by_hand():
    """A neuron with 0.4 of its threshold in each step fires in steps 3, 5, 8 and 10."""
    layers = (([[1.0]], [0.0], 1.0), ([[1.0], [-1.0]], [0.0, 0.1], None))
    result = run(METHODS["rate"](), 10, layers, torch.tensor([[0.4]], dtype=torch.float64))
    assert result.spikes_mean == (0, 0, 1, 1, 2, 2, 2, 3, 3, 4)
    assert result.layers[0].error == pytest.approx(0, abs=1e-9)
    assert result.ann_accuracy == 0  # 0.4 against −0.3, and the label is the second
    assert result.accuracy[:3] == (1.0, 1.0, 0.0)


def test_steps_within():
    assert first_within([0, 990, 998, 1000], 1000, 1000, 5) == 3
    assert first_within([0, 990, 998, 1000], 1000, 1000, 1) == 4
    assert first_within([999, 990, 999, 999], 1000, 1000, 1) == 3  # was there, and left
    assert first_within([0, 0], 1000, 1000, 1) is None
    assert first_within([1000, 1000], 900, 1000, 1) == 1


def test_a_step_that_is_reached_need_not_be_kept():
    layers = (([[1.0]], [0.0], 1.0), ([[1.0], [-1.0]], [0.0, 0.1], None))
    result = run(METHODS["rate"](), 4, layers, torch.tensor([[0.4]], dtype=torch.float64))
    made = replace(result, images=1000, ann_accuracy=0.9, accuracy=(0.1, 0.899, 0.895, 0.9))
    assert (made.reached(1), made.reached(5)) == (2, 2)
    assert replace(made, accuracy=(0.1, 0.894)).reached(5) is None


def test_an_input_below_zero():
    with pytest.raises(
        UserError, match=r"two: inputs must be in 0 … 1, not -0.5 … 0.333: .* shift"
    ):
        run(METHODS["rate"](), 2, image=torch.tensor([[-0.5, 5 / 15]], dtype=torch.float64))


class Shortcut(nn.Module):
    """relu(one − two) with one = relu(x) and two = relu(2 · one)."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third, self.last = (nn.Linear(1, 1) for _ in range(4))
        for linear, factor in ((self.first, 1), (self.second, 2), (self.third, -1), (self.last, 1)):
            linear.weight.data.fill_(factor)
            linear.bias.data.zero_()

    def forward(self, x):
        one = torch.relu(self.first(x))
        two = torch.relu(self.second(one))
        return self.last(torch.relu(self.third(two) + one))


def test_synchronous_neurons_hold_a_shortcut_back():
    """x = 5/15: one 5, two 10, and one − two < 0. Without them the sum hears 5 a period early."""
    graph = reading.read(Shortcut().double(), (1, 1, 1))
    thresholds = {node.name: torch.tensor(1.0).double() for node in graph.neurons}

    def figures(synchronous):
        return simulate(
            graph,
            METHODS["bistable"](phases=4, synchronous=synchronous),
            thresholds,
            torch.tensor([[5 / 15]]).double(),
            torch.tensor([0]),
            steps=16,
            name="m",
            dataset="one",
            values=lambda images: images,
        )

    together, apart = figures(True), figures(False)
    assert together.answer_step == 16
    assert apart.answer_step == 12  # too early
    *_, last, synchronous = together.layers
    assert (last.spikes_mean, together.sin_share) == (0, 0)
    # "one" speaks 0101 in periods 1, 2 and 3; held back by one period, in 2 and 3
    assert synchronous.name == "add (synchronous)"
    assert (synchronous.spikes_mean, synchronous.units, synchronous.error) == (4, 1, None)
    assert apart.layers[-1].spikes_mean == 2  # 0101, which should not be
    assert apart.layers[-1].sin_share == 1


def test_schedule():
    graph = reading.read(ann("4c3p1,m2,r4,r6s2,g"), (1, 8, 8))
    plan = schedule(graph, METHODS["bistable"]())
    assert [plan.start[node.name] for node in graph.neurons] == [1, 2, 3, 4, 5]
    assert plan.start[graph.nodes[-1].name] == 5
    assert [delay.periods for delay in plan.delays.values()] == [1, 1]
    assert [delay.sources for delay in plan.delays.values()] == [
        ("layer1_activation",),
        ("layer3_activation",),
    ]
    assert not schedule(graph, METHODS["rate"]()).delays
    assert set(schedule(graph, METHODS["phase"]()).start.values()) == {0}


def test_max_pooling_of_bits_and_of_rates():
    """The largest of each window, in the bits of the same period, or as a count of spikes."""
    module = nn.Sequential(
        nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 4)
    )
    with torch.no_grad():
        module[0].weight.fill_(1)
        module[0].bias.zero_()
        module[4].weight.copy_(torch.eye(4))
        module[4].bias.zero_()
    graph = reading.read(module.double(), (1, 4, 4))
    (neuron,) = graph.neurons
    assert isinstance(neuron.kind, Neuron)
    numbers = torch.randint(0, 16, (9, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    largest = torch.nn.functional.max_pool2d(numbers.double(), 2).flatten(1)
    thresholds = {neuron.name: torch.tensor(1.0).double()}
    run = Batch(graph, METHODS["bistable"](phases=4), thresholds, numbers.double() / 15)
    for step in range(4):
        assert not run.advance(lambda *_: None).any(), step
    for k in range(4):
        bit = (largest.long() >> (3 - k)) & 1
        assert torch.allclose(run.advance(lambda *_: None), bit.double() * 2 ** (3 - k) / 15)
    run = Batch(graph, METHODS["rate"](start=0.5), thresholds, numbers.double() / 15)
    total = sum(run.advance(lambda *_: None) for _ in range(15))
    assert torch.allclose(total, largest)


def test_coded_pixels_are_bits():
    method = METHODS["bistable"](phases=3, coded=True)
    values = torch.tensor([0.0, 1 / 7, 0.5, 6 / 7, 1.0])
    bits = [(method.code(values, step) / method.share(step)).round().tolist() for step in range(3)]
    assert [
        sum(b * w for b, w in zip(each, (4, 2, 1), strict=True)) for each in zip(*bits, strict=True)
    ] == [*(0, 1, 4, 6, 7)]


@pytest.mark.parametrize("method", ["rate", "phase", "bistable"])
def test_long_runs_come_to_the_ann(method):
    """Whatever the method, many steps later the outputs are the ANN's."""
    module = ann("4c3p1,m2,r4,a2,8")
    graph = reading.read(module, (1, 8, 8))
    images = torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    made = METHODS[method](percentile=100.0)
    run = Batch(graph, made, made.thresholds(graph, images), images)
    steps = 600
    total = sum(run.advance(lambda *_: None) for _ in range(steps))
    with torch.no_grad():
        wanted = module(images)
    assert torch.allclose(
        total / run.spoken(graph.nodes[-1]), wanted, atol=0.06 * wanted.abs().max()
    )
