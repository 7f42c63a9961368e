"""NIR: what is written is read again, bit for bit, and runs as the golden model does."""

import json

import numpy as np
import pytest
from networks import image_network, map_network, random_network, random_spikes

from sim import golden
from sw.convert import ConversionError, from_nir, nir_export, nir_import, to_nir
from sw.encoder import EventsEncoder, LatencyEncoder
from sw.network import NetworkError, find, zoo_names

nir = pytest.importorskip("nir")


def run(graph, spikes, steps):
    """A NIR simulator of its own, one example and one step at a time, node by node along the edges:
    the step in which each neuron fires first, and whether any fires twice.
    """
    following = dict(graph.edges)
    times, twice = {}, False
    for example in range(spikes.count):
        state = {}
        for step in range(steps):
            key = following["input"]
            values = np.zeros(graph.nodes["input"].input_type["input"][0])
            for unit in spikes.unit[(spikes.image == example) & (spikes.step == step)]:
                values[unit] += 1
            while key != "output":
                node = graph.nodes[key]
                if isinstance(node, nir.Linear):
                    values = node.weight.astype(float) @ values
                else:
                    state[key] = state.get(key, 0) + node.r * values
                    values = (state[key] > node.v_threshold).astype(float)
                    state[key] = np.where(values > 0, node.v_reset, state[key])
                    first = times.setdefault(key, np.full((spikes.count, len(values)), steps))
                    twice |= bool(((first[example] < steps) & (values > 0)).any())
                    first[example][(first[example] == steps) & (values > 0)] = step
                key = following[key]
    return list(times.values()), twice


DENSE = [name for name in zoo_names(codings=("first-spike",)) if find(name).dense]


@pytest.mark.parametrize("name", DENSE)
def test_the_zoo_there_and_back(name, tmp_path):
    """In every weight, threshold and word, so in every spike time."""
    network = find(name)
    nir_export.write(tmp_path / "a.nir", network)
    again = from_nir(nir_import.read(tmp_path / "a.nir"))
    assert again.to_bytes() == network.to_bytes()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == "digits-64-38-10-t2" else pytest.mark.deep)
        for name in DENSE
    ],
)
def test_the_zoo_runs(name, rng):
    """A simulation of the graph has every spike time of the golden model."""
    network = find(name)
    encoder, steps = network.encoder, network.steps
    if isinstance(encoder, EventsEncoder):
        spikes = random_spikes(rng, 3, encoder.inputs, steps, rate=0.3)
    else:
        images = rng.integers(0, 256, (3, *encoder.shape)) * (rng.random((3, *encoder.shape)) < 0.3)
        spikes = encoder.encode(images.astype(np.uint8), steps)
    graph = to_nir(network)
    times, twice = run(graph, spikes, steps)
    answer = golden.run(network, spikes)
    assert not twice
    for ours, theirs in zip(answer.times, times, strict=True):
        assert (ours == theirs).all()


def test_random_networks(rng):
    """200 networks of up to three layers, also with inputs that fire several times: a simulation of
    the graph has the golden model's spike times, no neuron fires twice, and the way back is exact.
    """
    for case in range(200):
        depth = rng.integers(1, 4)
        sizes = [int(size) for size in rng.integers(1, 9, depth + 1)]
        steps = int(2 ** rng.integers(0, 5))
        reach = int(rng.integers(1, 8))
        network = random_network(rng, sizes, steps, low=-reach, high=reach)
        graph = to_nir(network)
        spikes = random_spikes(rng, 2, sizes[0], steps, rate=2.0)
        times, twice = run(graph, spikes, steps)
        answer = golden.run(network, spikes)
        assert not twice
        assert len(times) == len(answer.times)
        for ours, theirs in zip(answer.times, times, strict=True):
            assert (ours == theirs).all(), case
        converted = nir_import.convert_nir(graph, nir_import.target_of(graph))
        assert converted.network.to_bytes() == network.to_bytes()
        assert (converted.classify(spikes) == answer.label).all(), case


@pytest.mark.parametrize("theta", [2**31 - 1, -(2**31), 2**22, 2**23 + 1, -(2**24) - 1])
def test_thresholds_that_float32_would_round(rng, theta):
    network = random_network(rng, (5, 4, 3), 4)
    network.layers[0].threshold[2] = theta
    assert from_nir(to_nir(network)).to_bytes() == network.to_bytes()


