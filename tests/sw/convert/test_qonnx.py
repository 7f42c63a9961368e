"""QONNX: graphs as Brevitas exports them, written with onnx.helper and held against NumPy.

What Brevitas 0.13.4 itself exports is tried where it is installed.
"""

import numpy as np
import pytest

from sim import golden
from sw.cli import UserError
from sw.convert import ConversionError, from_qonnx, onnx_graph
from sw.convert.layers import Target
from sw.convert.qonnx import convert_qonnx
from sw.convert.signs import Reading
from sw.encoder import EventsEncoder, LatencyEncoder

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

SHAPE = (4, 5)
LABELS = ("a", "b", "c")
GIVEN = {"encoder": LatencyEncoder(shape=SHAPE), "steps": 1, "labels": LABELS}
CUSTOM = "qonnx.custom_op.general"
BIPOLAR = ("BipolarQuant", ["", "one"])  # of the value before
CENTRE = [("Mul", ["", "two"]), ("Sub", ["", "one"])]  # 0 … 1 to −1 … 1


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (60, *SHAPE), dtype=np.uint8)


def model(*nodes, shape=(1, 1, *SHAPE), domain=CUSTOM, **constants):
    """A chain. A node is its operator, its inputs ("" is the result before), and attributes."""
    constants = {"one": np.float32([1]), "two": np.float32(2), **constants}
    made, before = [], "x"
    for index, (kind, inputs, *attributes) in enumerate(nodes):
        names = [before if name == "" else name for name in inputs]
        result = f"v{index}" if "" in inputs else f"w{index}"
        known = domain if kind == "BipolarQuant" else ""
        made.append(
            helper.make_node(kind, names, [result], f"n{index}", domain=known, **dict(*attributes))
        )
        before = result if "" in inputs else before
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(before, onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(domain, 1)]
    return helper.make_model(graph, opset_imports=opsets)


def weights(rng, outputs, inputs):
    """Real ones, as they are trained; their signs count."""
    return rng.normal(size=(outputs, inputs)).astype(np.float32)


def norm(rng, units):
    """γ, β, μ and the variance of a batch norm; some γ are negative, one is 0."""
    gamma = rng.normal(size=units)
    gamma[0] = 0
    values = (gamma, rng.normal(size=units), rng.normal(size=units), rng.uniform(0.2, 3, units))
    return [value.astype(np.float32) for value in values]


def signs(values):
    return np.where(values >= 0, 1.0, -1.0)


def normed(values, parameters):
    gamma, beta, mean, variance = (each.astype(float) for each in parameters)
    return gamma * (values - mean) / np.sqrt(variance + np.float32(1e-5)) + beta


@pytest.fixture(params=["MatMul", "Gemm"])
def fc(request, rng):
    """Brevitas' bnn_pynq FC: binarised inputs, batch norm, sign, and one scale for all outputs. Its
    parts, and the graph as the exporter by tracing (MatMul) or by torch.export (Gemm) writes it.
    """
    first, second = weights(rng, 9, 20), weights(rng, 3, 9)
    bn = norm(rng, 9)
    nodes = [("Reshape", ["", "flat"]), *CENTRE, BIPOLAR]
    for name, after in (
        ("first", [("BatchNormalization", ["", *"gbmv"], {"epsilon": 1e-5}), BIPOLAR]),
        ("second", [("Sub", ["", "shift"]), ("Div", ["", "scale"]), ("Add", ["", "one"])]),
    ):
        nodes.append(("BipolarQuant", [name, "one"]))
        quantised = f"w{len(nodes) - 1}"
        if request.param == "MatMul":
            nodes.append(("Transpose", [quantised], {"perm": [1, 0]}))
            nodes.append(("MatMul", ["", f"w{len(nodes) - 1}"]))
        else:
            nodes.append(("Gemm", ["", quantised], {"transB": 1}))
        nodes += after
    graph = model(
        *nodes,
        first=first,
        second=second,
        flat=np.array([1, -1]),
        shift=np.float32([0.25]),
        scale=np.float32([7.5]),
        **dict(zip("gbmv", bn, strict=True)),
    )
    return first, bn, second, graph


@pytest.mark.smoke
def test_one_step_is_the_graph(fc, images):
    """By hand: pixels from 128 on are +1 (2 · 128/255 − 1 ≥ 0), and the output is a sum."""
    first, bn, second, graph = fc
    network = from_qonnx(graph, **GIVEN)
    inputs = np.where(images.reshape(60, 20) >= 128, 1.0, -1.0)
    hidden = signs(normed(inputs @ signs(first).T, bn))
    outputs = hidden @ signs(second).T
    answer = golden.run_images(network, images)
    assert network.encoder.silent_below == 128
    assert network.structure == "20-9-3"
    assert ((answer.times[0] == 0) == (hidden > 0)).all()
    assert (answer.label == outputs.argmax(axis=1)).all()
    assert len(set(answer.label)) > 1


