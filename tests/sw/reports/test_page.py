"""The report page: what stands in it, where it comes from, and that it harms nobody."""

import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from networks import random_network
from pages import CLASSES, HOSTILE, evaluation, events, images, maps, others, renamed

from sw.cli import printable
from sw.encoder import EventsEncoder
from sw.reports import page as page_module
from sw.reports.classes import _confusion
from sw.reports.page import PAGE, publish
from sw.reports.result import command_line, portable, portable_path, read_results
from sw.reports.sections.evaluation import Evaluation
from sw.reports.sections.registry import SECTIONS

SHOWN = [section for section in SECTIONS if section.coding in (None, "first-spike")]


class Reader(HTMLParser):
    """The page's tables by their captions, facts by their names, and all its text."""

    def __init__(self, path):
        super().__init__()
        self.tables, self.facts, self.texts, self.tags = {}, {}, [], []
        self._row, self._name, self._open = [], "", []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in ("meta", "link"):
            self._open.append(tag)
        if tag == "div" and dict(attributes).get("class") == "scroll":
            self._rows = self.tables.setdefault(dict(attributes)["aria-label"], [])
        if tag == "tr":
            self._row = []
            self._rows.append(self._row)

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        self.texts.append(data)
        inside = self._open[-1] if self._open else ""
        if inside in ("td", "th"):
            self._row.append(data)
        if inside == "dt":
            self._name = data
        if inside == "dd":
            self.facts[self._name] = data

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def case():
    return images(np.random.default_rng(5))


@pytest.fixture(scope="module")
def page(case, tmp_path_factory):
    """With results of all kinds."""
    folder = tmp_path_factory.mktemp("page with spaces ü")
    network = case[0]
    line = publish(network, "x", folder, [evaluation(*case), *others(network)])
    assert line == f"report:           {folder / PAGE}"
    return folder / PAGE


@pytest.fixture(scope="module")
def read(page):
    return Reader(page)


def test_classes_by_hand(case, read):
    _, _, labels, answer = case
    header, *rows = read.tables["Classes"]
    assert header == ["class", "examples", "sensitivity", "positive predictivity", "most taken for"]
    for index, (name, count, sensitivity, predictivity, _) in enumerate(rows):
        own = [a for a, label in zip(answer.label, labels, strict=True) if label == index]
        taken = [label for a, label in zip(answer.label, labels, strict=True) if a == index]
        assert name == printable(CLASSES[index])
        assert int(count) == len(own)
        assert sensitivity == (f"{own.count(index) / len(own):.1%}" if own else "–")
        assert predictivity == (f"{taken.count(index) / len(taken):.1%}" if taken else "–")


def test_figures_by_hand(case, read):
    network, _, labels, answer = case
    right = sum(int(a) == int(label) for a, label in zip(answer.label, labels, strict=True))
    wrong = len(labels) - right
    assert f"{wrong} of 90 are wrong" in read.text
    assert f"{right / 90:.2%}" in read.text
    assert read.facts["steps of the window"] == "8"
    assert read.facts["weight bits"] == f"{64 * 14 + 14 * 9 + 9 * 10:,}"
    assert read.facts["SHA-256"] == network.sha256
    assert read.facts["clock"] == "20 MHz, with 10.00 ns to spare"
    assert "from layer 1 to decision: 40.0 ns, of which 75% is routing" in read.text
    assert "mean 7.6, median 4, 99% within 20, worst 20. At 20 MHz: mean 0.38 µs" in read.text
    assert read.tables["Estimate and result"][1:] == [
        ["logic cells", "1,000", "1,100", "+10.0%", "5,280", "20.8%"],
        ["block RAMs", "30", "30", "+0.0%", "30", "100.0%"],
    ]
    assert "At 12 MHz: 2.0 nJ, between 1.0 and 4.0 nJ" in read.text
    for each in others(network):
        assert each.command in read.text
    assert read.facts["tool <x>"] == "1 & 2"


