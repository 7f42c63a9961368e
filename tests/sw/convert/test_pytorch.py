"""PyTorch: what modules mean as networks, held against the modules themselves, and what is refused.

Neurons of snnTorch and SpikingJelly are stand-ins with the same class names and attributes, written
after the libraries' documentation; where a library is installed, its own neuron is tried too.
"""

import numpy as np
import pytest
import torch
from networks import random_spikes
from torch import nn

from sim import golden
from sw.convert import ConversionError, from_torch
from sw.convert.layers import Target
from sw.convert.pytorch import convert_torch
from sw.convert.signs import Reading
from sw.encoder import EventsEncoder, LatencyEncoder

SHAPE = (4, 5)
LABELS = ("a", "b", "c")
GIVEN = {"encoder": LatencyEncoder(shape=SHAPE, silent_below=60), "steps": 8, "labels": LABELS}
TARGET = Target(**GIVEN)


class Sign(nn.Module):
    """As code from everywhere has it: −1, 0 at 0, +1."""

    def forward(self, x):
        return torch.sign(x)


class AtLeast(nn.Module):
    """``high`` from ``threshold`` on."""

    def __init__(self, threshold=0.0, low=0.0, high=1.0):
        super().__init__()
        self.threshold, self.low, self.high = threshold, low, high

    def forward(self, x):
        return torch.where(x >= self.threshold, self.high, self.low)


class BinaryLinear(nn.Linear):
    """Keeps real weights to learn from and computes with their signs, times a scale per row."""

    def forward(self, x):
        scale = self.weight.abs().mean(dim=1, keepdim=True)
        return nn.functional.linear(x, scale * self.weight.sign(), self.bias)


class IFNode(nn.Module):
    """SpikingJelly's: starts from v_reset, fires at or above v_threshold."""

    def __init__(self, v_threshold=1.0, v_reset=0.0):
        super().__init__()
        self.v_threshold, self.v_reset, self.step_mode = v_threshold, v_reset, "s"
        self.reset()

    def reset(self):
        self.v = 0.0 if self.v_reset is None else self.v_reset

    def forward(self, x):
        v = self.v + x
        spike = (v >= self.v_threshold).to(x)
        soft = v - spike * self.v_threshold
        self.v = soft if self.v_reset is None else torch.where(spike > 0, self.v_reset, v)
        return spike


class Leaky(nn.Module):
    """snnTorch's: fires above threshold, gives spike and potential, and subtracts by default."""

    def __init__(self, beta, threshold=1.0, reset_mechanism="subtract", inhibition=False):
        super().__init__()
        self.register_buffer("beta", torch.tensor(beta))
        self.register_buffer("threshold", torch.as_tensor(threshold))
        self.inhibition, self.mechanism = inhibition, reset_mechanism
        self.state_quant, self.graded_spikes_factor = False, torch.tensor(1.0)
        self.mem = 0.0

    def reset_mem(self):
        self.mem = 0.0

    def forward(self, x):
        before = (torch.as_tensor(self.mem) > self.threshold).to(x)
        if self.mechanism == "zero":
            self.mem = (1 - before) * self.mem
        self.mem = self.beta * self.mem + x
        if self.mechanism == "subtract":
            self.mem = self.mem - before * self.threshold
        return (self.mem > self.threshold).to(x), self.mem


def linear(inputs, outputs, bias=False, scale=None, kind=nn.Linear):
    """A layer with one magnitude per row, a random one unless told."""
    layer = kind(inputs, outputs, bias=bias)
    with torch.no_grad():
        sizes = torch.rand(outputs, 1) + 0.1 if scale is None else torch.tensor(float(scale))
        layer.weight.copy_(sizes * layer.weight.sign())
    return layer


def norm(units):
    """A batch norm as training may leave it; some γ are negative, one is 0."""
    layer = nn.BatchNorm1d(units)
    with torch.no_grad():
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.2, 3)
        layer.weight.normal_()
        layer.weight[0] = 0
        layer.bias.normal_()
    return layer


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (60, *SHAPE), np.uint8)