def test_steps_are_the_graph_on_what_has_fired(fc, images):
    first, bn, _, graph = fc
    network = from_qonnx(graph, **(GIVEN | {"steps": 8}))
    answer = golden.run_images(network, images)
    times = np.where(
        images.reshape(60, 20) >= 128, (255 - images.reshape(60, 20).astype(int)) * 8 // 256, 8
    )
    hidden = np.zeros((60, 9), bool)
    for step in range(8):
        inputs = np.where(times <= step, 1.0, -1.0)
        hidden |= normed(inputs @ signs(first).T, bn) >= 0
        assert (hidden == (answer.times[0] <= step)).all()


@pytest.mark.parametrize("steps", [1, 8])
def test_the_source_is_run(fc, images, steps):
    """Its own arithmetic gives the network's classes."""
    converted = convert_qonnx(fc[3], Target(**(GIVEN | {"steps": steps})), Reading())
    answer = golden.run_images(converted.network, images)
    assert (converted.classify(images) == answer.label).all()
    assert converted.notes == ()


@pytest.mark.parametrize(
    ("front", "given", "below", "levels"),
    [
        ([BIPOLAR], {"input_range": (-1, 1)}, 128, (-1, 1)),
        ([("Sub", ["", "edge"]), BIPOLAR], {"input_range": (0, 255)}, 100, (-1, 1)),
        ([("Sub", ["edge", ""]), BIPOLAR], {"input_range": (0, 255)}, 101, (1, -1)),
        ([("GreaterOrEqual", ["", "half"]), ("Cast", [""], {"to": 1})], {}, 128, (0, 1)),
        ([("Sub", ["", "half"]), ("Sign", [""])], {}, 128, (-1, 1)),
        ([("Greater", ["", "half"]), ("Where", ["", "two", "one"])], {}, 128, (1, 2)),
    ],
)
def test_how_inputs_are_binarised(rng, images, front, given, below, levels):
    """The least pixel of the second level, and what both levels add up to."""
    weight = weights(rng, 3, 20)
    graph = model(
        ("Flatten", [""]), *front, ("BipolarQuant", ["w", "one"]),
        ("Gemm", ["", f"w{len(front) + 1}"], {"transB": 1}), BIPOLAR,
        w=weight, edge=np.float32(100), half=np.float32(0.5),
    )  # fmt: skip
    network = from_qonnx(graph, **GIVEN, **given)
    assert network.encoder.silent_below == below
    inputs = np.where(images.reshape(60, 20) >= below, levels[1], levels[0])
    answer = golden.run_images(network, images)
    assert ((answer.times[0] == 0) == (inputs @ signs(weight).T >= 0)).all()


@pytest.mark.parametrize(("bipolar", "low"), [(False, 0), (True, -1)])
def test_inputs_that_are_not_binarised(rng, images, bipolar, low):
    """Such a graph is given two values by the encoder, and a note says so."""
    graph = model(
        ("Flatten", [""]), *CENTRE, ("MatMul", ["", "w"]), BIPOLAR,
        w=signs(weights(rng, 20, 3)).astype(np.float32),
    )  # fmt: skip
    encoder = LatencyEncoder(shape=SHAPE, silent_below=60)
    target = Target(**(GIVEN | {"encoder": encoder}))
    converted = convert_qonnx(graph, target, Reading(bipolar=bipolar))
    assert converted.notes[0].startswith("n1 (Mul): no quantiser of the inputs")
    assert len(converted.notes) == 1 + bipolar  # then inputs are −3 and 1: margins are no integers
    answer = golden.run_images(converted.network, images)
    inputs = 2 * np.where(images.reshape(60, 20) >= 60, 1, low) - 1
    weight = numpy_helper.to_array(graph.graph.initializer[2])
    assert ((answer.times[0] == 0) == (inputs @ weight >= 0)).all()
    assert bipolar or (converted.classify(images) == answer.label).all()