def test_refuses_maps(rng, tmp_path):
    network = map_network(rng, "3c3p1-f2-4", 4, LatencyEncoder(shape=(8, 8)))
    with pytest.raises(ConversionError, match=r"are not written as NIR \(1x8x8-3c3p1-f2-4\); name"):
        nir_export.write(tmp_path / "x.nir", network)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "encoder", [LatencyEncoder(shape=(3, 4, 6), pool=2), EventsEncoder(shape=(2, 3, 3))]
)
def test_maps_of_inputs(rng, encoder):
    network = map_network(rng, "5-4", 4, encoder)
    assert from_nir(to_nir(network)).to_bytes() == network.to_bytes()


def test_encoders(rng):
    for encoder in ({"pool": 2, "silent_below": 30}, {"select": (5, 3, 3)}):
        network = image_network(rng, **encoder)
        assert from_nir(to_nir(network)).encoder == network.encoder


def graph_of(*nodes):
    """A chain of nodes."""
    return nir.NIRGraph.from_list(*nodes, type_check=False)


def neurons(threshold, reset=-100.0, r=1.0):
    threshold = np.asarray(threshold, float)
    return nir.IF(
        r=np.full(len(threshold), r),
        v_threshold=threshold,
        v_reset=np.full(len(threshold), reset),
    )


SIGNS = np.array([[1.0, -1, 1], [-1, -1, 1]])
GIVEN = {"encoder": EventsEncoder(channels=3), "steps": 8, "labels": ["a", "b"]}


def test_a_graph_of_others():
    """Rows of 0.5 and 2, scaled by 3 and −1, r = 2, thresholds 4 and 3: the first unit fires when
    2 · 3 · 0.5 V > 4, so V ≥ 2; the second when 2 · −1 · 2 V > 3, so −V ≥ 1.
    """
    weight = SIGNS * [[0.5], [2.0]]
    graph = graph_of(
        nir.Linear(weight), nir.Scale(np.array([3.0, -1.0])), neurons([4, 3], 0.0, 2.0)
    )
    network = from_nir(graph, name="theirs", **GIVEN)
    (layer,) = network.layers
    assert layer.threshold.tolist() == [2, 1]
    assert layer.weight.tolist() == [[True, False, True], [True, True, False]]
    assert (network.name, network.steps, network.labels) == ("theirs", 8, ("a", "b"))


def test_a_threshold_is_strict():
    """NIR fires above its threshold, not at it."""
    graph = graph_of(nir.Linear(SIGNS), neurons([1.0, 0.999]))
    assert from_nir(graph, **GIVEN).layers[0].threshold.tolist() == [2, 1]


def test_one_step_takes_a_bias():
    graph = graph_of(nir.Affine(SIGNS, np.array([1.0, -0.5])), neurons([1.5, 1.5]))
    network = from_nir(graph, **(GIVEN | {"steps": 1}))
    assert network.layers[0].threshold.tolist() == [1, 3]


def test_what_fires_again(rng):
    """A hidden neuron that is reset to 0 may fire twice; an output, or --latched, is no matter."""
    hidden = nir.Linear(np.ones((2, 3)))
    images = {"encoder": LatencyEncoder(shape=(1, 3)), "steps": 8, "labels": ["a", "b"]}
    for reset, threshold, fires_twice in ((0.0, 0.5, True), (0.0, 1.5, False), (-3.0, 0.5, False)):
        graph = graph_of(
            hidden,
            neurons([threshold] * 2, reset),
            nir.Linear(np.ones((2, 2))),
            neurons([0.5, 0.5], 0.0),
        )
        if fires_twice:
            with pytest.raises(ConversionError, match=r"if \(IF\): may fire again .* \(--latched"):
                from_nir(graph, **images)
        else:
            from_nir(graph, **images)
        assert from_nir(graph, latched=True, **images).layers[0].threshold[0] == threshold + 0.5


