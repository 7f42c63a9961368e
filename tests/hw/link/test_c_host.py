"""The host in C of docs/protocol.md: compiled, against the simulated UART of the top."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conversations import meaning
from samples import image_network, random_images
from simulated_line import SimulatedLine
from terminal import board

from hw.link import protocol
from hw.link.protocol import Command, Kind

PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"


@pytest.fixture(scope="module")
def classify(tmp_path_factory):
    """The program."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("c")
    (source,) = re.findall(r"```c\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    patient = source.replace("[VTIME] = 20", "[VTIME] = 255")  # simulated boards are slow
    assert patient != source
    (folder / "classify.c").write_text(patient, encoding="utf-8")
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]
    subprocess.run(
        [compiler, *flags, "-o", "classify", "classify.c"], cwd=folder, check=True, timeout=60
    )
    return folder / "classify"


class Damaging(SimulatedLine):
    """Flips a bit of the first frame with an image."""

    hit = False

    def write(self, data):
        if data[0] >> 4 == Kind.IMAGE and not self.hit:
            self.hit = True
            data = bytes([*data[:9], data[9] ^ 4, *data[10:]])
        super().write(data)


@pytest.mark.parametrize("kind", [SimulatedLine, Damaging])
def test_it_gets_the_class(rng, tmp_path, classify, kind):
    network = image_network(rng)
    image = random_images(rng, network, 1)
    (tmp_path / "image").write_bytes(image.tobytes())
    line = kind(network, timeout=256, watch=True)
    with board(line) as port:
        result = run(classify, port, tmp_path / "image")
    assert result.returncode == 0
    ((label, step, _),) = meaning(network, image)
    assert result.stdout == f"class {label} in step {step}, {line.cycles[-1]} cycles\n"


def test_somebody_else_answers(tmp_path, classify):
    """An echo is no identity."""
    with board(Echo()) as port:
        result = run(classify, port, tmp_path / "none")
    assert (result.returncode, result.stdout) == (1, "no board\n")


class Echo:
    """Sends back what comes."""

    waiting = False

    def __init__(self):
        self._content = b""

    def write(self, data):
        self._content += data
        self.waiting = True

    def advance(self, bits):
        self.waiting = False

    def take(self):
        content, self._content = self._content, b""
        return content.ljust(13, b"\0")


def test_its_first_frame_is_known_to_a_board_without_frames():
    assert protocol.frame(Command(Kind.QUERY), 15)[:1] == b"?"


def run(program, *arguments):
    return subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