def test_scales_and_biases_fold(rng, images):
    """A scale per row, a scaled activation, Gemm's α, β and bias; softmax at the end."""
    first, second = weights(rng, 6, 20), weights(rng, 3, 6)
    rows = rng.uniform(0.1, 2, (6, 1)).astype(np.float32)
    bias = rng.normal(size=6).astype(np.float32)
    graph = model(
        ("Flatten", [""]), *CENTRE, BIPOLAR,
        ("BipolarQuant", ["first", "rows"]),
        ("Gemm", ["", "w4", "bias"], {"transB": 1, "alpha": 0.5, "beta": 3.0}),
        ("BipolarQuant", ["", "two"]),
        ("BipolarQuant", ["second", "one"]), ("Transpose", ["w7"]), ("MatMul", ["", "w8"]),
        ("Softmax", [""]),
        first=first, second=second, rows=rows, bias=bias, domain="onnx.brevitas",
    )  # fmt: skip
    converted = convert_qonnx(graph, Target(**GIVEN), Reading())
    answer = golden.run_images(converted.network, images)
    inputs = np.where(images.reshape(60, 20) >= 128, 1.0, -1.0)
    hidden = inputs @ (signs(first) * rows).T / 2 + 3 * bias
    assert ((answer.times[0] == 0) == (hidden >= 0)).all()
    outputs = signs(hidden) @ signs(second).T
    assert (answer.label == outputs.argmax(axis=1)).all()
    assert (converted.classify(images) == answer.label).all()


def test_a_batch_of_any_size(rng, images):
    """Shapes that are computed from the input's; weights given as inputs with a value."""
    weight = signs(weights(rng, 20, 3)).astype(np.float32)
    graph = model(
        ("Shape", [""]), ("Gather", ["", "zero"]), ("Concat", ["", "rest"], {"axis": 0}),
        ("MatMul", ["x", "w"]), BIPOLAR,
        shape=("n", 20), w=weight, zero=np.array([0]), rest=np.array([-1]),
    )  # fmt: skip
    graph.graph.node.insert(3, helper.make_node("Reshape", ["x", "v2"], ["flat"], "flatten"))
    graph.graph.node[4].input[0] = "flat"
    graph.graph.node[4].output[0] = "v3"
    graph.graph.node[5].input[0] = "v3"
    graph.graph.input.append(
        helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, weight.shape)
    )
    given = GIVEN | {"encoder": LatencyEncoder(shape=SHAPE, silent_below=90)}
    network = from_qonnx(graph, **given)
    answer = golden.run_images(network, images)
    fires = (images.reshape(60, 20) >= 90) @ weight >= 0
    assert ((answer.times[0] == 0) == fires).all()


def test_recordings(rng):
    """Sensor events have no pixels that a quantiser could tell apart."""
    weight = signs(weights(rng, 20, 3)).astype(np.float32)
    given = GIVEN | {"encoder": EventsEncoder(channels=20), "steps": 8}
    network = from_qonnx(model(("MatMul", ["", "w"]), BIPOLAR, shape=(1, 20), w=weight), **given)
    assert (network.layers[0].weight == (weight.T > 0)).all()


