"""The command: what it prints, refuses, and how it ends."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
from cases import VERIFY
from playing import NETWORK, served

from sim.demo import command
from sim.demo.server import LIMIT
from sw.cli import UserError
from sw.selection import Selection


def test_it_serves_until_it_is_interrupted():
    with served() as (url, process):
        with connected(url) as connection:
            connection.request("GET", "/api/network")
            response = connection.getresponse()
            assert response.status == 200
            assert response.headers["Server"] is None
            assert NETWORK.encode() in response.read()
        # Only the address of this machine itself listens.
        port = int(url.rstrip("/").rpartition(":")[2])
        with socket.socket() as other, pytest.raises(OSError, match="refused"):
            other.connect(("127.0.0.2", port))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr.read() == f"compiling the RTL of {NETWORK}\n\ninterrupted\n"


@contextmanager
def connected(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=60)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "body", [bytes(LIMIT + 1), iter([bytes(LIMIT), bytes(1)])], ids=["with its size", "in chunks"]
)
def test_a_request_that_is_too_large(url, body):
    with connected(url) as connection:
        connection.request("POST", "/api/files", body=body)
        response = connection.getresponse()
        assert response.status == 413
        response.read()


def test_a_request_that_says_that_it_is_huge(url):
    """It is refused before it comes."""
    with connected(url) as connection:
        connection.putrequest("POST", "/api/files")
        connection.putheader("Content-Length", str(10**12))
        connection.endheaders(bytes(100))
        response = connection.getresponse()
        assert response.status == 413
        response.read()


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = rf"^--port {port}: cannot be used \(Address already in use\); name another, or 0"
        with pytest.raises(UserError, match=line):
            command.main([NETWORK, "--port", str(port), "--build-dir", str(VERIFY.parent)])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], r"^nowhere: cannot be read"),
        ([NETWORK, "--port", "65536"], r"^--port must be at most 65535, not 65536$"),
        ([NETWORK, "--engine", "folded-16"], r"its output layer must give all margins"),
        ([NETWORK, "--dataset", "mnist"], r"takes images of 8 × 8 pixels, mnist has images of"),
    ],
)
def test_refuses_in_one_line(arguments, line, tmp_path, request):
    if "mnist" in arguments:
        request.getfixturevalue("mnist")
    with pytest.raises(UserError, match=line) as error:
        command.main([*arguments, "--build-dir", str(tmp_path / "build")])
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_without_the_data_set_it_says_why(tmp_path, monkeypatch):
    """The page then takes drawings and files."""
    monkeypatch.setattr("sw.data.sources.fetch", refuse)
    monkeypatch.setenv("FIRSTSPIKE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = command.find("mnist-256-256-10-t4")
    data, missing = command._examples(network, Selection())
    assert data is None
    assert missing == "mnist is not here"
    with pytest.raises(UserError, match=r"^mnist is not here$"):
        command._examples(network, Selection(dataset="mnist"))


def refuse(*args, **kwargs):
    raise UserError("mnist is not here")


@pytest.mark.parametrize(
    ("display", "opened"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "w"}, True)],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have windows")
def test_a_browser_is_opened_where_there_are_windows(monkeypatch, display, opened):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in display.items():
        monkeypatch.setenv(name, value)
    assert command._has_browser() == opened


def test_it_says_which_package_is_missing(tmp_path):
    (tmp_path / "flask.py").write_text("raise ModuleNotFoundError(name='flask')")
    root = VERIFY.parents[1]
    result = subprocess.run(
        [sys.executable, "-m", "sim.demo"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        check=False,
    )
    line = "error: flask is not installed; pip install 'firstspike[demo]'\n"
    assert (result.returncode, result.stderr) == (2, line)
