"""Each method against a plain loop, and its thresholds by hand."""

import loops
import pytest
import torch
from nets import ann, dense, random_layers
from torch import nn

from sw.ann import reading
from sw.ann.methods import METHODS
from sw.ann.methods.rnl import fit_term
from sw.ann.names import METHOD_NAMES
from sw.ann.simulate import Batch
from sw.cli import UserError

SIZES = (5, 7, 6, 3)


def simulated(graph, method, thresholds, image, steps):
    """Sums of the outputs, and the spikes of all layers, by step."""
    values = torch.tensor([image], dtype=torch.float64)
    run = Batch(graph, method, thresholds, values)
    total, outputs, spikes = torch.zeros(1, graph.classes, dtype=torch.float64), [], []
    for _ in range(steps):
        fired = []
        total = total + run.advance(lambda node, bits, value, to=fired: to.extend(bits[0].tolist()))
        outputs.append(total[0].tolist())
        spikes.append([int(bit) for bit in fired])
    return outputs, spikes


def cases():
    for seed in range(5):
        layers = random_layers(SIZES, seed)
        image = torch.rand(SIZES[0], generator=torch.Generator().manual_seed(seed)).tolist()
        yield layers, image


def test_names():
    assert tuple(METHODS) == METHOD_NAMES


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_rate(start):
    for layers, image in cases():
        graph, thresholds = dense(*layers)
        method = METHODS["rate"](start=start)
        outputs, spikes = simulated(graph, method, thresholds, image, 20)
        wanted, fired = loops.rate(layers, image, 20, start)
        assert spikes == fired
        assert sum(map(sum, spikes)) > 5
        assert outputs == [pytest.approx(each, abs=1e-9) for each in wanted]


@pytest.mark.parametrize("phases", [1, 3, 4])
def test_phase(phases):
    for layers, image in cases():
        graph, thresholds = dense(*layers)
        method = METHODS["phase"](phases=phases)
        outputs, spikes = simulated(graph, method, thresholds, image, 5 * phases)
        wanted, fired = loops.phase(layers, image, 5 * phases, phases)
        assert spikes == fired
        assert outputs == [pytest.approx(each, abs=1e-9) for each in wanted]


@pytest.mark.parametrize("phases", [1, 3, 4])
def test_bistable(phases):
    """Numbers of K bits, a period after they were heard."""
    for layers, image in cases():
        graph, thresholds = dense(*layers)
        method = METHODS["bistable"](phases=phases)
        outputs, spikes = simulated(graph, method, thresholds, image, 6 * phases)
        wanted, numbers = loops.bistable(layers, image, 6, phases)
        for period in range(6):
            end = (period + 1) * phases
            assert outputs[end - 1] == pytest.approx(wanted[period], abs=1e-9)
            bits = zip(*spikes[end - phases : end], strict=True)
            said = [sum(bit << (phases - 1 - k) for k, bit in enumerate(each)) for each in bits]
            before = numbers[period - 1] if period else []
            assert said[: len(before)] == before
            assert not any(said[len(before) :])  # has heard nothing yet


def test_qcfs_is_rate_from_half_the_learnt_ceiling():
    module = ann("6", shape=(5, 1, 1), levels=4).double()
    module.layer1.activation.ceiling.data.fill_(1.25)
    graph = reading.read(module, (5, 1, 1))
    image = [0.9, 0.1, 0.4, 0.7, 0.2]
    thresholds = METHODS["qcfs"]().thresholds(graph, torch.rand(3, 5, 1, 1).double())
    assert [float(each) for each in thresholds.values()] == [1.25]
    found = Batch(
        graph, METHODS["qcfs"](), thresholds, torch.tensor(image).double().reshape(1, 5, 1, 1)
    )
    spikes = []
    for _ in range(8):
        found.advance(lambda node, bits, value: spikes.append(bits[0].int().tolist()))
    linear, norm = (part.double().requires_grad_(False) for part in list(module.layer1)[:2])
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).tolist()
    shift = (norm.bias - norm.running_mean * torch.tensor(scale)).tolist()
    weights = (linear.weight * torch.tensor(scale)[:, None]).tolist()
    layers = [(weights, shift, 1.25), ([[0.0] * 6], [0.0], None)]
    given = [(x - 0.4) / 0.3 for x in image]
    assert spikes == loops.rate(layers, given, 8, 0.5)[1]