def test_it_grows(case, read, tmp_path):
    """Each section says which command fills it, until that has been run."""
    assert "This command fills" not in read.text
    network = case[0]
    publish(network, "of mine.safetensors", tmp_path, [])
    empty = Reader(tmp_path / PAGE).text
    for command in ("sw.report", "sim.verify", "hw.build --board ice40", "hw.energy", "hw.asic"):
        assert f"python -m {command} 'of mine.safetensors'" in empty
    assert empty.count("This command fills") == len(SHOWN)
    titles = [section.title for section in SHOWN]
    assert len(titles) == len(set(titles)) == 7


def test_the_same_results_give_the_same_page(case, page, tmp_path):
    network = case[0]
    publish(network, "x", tmp_path, [*reversed(others(network)), evaluation(*case)])
    assert (tmp_path / PAGE).read_bytes() == page.read_bytes()
    assert len(page.read_bytes()) < 1_500_000


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("table", "rows of a table, as 8 × 8 bytes"),
        ("series", "time series, as 8 × 8 bytes"),
        ("images", "images of 8 × 8 pixels, 8 bits"),
        (["x"], "images of 8 × 8 pixels, 8 bits"),
    ],
)
def test_a_row_of_a_table_is_no_image(rng, tmp_path, kind, taken):
    network = images(rng)[0]
    read = {**network.provenance, "data": {"kind": kind}}
    publish(renamed(network, provenance=read), "n.safetensors", tmp_path, [])
    assert Reader(tmp_path / PAGE).facts["input"] == taken


def test_long_names_leave_room_for_the_label_of_the_axis():
    svg = _confusion(np.eye(3, dtype=int), ["Lager ok", "Lagerschaden", "Unwucht"])
    place = re.search(r'font-size: 11px[^>]* x="([\d.]+)"[^>]*>class<', svg)
    assert float(place[1]) > 11 * 0.76  # the height of DejaVu's ascenders: it stands upright


def test_results_of_another_network_count_for_nothing(rng, case, page, tmp_path):
    network = case[0]
    other = renamed(images(rng)[0], name=network.name)
    for path in page.parent.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    publish(other, "x", tmp_path, [])
    assert Reader(tmp_path / PAGE).text.count("This command fills") == len(SHOWN)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '{"network_sha256": 3}'])
def test_a_damaged_result_counts_for_nothing(case, page, tmp_path, content):
    network = case[0]
    for path in page.parent.glob("*.json"):
        (tmp_path / path.name).write_text(content)
    publish(network, "x", tmp_path, [])
    assert Reader(tmp_path / PAGE).text.count("This command fills") == len(SHOWN)


def test_fewer_examples_do_not_replace_more(case, tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "_page", lambda *of: "")
    network, inputs, labels, answer = case
    first = type(answer)(
        steps=answer.steps,
        times=tuple(times[:7] for times in answer.times),
        label=answer.label[:7],
        step=answer.step[:7],
        margin=answer.margin[:7],
    )
    few = evaluation(network, inputs[:7], labels[:7], first, command="python -m few")
    many = evaluation(*case)
    for given, kept in ((few, 7), (many, 90), (few, 90), (many, 90)):
        publish(network, "x", tmp_path, [given])
        (found,) = read_results(tmp_path, Evaluation, network)
        assert found.figures.images == kept
    publish(network, "x", tmp_path, [evaluation(*case, dataset="other")])
    assert len(read_results(tmp_path, Evaluation, network)) == 2


def test_a_difference_is_shown(case, tmp_path):
    network = case[0]
    (verification,) = (each for each in others(network) if each.kind == "verification")
    values = {**verification.to_dict(), "difference": "image 3:\n  expected <2>", "cycles": None}
    publish(network, "x", tmp_path, [type(verification).from_dict(values)])
    text = Reader(tmp_path / PAGE).text
    assert "Golden model and RTL differ" in text
    assert "expected <2>" in text
    assert "are equal" not in text


