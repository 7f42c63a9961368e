"""The page in a browser: draw, read the answer, see it step by step, drop a bad file."""

import numpy as np
import pytest
from networks import map_network
from pens import DIGITS
from playing import NETWORK as NAME
from playing import served

from sim import golden
from sim.demo.drawing import render
from sim.demo.server import LIMIT
from sw.data import registry
from sw.encoder import LatencyEncoder
from sw.network import find

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
expect = sync_api.expect
expect.set_options(timeout=60_000)  # on a busy machine
# How many colours a canvas has
COLOURS = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
}"""
NETWORK = find(NAME)


@pytest.fixture
def open_page(visit, url):
    """The page with its first example."""

    def opened(**how):
        seen = visit(url, **how)
        expect(seen.page.locator("#summary")).to_contain_text("Test example 0 of digits")
        return seen

    return opened


def answer_to(image):
    return golden.run_images(NETWORK, image[None])


def expect_answer(page, answer):
    """Both columns of the table, and that they are said to be equal."""
    step, margin = int(answer.step[0]) + 1, str(answer.margin[0]).replace("-", "−")
    rows = page.locator("#figures tr")
    for row, text in enumerate((str(answer.label[0]), f"step {step} of 16", margin)):
        expect(rows.nth(row).locator("td")).to_have_text([text, text])
    expect(page.locator("#class")).to_have_text(str(answer.label[0]))
    expect(page.locator("#equal")).to_have_text(
        "✓ Equal, bit for bit: class, step, margin, input spikes, hidden spikes, output margins, "
        "up to the decision."
    )


def draw(page, strokes):
    box = page.locator("#pad").bounding_box()
    for stroke in strokes:
        points = [
            (box["x"] + box["width"] * x / 100, box["y"] + box["height"] * y / 100)
            for x, y in stroke
        ]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=3)
        page.mouse.up()


def test_a_drawn_one_is_answered_as_the_golden_model_does(open_page, url):
    seen = open_page()
    draw(seen.page, DIGITS[1])
    expect(seen.page.locator("#summary")).to_contain_text("Drawing: “1” in step")
    answer = answer_to(render([np.array(DIGITS[1][0], float)], (8, 8)))
    assert answer.label[0] == 1
    expect_answer(seen.page, answer)
    seen.page.get_by_role("button", name="Clear").click()
    assert seen.errors == []
    assert {request.startswith(url) for request in seen.requests} == {True}


def test_a_test_example_step_by_step(open_page):
    seen = open_page()
    page, index = seen.page, 12
    data = registry.load("digits")
    answer = answer_to(data.test_images[index])
    decision = int(answer.step[0])
    page.get_by_role("spinbutton", name="Test example").fill(str(index))
    page.get_by_role("button", name="Show").click()
    summary = page.locator("#summary")
    expect(summary).to_contain_text(f"Test example {index} of digits: “{answer.label[0]}” in step")
    right = answer.label[0] == data.test_labels[index]
    expect(summary).to_contain_text("right" if right else "wrong")
    assert summary.get_attribute("aria-live") == "polite"
    expect_answer(page, answer)

    times = [NETWORK.encoder.times(data.test_images[index : index + 1], 16)[0], answer.times[0][0]]
    slider = page.get_by_role("slider", name="Step")
    for step in (1, decision, decision + 1, 16):
        slider.fill(str(step))
        for canvas, fired in zip(("#input", "#hidden canvas"), times, strict=True):
            part = page.locator(canvas)
            expect(part).to_have_attribute(
                "data-fired", str((fired < min(step, decision + 1)).sum())
            )
            late = (fired > decision) & (fired < step)
            expect(part).to_have_attribute("data-never", str(late.sum()))
        expect_race(page, times[1], step)
        winner = page.locator("#race g.winner")
        expect(winner).to_have_count(int(step > decision))
    expect(page.locator("#clock")).to_have_text("Step 16 of 16: never computed")
    assert seen.errors == []


def expect_race(page, hidden, step):
    """The margins at the end of a step, added up spike by spike."""
    layer, margins = NETWORK.layers[-1], []
    for unit in range(10):
        margin = -int(layer.threshold[unit])
        for source in np.flatnonzero(hidden < step):
            margin += 1 if layer.weight[unit, source] else -1
        margins.append(str(margin).replace("-", "−"))
    expect(page.locator("#race .value")).to_have_text(margins)


def test_keyboard(open_page):
    """All but drawing: an example is chosen and gone through without a pointer."""
    page = open_page().page
    page.get_by_role("spinbutton", name="Test example").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("Test example 3 of digits")
    slider = page.get_by_role("slider", name="Step")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#clock")).to_have_text("Before the first step")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#clock")).to_contain_text("Step 1 of 16: complete in cycle")
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_playing_stops_at_the_decision(open_page):
    page = open_page(reduced_motion="reduce").page
    page.get_by_role("spinbutton", name="Test example").fill("3")  # decided in step 3
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#summary")).to_contain_text("in step 3 of 16")
    expect(page.locator("#clock")).to_contain_text("decided, answer in cycle")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_a_bad_file_is_named_and_the_page_lives_on(open_page, tmp_path):
    seen = open_page()
    page = seen.page
    files = page.evaluate_handle(
        "() => { const files = new DataTransfer(); "
        "files.items.add(new File(['no picture'], 'bad.png')); return files; }"
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": files})
    expect(page.get_by_role("alert")).to_have_text("bad.png: not a PNG, JPEG, .npy or .npz file")
    assert [error for error in seen.errors if "400 (BAD REQUEST)" not in error] == []
    (tmp_path / "large.png").write_bytes(bytes(LIMIT + 1))
    page.set_input_files("#file", tmp_path / "large.png")
    expect(page.get_by_role("alert")).to_have_text("large.png: larger than 8 MiB")
    draw(page, DIGITS[1])
    expect(page.locator("#summary")).to_contain_text("Drawing: “1”")
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_it_fits_a_telephone(open_page, colours):
    seen = open_page(width=400, color_scheme=colours)
    assert seen.overflow == 0
    for name in ("#pad", "#input", "#hidden canvas", "#race svg", "#chart", "#time"):
        box = seen.page.locator(name).bounding_box()
        assert box["width"] > 100, name
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 400, name
    for name in ("#input", "#hidden canvas", "#chart"):
        assert seen.page.locator(name).evaluate(COLOURS) >= 2, name
    assert seen.errors == []


def test_maps(rng, tmp_path, visit):
    """Channels side by side, layer by layer; after the decision a spike may have been computed."""
    network = map_network(rng, "6c3p1-f2-9-10", 4, LatencyEncoder(shape=(8, 8)), low=1, high=4)
    network.save(tmp_path / "maps.safetensors")
    data = registry.load("digits")
    answer = golden.run_images(network, data.test_images[:1])
    with served(str(tmp_path / "maps.safetensors")) as (url, _):
        seen = visit(url)
        page = seen.page
        expect(page.locator("#summary")).to_contain_text(
            f"Test example 0 of digits: “{answer.label[0]}” in step {answer.step[0] + 1} of 4"
        )
        expect(page.locator("#equal")).to_have_text(
            "✓ Equal, bit for bit: class, step, margin, hidden spikes, output margins, up to the "
            "decision."
        )
        expect(page.locator("#hidden h3")).to_have_text(["6c3p1", "f2", "9"])
        page.get_by_role("slider", name="Step").fill("4")
        canvases = page.locator("#hidden canvas")
        for index, times in enumerate(answer.times[:-1]):
            fired = (times[0] <= answer.step[0]).sum()
            expect(canvases.nth(index)).to_have_attribute("data-fired", str(fired))
            late = (times[0] > answer.step[0]) & (times[0] < 4)
            expect(canvases.nth(index)).to_have_attribute("data-never", str(late.sum()))
        assert "never computes" not in page.inner_text("body")
        assert seen.errors == []