ONES = np.ones(2)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [nir.Linear(np.array([[1.0, 2, 3], [1, 1, 1]])), neurons([1, 1])],
            r"linear \(Linear\): real weights: 3 magnitudes in row 0, and more than one in 1 of 2",
        ),
        (
            [nir.Linear(SIGNS * [1, 0, 1]), neurons([1, 1])],
            r"linear \(Linear\): 2 of 6 weights are 0",
        ),
        (
            [nir.Linear(SIGNS), nir.LIF(tau=ONES, r=ONES, v_leak=ONES, v_threshold=ONES)],
            r"lif \(LIF\): a leak \(tau\)$",
        ),
        (
            [nir.Affine(SIGNS, np.array([0.0, 1])), neurons([1, 1])],
            r"affine \(Affine\): its bias is added in every step, to 1 of 2 units",
        ),
        ([nir.Linear(SIGNS)], "must end with an IF"),
        ([nir.Linear(SIGNS), nir.Threshold(ONES)], r"threshold \(Threshold\): no potential"),
        ([nir.Linear(SIGNS), nir.Linear(np.ones((2, 2)))], "follows linear .* without an IF"),
        ([neurons([1, 1, 1])], r"if \(IF\): must be Linear or Affine here"),
        ([nir.Linear(SIGNS), neurons([1, np.nan])], r"if \(IF\): v_threshold must be 2 finite"),
        ([nir.Linear(SIGNS), neurons([1, 1, 1])], r"if \(IF\): r must be 2 finite numbers"),
        ([nir.Linear(SIGNS * np.inf), neurons([1, 1])], "weights must be finite"),
    ],
)
def test_refuses(nodes, message):
    with pytest.raises(ConversionError, match=message) as refused:
        from_nir(graph_of(*nodes), **GIVEN)
    assert "\n" not in str(refused.value)


def test_refuses_what_is_no_chain():
    for extra, message in (
        ([("if", "linear")], r"if \(IF\): leads to 2 nodes"),
        ([("nosuch", "linear")], "an edge names 'nosuch'"),
    ):
        graph = graph_of(nir.Linear(SIGNS), neurons([1, 1]))
        graph.edges = graph.edges + extra
        with pytest.raises(ConversionError, match=message):
            from_nir(graph, **GIVEN)
    graph = graph_of(nir.Linear(SIGNS), neurons([1, 1]))
    graph.nodes["lost"] = neurons([1, 1])
    with pytest.raises(ConversionError, match="lost: is not on the way"):
        from_nir(graph, **GIVEN)
    graph.edges = [("input", "linear"), ("linear", "if"), ("if", "linear")]
    with pytest.raises(ConversionError, match=r"linear \(Linear\): is recurrent"):
        from_nir(graph, **GIVEN)


@pytest.mark.parametrize(
    ("missing", "what"),
    [("encoder", "encoder"), ("steps", "number of steps"), ("labels", "names of classes")],
)
def test_what_is_not_given(missing, what):
    given = {key: value for key, value in GIVEN.items() if key != missing}
    with pytest.raises(ConversionError, match=f"its metadata has no {what}; give --"):
        from_nir(graph_of(nir.Linear(SIGNS), neurons([1, 1])), **given)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "firstspike-nir/9"},
        {"encoder": {"kind": "rate"}},
        {"encoder": {"kind": "latency", "shape": [8]}},
        {"encoder": 3},
        {"labels": "abc"},
        {"labels": [1]},
        {"name": None},
        {"provenance": []},
        {"steps": "8"},
        {"steps": 3},
        {"steps": True},
    ],
)
def test_metadata_that_cannot_be(rng, change):
    graph = to_nir(image_network(rng))
    known = json.loads(graph.metadata["firstspike"])
    graph.metadata["firstspike"] = json.dumps(known | change)
    with pytest.raises(NetworkError if "steps" in change else ConversionError) as refused:
        from_nir(graph)
    assert "\n" not in str(refused.value)


def test_files_that_are_none(rng, tmp_path):
    """Cut, overwritten and empty files, and one without its parts: one line with the path."""
    path = tmp_path / "a.nir"
    nir_export.write(path, image_network(rng))
    good = path.read_bytes()
    for content in (
        b"",
        b"no graph",
        good[: len(good) // 2],
        good[:600] + bytes(400) + good[1000:],
    ):
        path.write_bytes(content)
        with pytest.raises(ConversionError, match=r"a\.nir: is no NIR graph") as refused:
            nir_import.read(path)
        assert "\n" not in str(refused.value)
    nir.write(path, neurons([1, 1]))  # a node, not a graph
    with pytest.raises(ConversionError, match=r"a\.nir: is no NIR graph"):
        nir_import.read(path)
    with pytest.raises(ConversionError, match=r"missing\.nir: cannot be read \(No such file"):
        nir_import.read(tmp_path / "missing.nir")


def test_a_file_that_unpacks_to_too_much(tmp_path):
    """Small on the disk, 1 GiB in memory."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.nir", "w") as file:
        file.create_dataset("node/nodes/a/weight", (1 << 28,), np.float32, compression="gzip")
    assert (tmp_path / "a.nir").stat().st_size < 100_000
    message = r"a\.nir: must hold at most 134,217,728 numbers, not 268,435,456"
    with pytest.raises(ConversionError, match=message):
        nir_import.read(tmp_path / "a.nir")
