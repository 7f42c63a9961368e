"""The page's server, without a browser."""

import io

import numpy as np
import pytest
from cases import VERIFY
from networks import random_network
from PIL import Image

from sim import golden
from sim.demo.drawing import render
from sim.demo.server import LIMIT, create_app
from sim.demo.session import Session
from sim.verilator.simulator import CoreError
from sim.verilator.tracer import Tracer

STROKE = [[[500, 100], [500, 900]]]


@pytest.fixture
def client(session):
    return create_app(session).test_client()


def answer_to(session, image):
    answer = golden.run_images(session.network, image[None])
    return {key: int(getattr(answer, key)[0]) for key in ("label", "step", "margin")}


def test_the_page_and_its_files(client):
    page = client.get("/", buffered=True)
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    for name, kind in (("main.js", "text/javascript"), ("style.css", "text/css")):
        assert f"/static/{name}" in page.text
        assert client.get(f"/static/{name}", buffered=True).mimetype == kind
    assert client.get("/static/../server.py").status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/api/network", "/api/examples/999", "/x"]
)
def test_every_response_is_protected(client, path):
    headers = client.get(path, buffered=True).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


def test_the_network(client):
    told = client.get("/api/network").json
    assert told["name"] == "digits-64-192-10-t16"
    assert told["limit"] == LIMIT


def test_an_example(client, session):
    told = client.get("/api/examples/7").json
    assert told["golden"] == answer_to(session, session.data.test_images[7])
    assert told["truth"] == session.data.test_labels[7]


def test_a_drawing(client, session):
    told = client.post("/api/drawings", json=STROKE).json
    image = render([np.array(STROKE[0], float)], (8, 8))
    assert told["image"] == image.tolist()
    assert told["golden"] == answer_to(session, image)
    assert "truth" not in told


@pytest.mark.parametrize("invert", [0, 1])
def test_a_file(client, session, invert):
    """A test image as PNG is answered as the test image is."""
    image = session.data.test_images[9]
    file = io.BytesIO()
    Image.fromarray(255 - image if invert else image).save(file, "PNG")
    told = client.post(f"/api/files?invert={invert}", data=file.getvalue()).json
    assert told["image"] == image.tolist()
    assert told["golden"] == answer_to(session, image)


@pytest.mark.parametrize(
    ("method", "path", "data", "message"),
    [
        ("GET", "/api/examples/355", None, "the test example must be in 0 … 354, not 355"),
        ("POST", "/api/files", b"hello", "not a PNG, JPEG, .npy or .npz file"),
        ("POST", "/api/files", b"", "not a PNG, JPEG, .npy or .npz file"),
        ("POST", "/api/drawings", b"[]", "nothing is drawn yet"),
        ("POST", "/api/drawings", b"{", "a drawing must be JSON"),
        ("POST", "/api/drawings", b"\xff", "a drawing must be JSON"),
        ("POST", "/api/drawings", b"[" * 100_000, "a drawing must be JSON"),
    ],
)
def test_what_is_wrong_is_one_line(client, method, path, data, message):
    response = client.open(path, method=method, data=data)
    assert (response.status_code, response.json) == (400, {"error": message})
    assert client.get("/api/examples/0").status_code == 200  # it lives on


@pytest.mark.parametrize("path", ["/api/files", "/api/drawings"])
def test_a_request_that_is_too_large(client, path):
    response = client.post(path, data=bytes(LIMIT + 1))
    assert (response.status_code, response.json) == (
        413,
        {"error": "the request is larger than 8 MiB"},
    )


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", ""]
)
def test_another_host(client, host):
    """The name of a page elsewhere that leads to this machine."""
    for path in ("/", "/api/examples/0", "/static/main.js"):
        assert client.get(path, headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost:1", "127.0.0.1"])
def test_this_host(client, host):
    assert client.get("/", headers={"Host": host}, buffered=True).status_code == 200


@pytest.mark.parametrize(
    ("site", "status"),
    [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)],
)
def test_another_site(client, site, status):
    response = client.post("/api/drawings", json=STROKE, headers={"Sec-Fetch-Site": site})
    assert response.status_code == status


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/x", 404), ("GET", "/api/files", 405)]
)
def test_other_addresses(client, method, path, status):
    response = client.open(path, method=method)
    assert response.status_code == status
    assert response.json["error"]


def test_a_core_that_hangs(client, monkeypatch):
    def hang(self, inputs):
        raise CoreError("no answer after 5 cycles")

    monkeypatch.setattr(Tracer, "run", hang)
    response = client.get("/api/examples/0")
    assert response.status_code == 500
    assert response.json == {"error": "the core's behaviour is wrong: no answer after 5 cycles"}


def test_what_a_network_for_events_takes(rng):
    network = random_network(rng, (20, 5), 16)
    tracer = Tracer(network=network, program=VERIFY)
    client = create_app(Session(tracer=tracer, data=None, missing="no data")).test_client()
    for path, message in (
        ("/api/files", "this network takes events of 20 channels; choose a test example"),
        ("/api/drawings", "this network takes events of 20 channels; nothing can be drawn for it"),
    ):
        response = client.post(path, data=b"x")
        assert (response.status_code, response.json["error"]) == (400, message)
    assert client.get("/api/examples/0").json == {"error": "no data"}
