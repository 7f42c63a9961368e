"""The compiled core: the exported Verilog of a network as a program that classifies images."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Fragment

from hw.flow.verilog import TOP, to_verilog
from hw.rtl.config import DEFAULT, Config
from hw.rtl.core import Core, loaded_words
from sim.verilator import compiler
from sim.verilator.probes import hidden_probes, probed_layers
from sw.cli import UserError
from sw.encoder import Inputs
from sw.network import Network

__all__ = [
    "UNSEEN",
    "CoreError",
    "Simulator",
    "check_status",
    "compile_core",
    "cycle_limit",
    "record_type",
    "write_input",
]

UNSEEN = 0xFFFF  # the time of a hidden unit that did not fire until the decision

_HERE = Path(__file__).parent
_CHUNK = 64  # records read at a time


class CoreError(Exception):
    """The core hangs or violates a stream's protocol. The message is one line."""


def record_type(hidden: int) -> np.dtype:
    """The record of one image.

    ``accepted`` is the cycle in which the image's last pixel was accepted (of events: the first
    item), ``valid`` the first cycle in which its result was valid. ``times`` are the steps in which
    the hidden units that probes watch fired, layer after layer; :data:`UNSEEN` is not until the
    decision, 65534 more than once.
    """
    return np.dtype(
        [
            ("accepted", "<u8"),
            ("valid", "<u8"),
            ("margin", "<i8"),
            ("label", "<u4"),
            ("step", "<u4"),
            ("times", "<u2", (hidden,)),
        ]
    )


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A network's hardware, compiled.

    Parameters
    ----------
    network : Network
    program : Path
        The harness (``harness.cpp``) around the core.
    config : Config
        How the core is made.
    """

    network: Network
    program: Path
    config: Config = DEFAULT

    @classmethod
    def build(
        cls,
        network: Network,
        folder: Path,
        *,
        config: Config = DEFAULT,
        sources: Mapping[str, str] | None = None,
    ) -> "Simulator":
        """Compiles the core into ``folder``, with probes: what ``hw.export`` writes, or other
        ``sources`` with its modules and ports.
        """
        program = compile_core(
            network,
            folder,
            config=config,
            sources=sources,
            probes=hidden_probes(network, config) if probed_layers(network, config) else None,
        )
        return cls(network=network, program=program, config=config)

    @property
    def layers(self) -> tuple[int, ...]:
        """Hidden layers that the probes watch."""
        return probed_layers(self.network, self.config)

    @property
    def hidden(self) -> int:
        """Hidden units that the probes watch."""
        return sum(self.network.sizes[index + 1] for index in self.layers)

    def run(self, inputs: Inputs, **how: Any) -> np.ndarray:
        """All records [B] of :meth:`stream`."""
        empty = np.empty(0, record_type(self.hidden))
        return np.concatenate([empty, *self.stream(inputs, **how)])

    def stream(
        self,
        inputs: Inputs,
        *,
        alone: bool = False,
        stalls: float = 0.0,
        seed: int = 0,
        reset: int = 0,
    ) -> Iterator[np.ndarray]:
        """Answers ``inputs``, in pieces as they come.

        Parameters
        ----------
        inputs : uint8 [B, height, width] or Spikes
            Images or events, as the network takes them.
        alone : bool
            Offer an image only once the result of the one before is accepted and the core is idle,
            not as early as the core accepts it.
        stalls : float, 0 … below 1
            Probability of a pause after each item (pixels or a spike) and after each answer.
        seed : int
            Of the pauses and of what memories and registers hold at power-up.
        reset : int
            Cycle in which the core is reset and all starts again; 0 is never.

        Raises
        ------
        CoreError
            The core hangs or violates a stream's protocol.
        """
        record = record_type(self.hidden)
        items, ends = self.config.input(self.network).beats(inputs)
        longest = int(np.diff(ends, prepend=0).max(initial=1))
        limit = cycle_limit(self.network, self.config, longest) + (20 * longest if stalls else 0)
        with tempfile.TemporaryDirectory() as name:
            items_file, words_file = write_input(self.network, self.config, items, Path(name))
            ends_file = Path(name) / "ends"
            ends_file.write_bytes(ends.astype("<u8").tobytes())
            mode = "alone" if alone else "stream"
            files = [items_file, ends_file, words_file]
            idle = self.config.idle_cycles(self.network)
            fields = [*files, self.hidden, mode, stalls, seed, reset, limit, idle]
            command = [str(self.program), *map(str, fields)]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process:
                assert process.stdout is not None
                assert process.stderr is not None
                try:
                    size = record.itemsize
                    while content := process.stdout.read(size * _CHUNK):
                        yield np.frombuffer(content[: len(content) // size * size], record)
                    message = process.stderr.read().decode().strip()
                    status = process.wait()
                finally:
                    process.kill()
        check_status(self.program, status, message)


def compile_core(
    network: Network,
    folder: Path,
    *,
    config: Config,
    sources: Mapping[str, str] | None = None,
    probes: str | None = None,
    harness: str = "harness.cpp",
) -> Path:
    """The program of the core, as exported or as other ``sources`` have it, with ``probes`` in it
    and a ``harness`` of this folder around it; kept in ``folder``.
    """
    core = Core(network, config=config)
    Fragment.get(core, None)  # Amaranth warns of components that are made and not used
    width = core.result.payload.margin.shape().width
    files = dict(sources or {"core.v": to_verilog(network, config)})
    events = int(config.input(network).can_fault)
    faults, loaded = int(config.can_fault(network)), int(config.loads(network))
    values = {"MARGIN_BITS": width, "EVENTS": events, "FAULTS": faults, "LOADED": loaded}
    defines = "".join(f"#define {name} {value}\n" for name, value in values.items())
    files["core.cpp"] = defines + (_HERE / "core.cpp").read_text(encoding="utf-8")
    if probes is not None:
        files["probes.sv"] = probes
    return compiler.build(
        files,
        top=TOP,
        library={
            name: (_HERE / name).read_text(encoding="utf-8")
            for name in ("core.h", "input.h", harness)
        },
        options=compiler.RANDOM_START,
        # A netlist takes long to compile, and few images are put through it.
        optimise="-O1" if sources is None else "-O0",
        folder=folder,
    )


def write_input(
    network: Network, config: Config, items: np.ndarray, folder: Path
) -> tuple[Path, Path]:
    """Files in ``folder`` for a harness: the ``items``, and the weights that are loaded before."""
    items_file, words_file = folder / "items", folder / "words"
    words = loaded_words(network, config)
    items_file.write_bytes(items.astype("<u4").tobytes())
    words_file.write_bytes(b"" if words is None else words.astype("<u2").tobytes())
    return items_file, words_file


def check_status(program: Path, status: int, message: str) -> None:
    """Raises an error if a harness ended with another ``status`` than 0; it is a CoreError if the
    core is to blame.
    """
    if status in (3, 4):
        raise CoreError(message)
    if status:
        raise UserError(f"{program}: exit status {status}; {message or 'remove it'}")


def cycle_limit(network: Network, config: Config, longest: int) -> int:
    """Cycles without an answer after which the core counts as hung, if an input has ``longest``
    items.
    """
    # With a factor of two: every item, every unit and every step, each with the longest pause.
    work = longest + sum(network.sizes) + 4 * len(network.layers) * network.steps
    work += config.most_cycles(network)
    return 4 * work + 100