W = np.ones((20, 3), np.float32)
REAL = np.linspace(1, 2, 60, dtype=np.float32).reshape(20, 3)
FLAT = ("Flatten", [""])
READ = ("MatMul", ["", "w"])


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        ([FLAT, READ], {"w": REAL}, r"^n1 \(MatMul\): real weights: 20 magnitudes in row 0"),
        ([FLAT, READ], {"w": 0 * W}, r"^n1 \(MatMul\): 60 of 60 weights are 0"),
        ([FLAT, READ], {"w": W * np.nan}, r"^n1 \(MatMul\): its weights must be finite"),
        ([FLAT, READ], {"w": W[:19]}, r"^n1 \(MatMul\): takes 19 inputs, not 20"),
        ([FLAT, READ], {"w": W[0]}, r"^n1 \(MatMul\): its weights must be a matrix, not \[3\]"),
        ([FLAT, ("MatMul", ["w", ""])], {"w": W}, r"must multiply its input by constant weights"),
        (
            [("Conv", ["", "w"])],
            {"w": np.ones((2, 1, 3, 3), np.float32)},
            r"^n0 \(Conv\): a convolution; networks are converted with dense layers only",
        ),
        ([FLAT, READ, ("Erf", [""])], {"w": W}, r"^n2 \(Erf\): no layer of a network; known are"),
        ([FLAT, READ, ("Relu", [""])], {"w": W}, r"^n2 \(Relu\): an activation of more than two"),
        (
            [FLAT, READ, BIPOLAR, ("Softmax", [""]), ("MatMul", ["", "v"])],
            {"w": W, "v": np.ones((3, 3), np.float32)},
            r"^n3 \(Softmax\): belongs at the end",
        ),
        (
            [FLAT, READ, ("MatMul", ["", "v"])],
            {"w": W, "v": np.ones((3, 3), np.float32)},
            r"^n1 \(MatMul\): leads to another linear layer without an activation",
        ),
        (
            [FLAT, ("Quant", ["w", "one", "one", "bits"]), ("MatMul", ["", "w1"])],
            {"w": W, "bits": np.float32(4)},
            r"^n1 \(Quant\): quantises to 4 bits; weights and activations of a network have 1",
        ),
        (
            [FLAT, READ, ("Quant", ["", "one", "one", "bits"])],
            {"w": W, "bits": np.float32(2)},
            r"^n2 \(Quant\): quantises to 2 bits",
        ),
        ([FLAT, ("Erf", ["w"]), ("MatMul", ["", "w1"])], {"w": W}, "not computed by Erf"),
        ([FLAT, READ, ("Add", ["", "v"])], {"w": W, "v": np.ones(2, np.float32)}, "of shape"),
        ([FLAT, READ, ("Div", ["", "v"])], {"w": W, "v": np.float32(0)}, "that are not 0"),
        ([FLAT, READ, ("Add", ["", "v"])], {"w": W, "v": np.float32(np.inf)}, "must be finite"),
        ([FLAT, READ, ("Add", ["", ""])], {"w": W}, "joins 2 branches"),
        ([FLAT, READ, ("Add", ["", "v0"])], {"w": W}, "joins 2 branches"),
        ([FLAT, READ, ("Add", ["", "nosuch"])], {"w": W}, "needs 'nosuch', which no node before"),
        ([FLAT], {}, "must have a MatMul or Gemm"),
        (
            [FLAT, BIPOLAR, READ, BIPOLAR],
            {"w": W},
            r"^n1 \(BipolarQuant\): must change once .* 0 and 1, not 0 times; .*--input-range",
        ),
        (
            [FLAT, ("Sub", ["", "v"]), BIPOLAR, READ, BIPOLAR],
            {"w": W, "v": np.linspace(0.2, 0.7, 20, dtype=np.float32)},
            r"^n1 \(Sub\): treats input 1 in another way than input 0",
        ),
        (
            [("Transpose", [""], {"perm": [0, 1, 3, 2]}), FLAT, READ, BIPOLAR],
            {"w": W},
            r"^n0 \(Transpose\): no layer",
        ),
        (
            [FLAT, READ, ("Mul", ["", "v"])],
            {"w": W, "v": np.float32([1, 2, 3])},
            r"a spike adds 1 to one and 3 to another; .*\(--equal-scales\)",
        ),
        (
            [FLAT, READ, ("BatchNormalization", ["", *"abcd"])],
            {"w": W, **{name: np.full(3, -1, np.float32) for name in "abcd"}},
            "its variance must be above 0",
        ),
    ],
)
def test_refuses(nodes, constants, message):
    with pytest.raises(ConversionError, match=message) as refused:
        from_qonnx(model(*nodes, **constants), **GIVEN)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bipolar": True}, r"gives -1 and 1 itself; leave out --bipolar"),
        ({"input_range": (0, 0.2)}, "must change once between .* 0 and 0.2, not 0"),
        ({"encoder": LatencyEncoder(shape=SHAPE, silent_below=9)}, "pixels of 128 and more"),
        (
            {"encoder": LatencyEncoder(shape=(4, 6))},
            "takes 1 × 4 × 5 numbers, .* gives 24",
        ),
    ],
)
def test_flags_that_do_not_fit(fc, given, message):
    with pytest.raises(ConversionError, match=message):
        from_qonnx(fc[3], **(GIVEN | given))


def test_an_input_range_without_a_quantiser():
    with pytest.raises(ConversionError, match="--input-range: the source has no quantiser"):
        from_qonnx(model(FLAT, READ, BIPOLAR, w=W), **GIVEN, input_range=(0, 2))


def test_a_graph_that_does_something_else():
    """A Dropout that is left in training."""
    nodes = [FLAT, *CENTRE, BIPOLAR, READ, ("Dropout", ["", "half", "yes"]), BIPOLAR]
    graph = model(*nodes, w=np.float32(signs(REAL - 1.5)), half=np.float32(0.5), yes=np.array(True))
    with pytest.raises(ConversionError, match="gives something else than its layers"):
        from_qonnx(graph, **GIVEN)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.onnx"