def test_without_data_it_says_so(case, tmp_path):
    network = case[0]
    (build,) = (each for each in others(network) if each.kind == "build")
    gone = {"cycles": None, "accuracy": None, "images": None, "placement": None, "slowest": None}
    values = {**build.to_dict(), **gone, "note": "not measured: mnist is not here"}
    publish(network, "x", tmp_path, [type(build).from_dict(values)])
    text = Reader(tmp_path / PAGE).text
    assert "not measured: mnist is not here" in text
    assert "--data-dir DIR" in text
    assert "The placement is not known" in text
    assert "slowest path" not in text


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_without_its_packages_there_is_no_page(case, tmp_path, monkeypatch, package):
    """And nothing else is lost: the results are kept for when there are."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    line = publish(case[0], "x", tmp_path, [evaluation(*case)])
    assert line == f"report:           none: {package} is not installed; pip install {package}"
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation-digits.json"]


@pytest.mark.smoke
def test_commands_are_portable(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = ["x", "--json", "a.json", "-q", "--json=b", "--data-dir", "/home/me/data sets/mnist"]
    assert command_line("sw.report", given) == "python -m sw.report x --data-dir '…/mnist'"
    given = [f"--out={tmp_path}/a b", "--set", "x=/", f"{tmp_path}", "--stretch=0.5"]
    expected = "python -m sw.train '--out=a b' --set 'x=…/' . --stretch=0.5"
    assert command_line("sw.train", given) == expected
    assert portable(f"--out {tmp_path}/build/a.bin") == "--out build/a.bin"
    assert portable("see /home/me/secret/a.npz; name it") == "see …/a.npz; name it"
    assert portable_path("/home/Jane Doe/my data/a b.csv") == "…/a b.csv"
    assert portable_path(f"{tmp_path}/my data/a b.csv") == "my data/a b.csv"
    assert portable_path("mnist") == "mnist"
    assert portable("1/2, a/b/c and ./d/e") == "1/2, a/b/c and ./d/e"


@pytest.mark.parametrize(
    ("shape", "takes"),
    [
        ((8, 6), "images of 8 × 6 pixels, 8 bits"),
        ((3, 8, 6), "images of 8 × 6 pixels and 3 channels, 8 bits"),
        ((2, 8, 6), "images of 8 × 6 pixels and 2 channels, 8 bits"),
    ],
)
def test_maps_by_hand(rng, tmp_path, shape, takes):
    case = maps(rng, shape=shape)
    network, _, _, answer = case
    publish(network, "x", tmp_path, [evaluation(*case)])
    read = Reader(tmp_path / PAGE)
    assert read.facts["input"] == takes
    channels = shape[0] if len(shape) == 3 else 1
    sizes = [27 * channels, 0, 2 * 3 * 2, 5 * 2 * 3 * 3, 15]
    rows = read.tables["Layers"][1:]
    assert [row[:3] for row in rows] == [
        [name, size, f"{bits:,}" if bits else "–"]
        for name, size, bits in zip(
            ("3c3p1", "f2", "2c2x1", "5", "3"), ("3×8×6", "3×4×3", "2×3×3", "5", "3"), sizes,
            strict=True,
        )
    ]  # fmt: skip
    for row, times in zip(read.tables["Spikes per example"][1:], answer.times, strict=True):
        spikes = int((times < 4).sum())
        early = sum(int(t <= s) for each, s in zip(times, answer.step, strict=True) for t in each)
        share = spikes / times.size
        assert row[1:] == [f"{spikes / 30:.1f}", f"{share:.1%}", f"{early / 30:.1f}"]
    for title in ("Kernels of layer 1, 3c3p1", "Kernels of layer 3, 2c2x1"):
        assert title in read.text
    assert read.text.count("Its maps,") == 2
    assert "hardware never computes it" not in read.text  # engines for maps go layer by layer


EDGES = {
    "maps of colours": lambda rng: maps(rng, "40c3p1-f2-70c3-9-3", (3, 12, 10)),
    "one dimension": lambda rng: maps(rng, "8c1x7p0x3-f1x2-12c1x5s1x2-10", (1, 90)),
    "events, one layer": lambda rng: events(rng),
    "many layers": lambda rng: images(rng, hidden=(3,) * 13, steps=2),
    "many classes": lambda rng: images(rng, labels=tuple(f"class {k}, a name" for k in range(90))),
}
MORE_EDGES = {
    "events, three layers": lambda rng: events(rng, hidden=(40, 30), classes=2, steps=16),
    "many maps": lambda rng: maps(rng, "-".join(["4c3p1"] * 13) + "-3", (2, 8, 6)),
    "one class": lambda rng: images(rng, labels=("only",), steps=1),
    "one image": lambda rng: images(rng, count=1),
}


def boxes(visit):
    """Width and height of each figure's picture, and of all that is drawn in it."""
    return visit.page.evaluate(
        "[...document.querySelectorAll('figure svg')].map(svg => {"
        " const drawn = svg.getBBox(), shown = svg.getBoundingClientRect();"
        " const scale = svg.getScreenCTM().a;"
        " return [scale * drawn.width, scale * drawn.height, shown.width, shown.height,"
        " shown.right]; })"
    )