@pytest.mark.parametrize("levels", [1, 3, 7, 15])
@pytest.mark.parametrize("layers", ["4c3p1,m2,4c3p1,8", "4c3p1,m2,r4,r6s2,g"])
def test_bistable_is_a_quantised_ann(layers, levels):
    """K bits are 2^K − 1 levels: after one period for each layer the outputs are the ANN's."""
    module = ann(layers, levels=levels).double()
    for part in module.modules():
        if hasattr(part, "ceiling"):
            part.ceiling.data.fill_(1.3)
    graph = reading.read(module, (1, 8, 8))
    method = METHODS["bistable"](phases=levels.bit_length())
    images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    run = Batch(graph, method, method.thresholds(graph, images), images)
    periods = run.schedule.start[graph.nodes[-1].name] + 1
    total = sum(run.advance(lambda *_: None) for _ in range(periods * method.period))
    with torch.no_grad():
        assert torch.allclose(total, module(images), atol=1e-9)


def test_percentiles_by_sorting():
    graph, _ = dense(*random_layers((4, 6, 2), 0))
    images = torch.rand(50, 4, generator=torch.Generator().manual_seed(0)).double()
    (values,) = graph.activations(images)[0].values()
    ordered = sorted(values.flatten().tolist())
    found = METHODS["rate"](percentile=90.0).thresholds(graph, images)
    assert [float(each) for each in found.values()] == [pytest.approx(ordered[269])]  # 90 % of 300
    (channels,) = (
        METHODS["rate"](percentile=100.0, per_channel=True).thresholds(graph, images).values()
    )
    least = 1e-3 * max(ordered)
    assert channels.tolist() == pytest.approx([max(row.max().item(), least) for row in values.T])


def test_fit_term_by_hand():
    rates = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert float(fit_term(rates)) == pytest.approx((1 / 0.5 + 1 / 1) / 2, rel=1e-5)


def test_rate_norm_lowers_thresholds_where_only_speed_counts():
    graph = reading.read(ann("4c3p1,m2,8"), (1, 8, 8))
    images = torch.rand(120, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    most = [float(value.max()) for value in graph.activations(images)[0].values()]
    careful, fast = (
        [float(v) for v in METHODS["rnl"](weight=w, updates=60).thresholds(graph, images).values()]
        for w in (0.0, 10.0)
    )
    assert all(f < c <= m for f, c, m in zip(fast, careful, most, strict=True))
    assert all(c > 0.5 * m for c, m in zip(careful, most, strict=True))


@pytest.mark.parametrize(
    ("method", "settings", "line"),
    [
        ("bistable", {"phases": 0}, "Bistable: phases must be an integer in 1 … 16, not 0"),
        ("rate", {"percentile": 101.0}, "Rate: percentile must be a number in 1 … 100, not 101.0"),
        ("rate", {"start": 1.0}, "Rate: start must be a number in 0 … below 1, not 1.0"),
        ("rnl", {"weight": -1.0}, "RateNorm: weight must be a number at least 0, not -1.0"),
    ],
)
def test_settings_out_of_range(method, settings, line):
    with pytest.raises(UserError) as error:
        METHODS[method](**settings)
    assert str(error.value) == line


def test_qcfs_needs_its_activation():
    graph = reading.read(
        nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (1, 2, 2)
    )
    with pytest.raises(
        UserError, match=r"_2: a ReLU, and method qcfs needs .* sw.train_ann --levels"
    ):
        METHODS["qcfs"]().thresholds(graph, torch.rand(2, 1, 2, 2))