def refusal(path):
    with pytest.raises(ConversionError) as refused:
        from_qonnx(onnx_graph.read(path), **GIVEN)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_files_that_are_none(fc, path):
    content = fc[3].SerializeToString()
    for bad in (b"", b"no graph", content[: len(content) // 2], content[:200] + bytes(200)):
        path.write_bytes(bad)
        assert refusal(path).startswith(f"{path}: is no ONNX file")
    path.unlink()
    assert refusal(path).startswith(f"{path}: cannot be read (No such file")


@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.deep)])
def test_damaged_files(fc, path, rng, count):
    """Bytes changed anywhere: a network, or one line."""
    content = np.frombuffer(fc[3].SerializeToString(), np.uint8)
    for _ in range(count):
        damaged = content.copy()
        where = rng.integers(0, len(content), rng.integers(1, 4))
        damaged[where] = rng.integers(0, 256, len(where))
        path.write_bytes(damaged.tobytes())
        message = ""
        try:
            from_qonnx(onnx_graph.read(path), **GIVEN)
        except UserError as error:
            message = str(error)
        assert "\n" not in message


def test_a_file_beyond_its_limit(path):
    with path.open("wb") as file:
        file.truncate((1 << 28) + 1)
    assert "must have at most 268,435,456 bytes" in refusal(path)


def test_data_in_another_file(fc, path):
    onnx.save(fc[3], path, save_as_external_data=True, location="b", size_threshold=0)
    assert "its data are in another file; save the graph with all data within it" in refusal(path)


def test_a_node_with_data_in_another_file(path):
    """Such a file is not opened, whatever it is."""
    tensor = numpy_helper.from_array(W, "w")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/dev/zero")
    graph = model(FLAT, ("Constant", [], {"value": tensor}), ("MatMul", ["", "w1"]))
    path.write_bytes(graph.SerializeToString())
    assert refusal(path).startswith("n1 (Constant): its data are in another file")


def test_a_constant_that_is_no_number():
    text = helper.make_tensor("t", onnx.TensorProto.STRING, [1], [b"one"])
    with pytest.raises(ConversionError, match=r"n1 \(Constant\): must give numbers"):
        from_qonnx(model(FLAT, ("Constant", [], {"value": text}), ("Mul", ["", "w1"])), **GIVEN)


def test_tensors_that_do_not_fill_their_shape(fc, path):
    fc[3].graph.initializer[2].raw_data = b"1234"
    onnx.save(fc[3], path)
    assert "first: is a damaged tensor" in refusal(path)


def test_constants_that_would_fill_the_memory(path):
    """2^12 × 2^14 numbers by broadcasting."""
    graph = model(
        FLAT, ("Mul", ["a", "b"]), ("MatMul", ["", "w1"]),
        a=np.ones((1 << 12, 1), np.float32), b=np.ones((1, 1 << 14), np.float32),
    )  # fmt: skip
    onnx.save(graph, path)
    assert "n1 (Mul): would give more than 33,554,432 numbers" in refusal(path)


@pytest.mark.filterwarnings("ignore")  # of its own deprecations
def test_what_brevitas_exports(images, tmp_path):
    pytest.importorskip("brevitas")
    import torch
    from brevitas import nn as qnn
    from brevitas.export import export_qonnx
    from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
    from torch import nn

    act = {"act_quant": SignedBinaryActPerTensorConst}
    weight = {"weight_quant": SignedBinaryWeightPerTensorConst, "bias": False}
    module = nn.Sequential(
        nn.Flatten(), qnn.QuantIdentity(**act), qnn.QuantLinear(20, 9, **weight),
        nn.BatchNorm1d(9), qnn.QuantIdentity(**act), qnn.QuantLinear(9, 3, **weight),
    ).eval()  # fmt: skip
    nn.init.normal_(module[3].bias)  # else sums may be 0, up to rounding
    export_qonnx(module, torch.rand(1, 1, *SHAPE), str(tmp_path / "a.onnx"), dynamo=False)
    converted = convert_qonnx(
        onnx_graph.read(tmp_path / "a.onnx"), Target(**GIVEN), Reading(input_range=(-1, 1))
    )
    given = torch.from_numpy(images / 127.5 - 1).float()[:, None]
    with torch.no_grad():
        outputs = module(given).numpy()
    answer = golden.run_images(converted.network, images)
    assert (outputs[np.arange(60), answer.label] >= outputs.max(axis=1) - 1e-5).all()
    assert (converted.classify(images) == answer.label).mean() > 0.9


@pytest.mark.filterwarnings("ignore")
def test_what_qonnx_itself_computes(fc, images):
    """Its own executor gives the network's classes."""
    pytest.importorskip("qonnx")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    graph = ModelWrapper(fc[3]).transform(InferShapes())
    answer = golden.run_images(from_qonnx(fc[3], **GIVEN), images)
    name = graph.graph.output[0].name
    for image, label in zip(images, answer.label, strict=True):
        values = execute_onnx(graph, {"x": np.float32(image / 255).reshape(1, 1, *SHAPE)})[name]
        assert values.argmax() == label
