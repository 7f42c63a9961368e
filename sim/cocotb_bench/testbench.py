"""The cocotb testbench of the exported Verilog, and how to run tests written for it.

A test module has ``@cocotb.test`` functions that begin with ``await Testbench.start(dut)``.
:func:`simulate` compiles the network's Verilog for cocotb, once, and runs them.
"""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from hw.flow.verilog import TOP, to_verilog
from hw.rtl.config import Config, default_config
from hw.rtl.engines.tiles import Tiles
from hw.rtl.streams import SpikeBeat
from hw.rtl.tiles.plan import TilesPlan
from sim.cocotb_bench.tiles import spikes_now
from sim.verilator import compiler, tool
from sim.verilator.probes import probed_layers
from sim.verilator.simulator import UNSEEN, record_type
from sw.network import Network

__all__ = ["Testbench", "simulate", "what_is_simulated"]

_NETWORK, _IMAGES = "FIRSTSPIKE_NETWORK", "FIRSTSPIKE_IMAGES"
# What cocotb needs of a model, and that it starts at random
_OPTIONS = ["--vpi", "--public-flat-rw", "--timescale", "1ns/1ps", "--x-initial", "unique"]
_PATIENCE = 20_000  # cycles without an answer after which the core counts as hung


@dataclass(kw_only=True)
class Testbench:
    """Drives the core, and sees every answer and every hidden spike.

    One loop does all that happens in a cycle: after the falling edge it sets the inputs, and when
    they have settled it looks at what the rising edge will do. So nothing depends on the order in
    which a simulator calls several tasks.

    Parameters
    ----------
    dut : handle of the top module
    network : Network
    images : uint8 [B, height, width]
        The test's images.
    """

    __test__ = False  # pytest: no class of tests

    dut: Any
    network: Network
    images: np.ndarray

    @property
    def config(self) -> Config:
        """How the core is made."""
        return default_config(self.network)

    @property
    def layers(self) -> tuple[int, ...]:
        """Hidden layers whose spikes are seen."""
        return probed_layers(self.network, self.config)

    @classmethod
    async def start(cls, dut: Any) -> "Testbench":
        """Starts the clock and resets the core."""
        network, images = what_is_simulated()
        bench = cls(dut=dut, network=network, images=images)
        dut.pixel_valid.value = 0
        dut.result_ready.value = 0
        Clock(dut.clk, 10, unit="ns").start()
        await bench.reset()
        return bench

    async def reset(self) -> None:
        """Holds reset for two cycles."""
        self.dut.rst.value = 1
        for _ in range(2):
            await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0

    async def run(
        self,
        images: np.ndarray,
        *,
        idle: float = 0.0,
        pause: float = 0.0,
        seed: int = 0,
        cycles: int | None = None,
    ) -> np.ndarray:
        """Streams ``images`` through the core.

        Parameters
        ----------
        images : uint8 [B, height, width]
        idle, pause : float, 0 … below 1
            Probability that no pixel is offered, that no answer is taken, in a cycle.
        seed : int
            Of both.
        cycles : int, optional
            Stop after so many, wherever the core is.

        Returns
        -------
        record_type [B]
            As the compiled harness gives them; fewer if stopped.
        """
        chance = random.Random(seed)
        pixels = images.reshape(-1).tolist()
        per_image, dut = images[0].size, self.dut
        hidden = sum(self.network.sizes[index + 1] for index in self.layers)
        records = np.zeros(len(images), record_type(hidden))
        firing = np.full(hidden, UNSEEN, np.uint16)
        accepted, decided = [], []
        sent = taken = seen = last_progress = cycle = 0
        offering = False
        while taken < len(images) and (cycles is None or cycle < cycles):
            assert cycle - last_progress < _PATIENCE, f"no answer {taken}"
            # A pixel that is offered stays so until it is taken.
            offering = sent < len(pixels) and (offering or chance.random() >= idle)
            dut.pixel_valid.value = offering
            dut.pixel_data.value = pixels[sent] if offering else chance.randrange(256)
            dut.result_ready.value = chance.random() >= pause
            await ReadOnly()
            if offering and dut.pixel_ready.value:
                offering, sent = False, sent + 1
                if sent % per_image == 0:
                    accepted.append(cycle)
            ends = bool(dut.core.decide.decided.value)
            if not ends:
                self._watch(firing)
            else:
                decided.append(firing.copy())
                firing[:] = UNSEEN
            if dut.result_valid.value:
                if seen == taken:
                    seen, valid = seen + 1, cycle
                if dut.result_ready.value:
                    records[taken] = self._answer(accepted[taken], valid, decided[taken])
                    taken, last_progress = taken + 1, cycle
            await FallingEdge(dut.clk)
            cycle += 1
        dut.pixel_valid.value = dut.result_ready.value = 0
        return records[:taken]

    def _answer(self, accepted: int, valid: int, times: np.ndarray) -> tuple[object, ...]:
        dut = self.dut
        return (
            accepted,
            valid,
            dut.result_margin.value.to_signed(),
            dut.result_label.value.to_unsigned(),
            dut.result_step.value.to_unsigned(),
            times,
        )

    def _watch(self, firing: np.ndarray) -> None:
        """Notes the spikes of this cycle."""
        sizes = [self.network.sizes[index + 1] for index in self.layers]
        first = dict(zip(self.layers, [0, *accumulate(sizes)], strict=False))
        for layer, unit, step in self._spikes():
            assert firing[first[layer] + unit] == UNSEEN, "a unit fires twice"
            firing[first[layer] + unit] = step

    def _spikes(self) -> Iterator[tuple[int, int, int]]:
        """Layer, unit and step of those that an engine of the whole network shows in this cycle, or
        that the fire blocks send.
        """
        if self.config.whole:
            yield from spikes_now(self._plan, self.dut.core.tiles)
            return
        for index in self.layers:
            fire = getattr(self.dut.core, f"fire_{index}")
            if fire.spikes__valid.value and fire.spikes__ready.value:
                # Of one bank: the default config
                layout = SpikeBeat(self.network.sizes[index + 1], self.network.steps)
                event = layout.from_bits(fire.spikes__payload.value.to_unsigned())
                if event.spike:
                    yield index, event.row[0], event.step

    @cached_property
    def _plan(self) -> TilesPlan:
        assert isinstance(self.config.whole, Tiles)
        return self.config.whole.plan(self.network)


