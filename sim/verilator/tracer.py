"""One inference inside the compiled core: every spike and every output's margin, with the cycle in
which it came.
"""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.rtl.config import DEFAULT, Config
from sim.verilator.probes import trace_probes
from sim.verilator.simulator import check_status, compile_core, cycle_limit, write_input
from sw.encoder import Inputs
from sw.network import Network

__all__ = ["Trace", "Tracer"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What an idle core does with one image or recording.

    Cycles are counted from the one that latency is counted from, which accepts the last pixel or
    the first event.

    Parameters
    ----------
    label, step, margin : int
        The answer.
    cycles : int
        In which it is valid: the latency.
    first_cycle : int, 0 or less
        In which the first item was accepted.
    spikes : tuple of int64 [S, 3]
        For each layer the spikes that enter it, in order: cycle, unit, step. Those of a step after
        the decision are dropped by the core. Where one engine makes the whole network, those that
        the layer before fires, of the whole window, and of the inputs none.
    margins : int64 [V, 2 + N_out]
        For each step that the core visits: cycle, step, and ``V − θ`` of each output at its end.
    """

    label: int
    step: int
    margin: int
    cycles: int
    first_cycle: int
    spikes: tuple[np.ndarray, ...]
    margins: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Tracer:
    """A network's hardware, compiled with probes on all its layers.

    Parameters
    ----------
    network : Network
    program : Path
        The harness (``trace.cpp``) around the core.
    config : Config
        How the core is made.
    """

    network: Network
    program: Path
    config: Config = DEFAULT

    @classmethod
    def build(cls, network: Network, folder: Path, config: Config = DEFAULT) -> "Tracer":
        """Compiles the core into ``folder``, or takes it from there."""
        program = compile_core(
            network,
            folder,
            config=config,
            probes=trace_probes(network, config),
            harness="trace.cpp",
        )
        return cls(network=network, program=program, config=config)

    def run(self, inputs: Inputs) -> Trace:
        """The trace of ``inputs``, which are one image uint8 [1, height, width] or one recording.

        Raises
        ------
        CoreError
            The core hangs.
        """
        items, _ = self.config.input(self.network).beats(inputs)
        with tempfile.TemporaryDirectory() as name:
            files = write_input(self.network, self.config, items, Path(name))
            limit = cycle_limit(self.network, self.config, len(items))
            result = subprocess.run(
                [self.program, *files, str(limit)],
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        check_status(self.program, result.returncode, result.stderr.strip())
        return self._read(result.stdout)

    def _read(self, text: str) -> Trace:
        lines: dict[str, list[list[int]]] = {"item": [], "spike": [], "margin": [], "result": []}
        for line in text.splitlines():
            what, *numbers = line.split()
            lines[what].append(list(map(int, numbers)))
        items = [cycle for (cycle,) in lines["item"]]
        start = items[0] if self.config.input(self.network).can_fault else items[-1]
        spikes = np.array(lines["spike"], np.int64).reshape(-1, 4)
        outputs = self.network.sizes[-1]
        margins = np.array(lines["margin"], np.int64).reshape(-1, outputs, 4)
        ((cycle, label, step, margin),) = lines["result"]
        return Trace(
            label=label,
            step=step,
            margin=margin,
            cycles=cycle - start,
            first_cycle=items[0] - start,
            spikes=tuple(
                spikes[spikes[:, 1] == layer][:, [0, 2, 3]] - [start, 0, 0]
                for layer in range(len(self.network.layers))
            ),
            margins=np.concatenate([margins[:, 0, [0, 2]] - [start, 0], margins[:, :, 3]], axis=1),
        )