def binarised(images, low=0.0):
    """What a module is given when every bright pixel has fired."""
    return torch.from_numpy(np.where(images.reshape(len(images), -1) >= 60, 1.0, low)).float()


ACTIVATIONS = {
    "sign": Sign,
    "at 0": AtLeast,
    "elsewhere": lambda: AtLeast(0.3, -0.5, 2.0),
    "faint": lambda: AtLeast(-0.7, 0.0, 0.125),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bipolar", [False, True])
def test_one_step_is_the_module(images, activation, bipolar):
    """With one step every hidden unit fires where the module's activation is high, and the class is
    that of the largest output.
    """
    module = nn.Sequential(
        nn.Flatten(),
        linear(20, 30, bias=True),
        norm(30),
        ACTIVATIONS[activation](),
        nn.Dropout(),
        linear(30, 15, bias=True),
        ACTIVATIONS[activation](),
        linear(15, 3, scale=0.5),
    )
    network = from_torch(module, **(GIVEN | {"steps": 1}), bipolar=bipolar)
    answer = golden.run_images(network, images)
    inputs = binarised(images, -1.0 if bipolar else 0.0)
    module.eval()
    with torch.no_grad():
        for times, last in ((answer.times[0], 4), (answer.times[1], 7)):
            values = module[:last](inputs).numpy()
            assert ((times == 0) == (values == values.max())).all()
        outputs = module(inputs).numpy()
    assert (outputs[np.arange(len(outputs)), answer.label] == outputs.max(axis=1)).all()


@pytest.mark.parametrize("bipolar", [False, True])
def test_steps_are_the_module_on_what_has_fired(images, bipolar):
    """Over several steps: the module on the inputs so far, where what has fired stays so."""
    first, second = nn.Sequential(linear(20, 9, bias=True), norm(9)), linear(9, 3, bias=True)
    module = nn.Sequential(first, Sign(), second, AtLeast(0.1))
    network = from_torch(module, **GIVEN, bipolar=bipolar)
    answer = golden.run_images(network, images)
    times = network.encoder.times(images, 8)
    module.eval()
    hidden, outputs = np.zeros((60, 9), bool), np.zeros((60, 3), bool)
    for step in range(8):
        fired = np.where(times <= step, 1.0, -1.0 if bipolar else 0.0)
        with torch.no_grad():
            hidden |= first(torch.from_numpy(fired).float()).numpy() > 0
            outputs |= second(torch.from_numpy(hidden * 2.0 - 1).float()).numpy() >= 0.1
        assert (hidden == (answer.times[0] <= step)).all()
        assert (outputs == (answer.times[1] <= step)).all()


def test_weights_as_they_are_used(images):
    """A layer that keeps other weights than it computes with is asked for those."""
    module = nn.Sequential(BinaryLinear(20, 3, bias=True))
    with torch.no_grad():
        module[0].weight[:] = module[0].weight.sign() * (0.5 + torch.rand(1, 20)).roll(3)
        module[0].bias[:] = 0
    before = {key: value.clone() for key, value in module.state_dict().items()}
    network = from_torch(module, **(GIVEN | {"steps": 1}))
    assert (network.layers[0].weight == (module[0].weight > 0).numpy()).all()
    assert all((module.state_dict()[key] == value).all() for key, value in before.items())
    assert module.training


def test_double_precision(images):
    module = nn.Sequential(linear(20, 6, True), Sign(), linear(6, 3, scale=1)).double()
    converted = convert_torch(module, TARGET, Reading())
    answer = golden.run_images(converted.network, images)
    assert (converted.classify(images) == answer.label).all()


def test_outputs_of_several_scales():
    """Refused; or taken for equal: each keeps the V at which its value is 0, and rows of a
    negative γ are negated.
    """
    module = nn.Sequential(linear(20, 3, scale=1), norm(3))
    with torch.no_grad():
        module[1].weight[:] = torch.tensor([0.5, -2.0, 1.0])
        module[1].bias[:] = torch.tensor([0.25, 1.0, -3.0])
        module[1].running_mean[:] = torch.tensor([2.0, -1.0, 0.5])
        module[1].running_var[:] = 1 - module[1].eps
    with pytest.raises(
        ConversionError, match=r"adds 0\.5 to one and 2 to another; .*--equal-scales"
    ):
        from_torch(module, **GIVEN)
    converted = convert_torch(module, TARGET, Reading(equal_scales=True))
    (layer,) = converted.network.layers
    # V ≥ 2 − 0.25 / 0.5, −V ≥ 1 − 1 / 2, V ≥ 0.5 + 3 / 1
    wanted = np.array([2, 1, 4])
    assert (layer.threshold - layer.threshold[0] == wanted - wanted[0]).all()
    assert layer.threshold.min() > 20, "no output ever fires"
    signs = module[0].weight.numpy(force=True) > 0
    assert (layer.weight == signs ^ [[False], [True], [False]]).all()
    (note,) = converted.notes
    assert "as if a spike added the same to each, not 0.5 to 2 as in the source" in note


@pytest.mark.parametrize("steps", [1, 8])
def test_inputs_that_the_module_binarises(images, steps):
    """Its own sign before the first layer, given pixels as ToTensor has them, or as told."""
    given = GIVEN | {"encoder": LatencyEncoder(shape=SHAPE), "steps": steps}
    target = Target(**given)
    for threshold, input_range, below in (
        (0.5, None, 128),
        (0.0, (-1.0, 1.0), 128),
        (9, (0, 255), 9),
    ):
        module = nn.Sequential(
            nn.Flatten(),
            AtLeast(threshold, -1.0),
            linear(20, 8, True),
            Sign(),
            linear(8, 3, scale=1),
        )
        converted = convert_torch(module, target, Reading(input_range=input_range))
        network = converted.network
        assert network.encoder.silent_below == below
        answer = golden.run_images(network, images)
        assert (converted.classify(images) == answer.label).all()
        if steps == 1:
            inputs = np.where(images.reshape(60, 20) >= below, 1.0, -1.0)
            with torch.no_grad():
                hidden = module[2](torch.from_numpy(inputs).float()).numpy() > 0
            assert ((answer.times[0] == 0) == hidden).all()


def test_what_rounding_decides():
    """Sums of 0.1 may miss 0, those of 0.5 do not; the network takes the exact value."""
    for scale, notes in ((0.1, 2), (0.5, 0)):
        module = nn.Sequential(linear(20, 4, scale=scale), AtLeast(), linear(4, 3, scale=scale))
        found = convert_torch(module, TARGET, Reading()).notes
        assert len(found) == notes
    assert (
        "4 of 4 units can be exactly at their threshold"
        in convert_torch(
            nn.Sequential(linear(20, 4, scale=0.1), AtLeast(), linear(4, 3, scale=1)),
            TARGET,
            Reading(),
        ).notes[0]
    )


NEURONS = {
    "IFNode": (lambda: IFNode(1.5, -0.25), lambda: IFNode(0.75, None)),
    "Leaky, subtract": (lambda: Leaky(1.0, 1.5), lambda: Leaky(1.0, [0.5, 0.75, 1.0])),
    "Leaky, none": (lambda: Leaky(1.0, 1.0, "none"), lambda: Leaky(1.0, 0.5, "zero")),
}


def first_spikes(module, times, steps):
    """Runs a simulation that takes first spikes only, step by step."""
    fired = [None, None]
    for step in range(steps):
        values = torch.from_numpy(times == step).float()
        for index in range(2):
            values = module[2 * index + 1](module[2 * index](values))
            values = values[0] if isinstance(values, tuple) else values
            if fired[index] is None:
                fired[index] = np.full(values.shape, steps)
            new = (values > 0).numpy() & (fired[index] == steps)
            fired[index][new] = step
            values = torch.from_numpy(new).float()
    return fired


@pytest.mark.parametrize("neuron", NEURONS)
def test_spiking_neurons(images, neuron):
    hidden, output = (make() for make in NEURONS[neuron])
    module = nn.Sequential(linear(20, 12, scale=0.5), hidden, linear(12, 3, scale=0.25), output)
    converted = convert_torch(module, TARGET, Reading(), latched=True)
    network = converted.network
    answer = golden.run_images(network, images)
    for ours, theirs in zip(
        answer.times, first_spikes(module, network.encoder.times(images, 8), 8), strict=True
    ):
        assert (ours == theirs).all()
    assert (converted.classify(images) == answer.label).all()
    assert (converted.classify(images) == answer.label).all(), "no state is left"


@pytest.mark.parametrize(
    ("package", "name", "settings"),
    [
        ("snntorch", "Leaky", {"beta": 1.0, "threshold": 1.5}),
        ("spikingjelly.activation_based.neuron", "IFNode", {"v_threshold": 1.5, "v_reset": -0.5}),
    ],
)
def test_neurons_of_libraries(images, package, name, settings):
    make = getattr(pytest.importorskip(package), name)
    module = nn.Sequential(
        linear(20, 12, scale=0.5), make(**settings), linear(12, 3, scale=0.25), make(**settings)
    )
    converted = convert_torch(module, TARGET, Reading(), latched=True)
    answer = golden.run_images(converted.network, images)
    assert (converted.classify(images) == answer.label).all()


def test_neurons_that_cannot_fire_twice():
    """Without --latched: 20 inputs of 0.5 cannot reach 5.5 twice; an output may fire again."""
    for threshold, refused in ((5.5, False), (5.0, True)):
        module = nn.Sequential(
            linear(20, 4, scale=0.5), IFNode(threshold), linear(4, 3, scale=1), IFNode()
        )
        if refused:
            with pytest.raises(ConversionError, match=r"1 \(IFNode\): may fire again"):
                from_torch(module, **GIVEN)
        else:
            assert from_torch(module, **GIVEN).layers[0].threshold.tolist() == [11] * 4
    module[1] = IFNode(5.5, None)
    with pytest.raises(ConversionError, match="may fire again"):
        from_torch(module, **GIVEN)


def test_events(rng):
    """Inputs that fire several times count each time."""
    module = nn.Sequential(linear(6, 5, scale=0.5), Leaky(1.0, 1.5), linear(5, 3, scale=1))
    given = {"encoder": EventsEncoder(channels=6), "steps": 5, "labels": LABELS}
    converted = convert_torch(module, Target(**given), Reading(), latched=True)
    spikes = random_spikes(rng, 40, 6, 5, rate=3.0)
    assert (converted.classify(spikes) == golden.run(converted.network, spikes).label).all()


class Backwards(nn.Module):
    """Its forward runs its children in another order than they are defined in."""

    def __init__(self):
        super().__init__()
        self.last = linear(20, 20, scale=1)
        self.act = Sign()
        self.first = linear(20, 3, scale=1)

    def forward(self, x):
        return self.first(-self.act(self.last(x)))


class Doubling(nn.Linear):
    """Binarises its inputs too."""

    def forward(self, x):
        return super().forward(x.sign())


def out(scale=1.0):
    return linear(4, 3, scale=scale)


def started(beta=1.0, **settings):
    return [linear(20, 4, scale=1), Leaky(beta, **settings), out(), Leaky(1.0)]


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([nn.Linear(20, 3)], r"^0 \(Linear\): real weights: 20 magnitudes in row 0, .* in 3 of 3"),
        ([linear(20, 4, scale=0), Sign(), out()], r"^0 \(Linear\): 80 of 80 weights are 0;"),
        ([linear(20, 4), nn.ReLU(), out()], r"^1 \(ReLU\): an activation of more than two values"),
        ([linear(20, 4), nn.Softmax(1), out()], r"^1 \(Softmax\): no activation: it does not"),
        ([linear(20, 4), AtLeast(0, 1, -1), out()], r"^1 \(AtLeast\): an activation must rise"),
        (
            [linear(20, 4), nn.Conv2d(1, 1, 1), out()],
            r"^1 \(Conv2d\): a convolution; modules with 1-bit weights are converted with dense",
        ),
        ([linear(20, 4, scale=1), Sign(), out()], r"^1 \(Sign\): gives a third value at exactly 0"),
        ([linear(20, 4), out()], r"^1 \(Linear\): follows 0 \(Linear\) without an activation"),
        ([Sign(), Sign(), linear(20, 3)], r"^0 \(Sign\): stands before the first linear layer"),
        ([linear(20, 4), AtLeast(), norm(4), out()], r"^2 \(BatchNorm1d\): follows an activation"),
        ([linear(20, 4), AtLeast(), linear(4, 3)], r"^2 \(Linear\): outputs are compared by their"),
        ([linear(20, 4), nn.GLU(), out()], r"^1 \(GLU\): cannot be run on single values"),
        ([nn.Linear(20, 3, device="meta")], r"^Sequential: cannot be copied"),
        ([nn.Flatten()], r"^the module has no linear layer"),
        ([nn.BatchNorm1d(20), linear(20, 3)], r"^0 \(BatchNorm1d\): stands before the first"),
        (
            [linear(20, 4), nn.BatchNorm1d(4, track_running_stats=False), AtLeast(), out()],
            r"^1 \(BatchNorm1d\): keeps no running statistics",
        ),
        ([Doubling(20, 3)], r"^0 \(Doubling\): is not linear: it also changes its inputs"),
        (started(0.9), r"^1 \(Leaky\): a leak: beta is 0\.9"),
        (started(inhibition=True), r"^1 \(Leaky\): inhibition, which no unit"),
        (started(threshold=[1.0, 2.0]), r"^1 \(Leaky\): has 2 thresholds for 4 units"),
        (
            [linear(20, 4, True, 1), Leaky(1.0), out(), Leaky(1.0)],
            r"^0 \(Linear\): a bias is added in every step, to 4 of 4 units",
        ),
        (
            [linear(20, 4, scale=1), Leaky(1.0), linear(4, 4, scale=1), AtLeast(), out()],
            r"^3 \(AtLeast\): a sign-like activation beside spiking neurons",
        ),
        ([Backwards()], r"^Sequential: its forward does not run its children"),
        ([linear(21, 3, scale=1)], r"^0 \(Linear\): cannot be run on inputs \[64, 20\]"),
    ],
)
def test_refuses(modules, message):
    with pytest.raises(ConversionError, match=message) as refused:
        from_torch(nn.Sequential(*modules), **GIVEN)
    assert "\n" not in str(refused.value)


def test_parameters_that_are_no_numbers():
    module = nn.Sequential(linear(20, 3, bias=True, scale=1))
    module[0].bias.data[1] = torch.nan
    with pytest.raises(ConversionError, match=r"^0 \(Linear\): its parameters must be finite"):
        from_torch(module, **GIVEN)


def test_a_neuron_with_a_leak_of_another_name():
    class LIFNode(IFNode):
        tau = 2.0

    module = nn.Sequential(linear(20, 3, scale=1), LIFNode())
    with pytest.raises(ConversionError, match=r"1 \(LIFNode\): a leak, .* \(it has 'tau'\)"):
        from_torch(module, **GIVEN)


def test_notes():
    """Ties between outputs of several scales are told; so is a forward that was not run."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = linear(20, 3)
            self.neuron = Leaky(1.0)

    (unrun, ties) = convert_torch(Net(), TARGET, Reading()).notes
    assert unrun.startswith("Net: its forward is not run; its children are taken")
    assert ties.startswith("fc (Linear): outputs that fire in the same step")
    module = nn.Sequential(linear(20, 3, scale=0.5), AtLeast(-0.25))
    assert convert_torch(module, TARGET, Reading()).notes == ()