def what_is_simulated() -> tuple[Network, np.ndarray]:
    """In a test: network and images that were given to :func:`simulate`."""
    return Network.load(Path(os.environ[_NETWORK])), np.load(os.environ[_IMAGES])


def simulate(
    network: Network,
    images: np.ndarray,
    *,
    tests: str,
    folder: Path,
    programs: Path,
    sources: Mapping[str, str] | None = None,
    top: str = TOP,
    options: Sequence[str] = (),
) -> None:
    """Runs the cocotb tests of module ``tests`` on ``network``'s Verilog.

    Parameters
    ----------
    network : Network
        With a latency encoder.
    images : uint8 [B, height, width]
        What ``Testbench.images`` will be.
    tests : str
        An importable module with ``@cocotb.test`` functions.
    folder : Path
        Runs here; its log stays here.
    programs : Path
        Compiled models lie here, as :func:`sim.verilator.compiler.build` keeps them.
    sources : dict of str to str
        Name and content of other files, with module ``top``, in place of what is exported.
    top : str
    options : sequence of str
        More of them for Verilator.

    Raises
    ------
    RuntimeError
        A test failed.
    """
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    sources = sources or {f"{TOP}.v": to_verilog(network, default_config(network))}
    program = _build(sources, top, options, programs)
    (folder / top).unlink(missing_ok=True)
    (folder / top).symlink_to(program)  # the runner looks for it here, under this name
    files = {_NETWORK: folder / "network.safetensors", _IMAGES: folder / "images.npy"}
    network.save(files[_NETWORK])
    np.save(files[_IMAGES], images)
    results = folder / "results.xml"
    results.unlink(missing_ok=True)
    with suppress(SystemExit):  # the runner's way to say that a test failed; see the results
        get_runner("verilator").test(
            hdl_toplevel=top,
            hdl_toplevel_lang="verilog",
            build_dir=folder,
            test_module=tests,
            plusargs=["+verilator+rand+reset+2"],
            extra_env={name: str(path) for name, path in files.items()},
            test_dir=folder,
            results_xml=str(results),
            log_file=folder / "test.log",
        )
    count, failed = get_results(results) if results.is_file() else (0, 0)
    if failed or not count:
        raise RuntimeError(f"{failed} of {count} cocotb tests failed; see {folder / 'test.log'}")


def _build(sources: Mapping[str, str], top: str, options: Sequence[str], programs: Path) -> Path:
    """What the runner of cocotb would compile; see :mod:`sim.verilator.compiler` for why it is not
    asked to.
    """
    from cocotb_tools import config

    runtime = tool.find().root / "include" / "verilated_vpi.cpp"
    return compiler.build(
        {
            **sources,
            "main.cpp": (config.share_dir / "lib" / "verilator" / "verilator.cpp").read_text(
                encoding="utf-8"
            ),
            "Vtop.h": '#include "Dut.h"\nusing Vtop = Dut;\n',
        },
        top=top,
        options=[*_OPTIONS, *options],
        library={runtime.name: runtime.read_text(encoding="utf-8")},
        link=[
            f"-Wl,-rpath,{config.libs_dir}",
            f"-L{config.libs_dir}",
            "-lcocotbvpi_verilator",
        ],
        folder=programs,
    )
