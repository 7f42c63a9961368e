"""Simulation of a netlist of library cells, with the cells' own Verilog models and their delays.

A test bench streams images without a pause, as hw.energy does, and takes every result at once.
Inputs change a tenth of a period after the rising edge, and handshakes are looked at just before
the next. All values are 4-state: a register that would have to be reset and is not gives X.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from amaranth.hdl import Fragment

from hw.explore.measure import Observation
from hw.flow.asic.activity import ACTIVITY, count_activity
from hw.flow.asic.pdk import Pdk
from hw.flow.asic.programs import program_version, run_program
from hw.flow.asic.step import cached
from hw.flow.errors import ToolFailedError
from hw.flow.implement import sha256_of
from hw.flow.verilog import manifest
from hw.rtl.core import Core, loaded_words
from sw.cli import UserError, write_json
from sw.record import Record

__all__ = ["SKIPPED", "GateSimulation", "bench", "enough_images", "simulate"]

SKIPPED = 2  # results before the steady state
_OFFSET = 0.1  # of a period: inputs change after the edge
_BENCH = """`timescale 1ns/1ps
module bench;
{registers}
{wires}
  reg clk = 0, rst = 1, result_ready = 1, taken = 0, got = 0;
  reg [31:0] items [0:{items}-1], value;
  reg [{load}-1:0] words [0:{words}];
  integer item = 0, word = 0, cycle = 0, results = 0, waited = 0, file;
  {top} dut({ports});

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
      taken = {valid} & {ready};
      got = result_valid;
      if (got === 1) begin
        $fdisplay(file, "%0d %0d %0d %0d", cycle, result_label, result_step, result_margin);
        results = results + 1;
        waited = 0;
        if (results == {begin}) $dumpvars(1, dut);
        if (results == {end}) $dumpoff;
      end
      #0.001 clk = 1;
      #{offset};
      if (taken === 1) item = item + 1;
      {valid} = item < {items};
      value = items[item < {items} ? item : 0];
      {data}
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
_LOADING = """load_valid = word < {words};
      if (word < {words}) begin
        load_address = word;
        load_data = words[word];
        word = word + 1;
        {valid} = 0;
      end"""


@dataclass(frozen=True, kw_only=True)
class GateSimulation(Record):
    """What the netlist answered, beside the golden model.

    Parameters
    ----------
    images : int
        Of the test part of the data set, from its first.
    mismatches : int
        Results of which class, step or margin differs from the golden model's, or is X.
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
    inputs, _ = observation.data
    images = enough_images(observation, images)
    active = min(active, images - SKIPPED)
    items, ends = config.input(network).beats(inputs)
    items = items[: ends[images - 1]]
    words = loaded_words(network, config)
    text = bench(
        observation,
        top=top,
        period_ns=period_ns,
        items=len(items),
        words=0 if words is None else len(words),
        images=images,
        active=active,
        limit=_limit(observation, int(np.diff(ends, prepend=0).max())),
    )
    models = pdk.file("v")
    vectors = {"items.hex": items, **({} if words is None else {"words.hex": words})}
    wanted = np.stack([each[:images] for each in _expected(observation)], axis=1)
    depends = {
        "netlist": sha256_of(netlist),
        "models": sha256_of(models),
        "bench": text,
        "vectors": {name: values.tolist() for name, values in vectors.items()},
        "wanted": wanted.tolist(),
        "icarus": program_version("vvp"),
    }

    def make(work: Path) -> GateSimulation:
        (work / "bench.v").write_text(text, encoding="utf-8")
        for name, values in vectors.items():
            lines = "".join(f"{value:x}\n" for value in values.tolist())
            (work / name).write_text(lines, encoding="utf-8")
        files: list[str | Path] = ["bench.v", netlist.resolve(), models]
        run_program(
            "iverilog",
            ["-g2005", "-gspecify", "-s", "bench", "-o", "bench.vvp", *files],
            folder=work,
            log="iverilog.log",
            makes=["bench.vvp"],
        )
        run_program("vvp", ["-n", "bench.vvp"], folder=work, log="vvp.log", makes=["results"])
        results = _results(work / "results")
        if len(results) < images:
            reason = f"only {len(results)} of {images} images were answered"
            raise ToolFailedError("vvp", reason, work / "vvp.log")
        cycles = np.array([row[0] for row in results])
        begin, end = cycles[SKIPPED - 1], cycles[SKIPPED - 1 + active]
        with (work / "bench.vcd").open(encoding="utf-8") as dump:
            activity = count_activity(dump, scope="dut", period=round(1000 * period_ns))
        write_json(work / ACTIVITY, activity)
        for name in ("bench.vcd", "bench.vvp"):
            (work / name).unlink()
        wrong = sum(
            row[1:] != tuple(right) for row, right in zip(results, wanted.tolist(), strict=True)
        )
        return GateSimulation(
            images=images,
            mismatches=wrong,
            cycles_mean=float(np.diff(cycles)[SKIPPED - 1 :].mean()),
            activity_images=active,
            activity_cycles=int(end - begin),
            simulator=program_version("vvp"),
        )

    return cached(folder, depends, GateSimulation, make)


def enough_images(observation: Observation, images: int) -> int:
    """How many images are simulated if ``images`` are asked for: no more than there are. Raises
    :class:`UserError` if these are too few, or there are no data.
    """
    there = min(images, len(observation.data[1]))
    if there <= SKIPPED:
        raise UserError(f"{there} test images are too few; take at least {SKIPPED + 1}")
    return there


def bench(
    observation: Observation,
    *,
    top: str,
    period_ns: float,
    items: int,
    words: int,
    images: int,
    active: int,
    limit: int,
) -> str:
    """The test bench, in Verilog: reads ``items.hex`` and ``words.hex``, writes ``results`` (cycle,
    class, step and margin of each) and ``bench.vcd``.
    """
    network, config = observation.network, observation.config
    ports = manifest(network, config)["ports"]
    assert isinstance(ports, list)
    width = {port["name"]: port["width"] for port in ports}
    source = config.input(network)
    core = Core(network, config=config)
    Fragment.get(core, None)  # Amaranth warns of components that are made and not used
    names = list(source.flat_ports(getattr(core, source.port)))
    fields = [name for name in names if not name.endswith(("_valid", "_ready"))]
    (valid,) = (name for name in names if name.endswith("_valid"))
    (ready,) = (name for name in names if name.endswith("_ready"))
    given = {"clk", "rst", valid, "result_ready", *fields}
    loads = sorted(name for name in width if name.startswith("load_"))
    wires = sorted(set(width) - given - set(loads))
    load = width.get("load_data", 1)
    return _BENCH.format(
        top=top,
        ports=", ".join(f".{name}({name})" for name in sorted(width)),
        wires="\n".join(
            f"  wire{' signed' if name == 'result_margin' else ''} [{width[name] - 1}:0] {name};"
            for name in wires
        ),
        registers="\n".join(
            f"  reg [{width[name] - 1}:0] {name} = 0;" for name in (*fields, *loads, valid)
        ),
        data="\n      ".join(
            f"{name} = value[{source.beat_bits[name]} +: {width[name]}];" for name in fields
        ),
        valid=valid,
        ready=ready,
        items=items,
        images=images,
        words=words,
        load=load,
        reading='$readmemh("words.hex", words);' if words else "",
        loading=_LOADING.format(words=words, valid=valid) if words else "",
        begin=SKIPPED,
        end=SKIPPED + active,
        limit=limit,
        period=f"{period_ns:.3f}",
        offset=f"{_OFFSET * period_ns:.3f}",
        half=f"{(0.5 - _OFFSET) * period_ns:.3f}",
        rest=f"{0.5 * period_ns - 0.001:.3f}",
    )


def _expected(observation: Observation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    answer = observation.answer
    return answer.label, answer.step, answer.margin


def _limit(observation: Observation, longest: int) -> int:
    """Cycles without a result after which it hangs."""
    network, config = observation.network, observation.config
    return 1000 + 4 * (longest + config.most_cycles(network))


def _results(path: Path) -> list[tuple[int | None, ...]]:
    """Cycle, label, step and margin of each result; None for what is X."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        rows.append(
            tuple(int(each) if re.fullmatch(r"-?\d+", each) else None for each in line.split())
        )
    return rows