def check(seen, path, width):
    """No error, no request but for the page itself, every figure drawn, nothing too wide."""
    assert seen.errors == []
    assert seen.requests == [path.as_uri()]
    assert seen.overflow == 0
    found = boxes(seen)
    assert found
    assert all(min(box[:4]) > 20 and box[4] <= width for box in found)
    assert seen.page.locator("script").count() == 0
    return found


@pytest.mark.parametrize("width", [400, 1200])
def test_in_a_browser(page, visit, width):
    seen = visit(page.as_uri(), width=width)
    assert len(check(seen, page, width)) == 13
    assert seen.page.evaluate("window.harmed") is None
    assert HOSTILE in seen.page.inner_text("h1")
    assert seen.page.title().startswith(HOSTILE)
    smallest = seen.page.evaluate(
        "Math.min(...[...document.querySelectorAll('figure svg text')].map(text => {"
        " const at = text.getScreenCTM();"
        " return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(at.a, at.b); }))"
    )
    assert smallest > 8  # pixels
    for picture in seen.page.locator("[role=img]").all():
        assert len(picture.get_attribute("aria-label")) > 20


def test_links_lead_to_sections(page, visit):
    seen = visit(page.as_uri(), width=400)
    for link in seen.page.locator("nav a").all():
        assert seen.page.locator(link.get_attribute("href")).count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_those_of_the_page(page, visit, scheme):
    """None is Matplotlib's own: each follows the scheme."""
    seen = visit(page.as_uri(), color_scheme=scheme)
    seen.page.wait_for_load_state()
    left = re.findall(r"#(?:0[1-7]){2}0\w", page.read_text(encoding="utf-8"))
    assert left == []
    ink, paper = (
        seen.page.evaluate(f"getComputedStyle(document.body).{name}")
        for name in ("color", "backgroundColor")
    )
    bright = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (bright[0] > bright[1]) == (scheme == "dark")


@pytest.mark.parametrize(
    "edge", [*EDGES, *(pytest.param(edge, marks=pytest.mark.deep) for edge in MORE_EDGES)]
)
def test_edge_cases_in_a_browser(rng, tmp_path, visit, edge):
    case = (EDGES | MORE_EDGES)[edge](rng)
    publish(case[0], "x", tmp_path, [evaluation(*case)])
    path = tmp_path / PAGE
    assert len(path.read_bytes()) < 1_500_000
    check(visit(path.as_uri(), width=400), path, 400)


def test_a_name_of_any_length(rng, tmp_path, visit):
    network = random_network(rng, (4, 3), 2, encoder=EventsEncoder(channels=4))
    long = renamed(network, name="x" * 255, labels=("y" * 255, "z" * 255, "·" * 255))
    publish(long, "n" * 300, tmp_path, others(long))
    check(visit((tmp_path / PAGE).as_uri(), width=400), tmp_path / PAGE, 400)
