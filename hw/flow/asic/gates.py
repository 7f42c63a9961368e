"""Simulation of a netlist of library cells, with the cells' own Verilog models and their delays.

A test bench streams images without a pause, as hw.energy does, and takes every result at once.
Inputs change a tenth of a period after the rising edge, and handshakes are looked at just before
the next. All values are 4-state: a register that would have to be reset and is not gives X.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.explore.measure import Observation
from hw.flow.asic.activity import ACTIVITY, count_activity
from hw.flow.asic.pdk import Pdk
from hw.flow.asic.programs import program_version, run_program
from hw.flow.asic.step import cached
from hw.flow.errors import ToolFailedError
from hw.flow.implement import sha256_of
from hw.flow.ports import Ports, bits, connections
from hw.flow.vectors import Vectors, hex_lines
from hw.flow.verilog import manifest
from hw.rtl.core import loaded_words
from hw.rtl.pixel_port import PORTS
from sw.cli import UserError, write_json
from sw.record import Record

__all__ = ["IMAGES", "SKIPPED", "GateSimulation", "enough_images", "simulate"]

IMAGES = 100  # that are simulated if no other number is asked for
SKIPPED = 2  # results before the steady state
_OFFSET = 0.1  # of a period: inputs change after the edge
_BENCH = """`timescale 1ns/1ps
module bench;
  reg clk = 0, rst = 1, in_valid = 0, out_ready = 1, taken = 0, got = 0;
  reg [{data}-1:0] in_data = 0, items [0:{items}-1];
  wire in_ready, out_valid;
  wire [{bits}-1:0] result;
  integer item = 0, cycle = 0, results = 0, waited = 0, file;
{signals}
  {top} dut (
      .clk(clk),
      .rst(rst),
{connections}
  );

  initial begin
    $readmemh("items.hex", items);
    {reading}
    file = $fopen("results", "w");
    $dumpfile("bench.vcd");
    repeat (4) begin
      #{rest} clk = 1;
      #{half} clk = 0;
      #{offset};
    end
    rst = 0;
    while (results < {images}) begin
      #{rest};
      taken = in_valid & in_ready;
      got = out_valid;
      if (got === 1) begin
        $fdisplay(file, "%0d %h", cycle, result);
        results = results + 1;
        waited = 0;
        if (results == {begin}) $dumpvars(1, dut);
        if (results == {end}) $dumpoff;
      end
      #0.001 clk = 1;
      #{offset};
      if (taken === 1) item = item + 1;
      in_valid = item < {items};
      in_data = items[item < {items} ? item : 0];
      {loading}
      #{half} clk = 0;
      cycle = cycle + 1;
      waited = waited + 1;
      if (waited > {limit}) begin
        $display("error: no result for {limit} cycles");
        $finish;
      end
    end
    $finish;
  end
endmodule
"""
_LOAD_SIGNALS = """  reg [{address}-1:0] load_address = 0;
  reg [{width}-1:0] load_data = 0, words [0:{words}-1];
  reg load_valid = 0;
  integer word = 0;"""
_LOADING = """load_valid = word < {words};
      if (word < {words}) begin
        load_address = word;
        load_data = words[word];
        word = word + 1;
        in_valid = 0;
      end"""


@dataclass(frozen=True, kw_only=True)
class GateSimulation(Record):
    """What the netlist answered, beside the golden model.

    Parameters
    ----------
    images : int
        Of the test part of the data set, from its first.
    mismatches : int
        Results of which class, step or margin differs from the golden model's, or is X; or whose
        input is called a fault.
    cycles_mean : float
        From one result to the next, without the first ones.
    activity_images, activity_cycles : int
        Images whose activity was counted, after the first ones, and the cycles in which that was.
    simulator : str
    """

    images: int
    mismatches: int
    cycles_mean: float
    activity_images: int
    activity_cycles: int
    simulator: str

    def lines(self) -> list[tuple[str, object]]:
        """As human-readable text."""
        equal = self.images - self.mismatches
        return [
            (
                "gate simulation",
                f"{equal:,} of {self.images:,} test images equal to the golden model",
            ),
            ("cycles per image", f"{self.cycles_mean:.1f}, back to back"),
        ]


def simulate(
    netlist: Path,
    observation: Observation,
    *,
    top: str,
    pdk: Pdk,
    period_ns: float,
    images: int,
    active: int,
    folder: Path,
) -> GateSimulation:
    """Simulates ``netlist`` on the first ``images`` test images or recordings. Leaves the activity
    of each net in ``ACTIVITY`` (hw/flow/asic/activity.py), over ``active`` of them.

    Raises
    ------
    UserError
        There are no data, or fewer than asked for; or Icarus is missing.
    ToolFailedError
        The simulation hangs, or Icarus fails.
    """
    network, config = observation.network, observation.config
    images = enough_images(observation, images)
    active = min(active, images - SKIPPED)
    vectors = Vectors(
        source="first test examples",
        inputs=observation.data[0][:images],
        answer=observation.answer[:images],
    )
    ports = Ports.of(manifest(network, config))
    items, last = vectors.beats(network, config, PORTS["byte"], ports.data)
    words = loaded_words(network, config)
    text = _bench(
        ports,
        top=top,
        period_ns=period_ns,
        items=len(items),
        words=0 if words is None else len(words),
        images=images,
        active=active,
        limit=_limit(observation, int(np.diff(np.flatnonzero(last), prepend=-1).max())),
    )
    models = pdk.file("v")
    files = {"items.hex": hex_lines(items.tolist(), bits(ports.data))}
    if words is not None:
        files["words.hex"] = hex_lines(words.tolist(), ports.named("load_data").width)
    wanted = hex_lines(vectors.expected(ports.results), bits(ports.results)).split()
    depends = {
        "netlist": sha256_of(netlist),
        "models": sha256_of(models),
        "bench": text,
        "files": files,
        "wanted": wanted,
        "icarus": program_version("vvp"),
    }

    def make(work: Path) -> GateSimulation:
        (work / "bench.v").write_text(text, encoding="utf-8")
        for name, content in files.items():
            (work / name).write_text(content, encoding="utf-8")
        sources: list[str | Path] = ["bench.v", netlist.resolve(), models]
        run_program(
            "iverilog",
            ["-g2005", "-gspecify", "-s", "bench", "-o", "bench.vvp", *sources],
            folder=work,
            log="iverilog.log",
            makes=["bench.vvp"],
        )
        run_program("vvp", ["-n", "bench.vvp"], folder=work, log="vvp.log", makes=["results"])
        lines = (work / "results").read_text(encoding="utf-8").splitlines()
        results = [line.split() for line in lines]  # a cycle, and the result in hexadecimal
        if len(results) < images:
            reason = f"only {len(results)} of {images} images were answered"
            raise ToolFailedError("vvp", reason, work / "vvp.log")
        cycles = np.array([int(cycle) for cycle, _ in results])
        begin, end = cycles[SKIPPED - 1], cycles[SKIPPED - 1 + active]
        with (work / "bench.vcd").open(encoding="utf-8") as dump:
            activity = count_activity(dump, scope="dut", period=round(1000 * period_ns))
        write_json(work / ACTIVITY, activity)
        for name in ("bench.vcd", "bench.vvp"):
            (work / name).unlink()
        wrong = sum(got != right for (_, got), right in zip(results, wanted, strict=True))
        return GateSimulation(
            images=images,
            mismatches=wrong,
            cycles_mean=float(np.diff(cycles)[SKIPPED - 1 :].mean()),
            activity_images=active,
            activity_cycles=int(end - begin),
            simulator=program_version("vvp"),
        )

    return cached(folder, depends, GateSimulation, make)


def enough_images(observation: Observation, images: int | None) -> int:
    """How many images are simulated if ``images`` are asked for; if None, :data:`IMAGES`, or all if
    there are fewer. Raises :class:`UserError` if these are too few or not there, or there are no
    data.
    """
    there = len(observation.data[1])
    count = min(IMAGES if images is None else images, there)
    if count <= SKIPPED:
        raise UserError(f"{count} test images are too few; take at least {SKIPPED + 1}")
    if images is not None and images > there:
        raise UserError(f"--images {images:,}: the data have {there:,} for testing; take no more")
    return count


def _bench(
    ports: Ports,
    *,
    top: str,
    period_ns: float,
    items: int,
    words: int,
    images: int,
    active: int,
    limit: int,
) -> str:
    """The test bench, in Verilog: reads ``items.hex`` and ``words.hex``, writes ``results`` (cycle
    and word of each, as the golden vectors have it) and ``bench.vcd``.
    """
    load: tuple[str, ...] = ()
    signals = reading = loading = ""
    if words:
        load = ("load_address", "load_data", "load_valid")
        address, width = (ports.named(name).width for name in load[:2])
        signals = _LOAD_SIGNALS.format(address=address, width=width, words=words)
        reading = '$readmemh("words.hex", words);'
        loading = _LOADING.format(words=words)
    return _BENCH.format(
        top=top,
        connections=connections(ports, load),
        data=bits(ports.data),
        bits=bits(ports.results),
        items=items,
        images=images,
        signals=signals,
        reading=reading,
        loading=loading,
        begin=SKIPPED,
        end=SKIPPED + active,
        limit=limit,
        offset=f"{_OFFSET * period_ns:.3f}",
        half=f"{(0.5 - _OFFSET) * period_ns:.3f}",
        rest=f"{0.5 * period_ns - 0.001:.3f}",
    )


def _limit(observation: Observation, longest: int) -> int:
    """Cycles without a result after which it hangs."""
    network, config = observation.network, observation.config
    return 1000 + 4 * (longest + config.most_cycles(network))
