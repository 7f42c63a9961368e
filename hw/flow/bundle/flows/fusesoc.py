"""FuseSoC: a core file, CAPI2."""

from collections.abc import Mapping, Sequence

from hw.flow.bundle.design import Design
from hw.flow.bundle.flows.base import Flow, Paths

__all__ = ["FuseSoc"]


class FuseSoc(Flow):
    """FuseSoC."""

    name = "fusesoc"
    text = "FuseSoC: a .core file"
    documentation = "https://fusesoc.readthedocs.io/en/stable/ref/capi2.html"

    def files(self, design: Design, paths: Paths) -> Mapping[str, str]:
        top, bench = design.top, f"tb/{design.top}_tb.v"
        data = [f"tb/{name}.hex" for name in ("stimulus", "expected")]
        if design.words is not None:
            data.append("tb/weights.hex")
        copies = "".join(f"      - {path}: {{file_type: user, copyto: {path}}}\n" for path in data)
        macros = "".join(
            f"  {name}:\n    files:\n      - {path}\n    file_type: verilogSource-2005\n"
            for name, path in (("models", paths.models), ("stubs", paths.stubs))
            if path
        )
        with_models, with_stubs = (", models", ", stubs") if macros else ("", "")
        text = f"""CAPI=2:
name: {_NAME.format(top)}
description: "{design.network.file_name}: {design.network.structure}, 1-bit weights"

filesets:
  rtl:
    files:
      - {paths.rtl}
    file_type: verilogSource-2005
{macros}  bench:
    files:
      - {bench}
    file_type: verilogSource-2005
  vectors:
    files:
{copies}
  constraints:
    files:
      - {paths.sdc}
    file_type: SDC

targets:
  default: &default
    filesets: [rtl]
    toplevel: {top}
  asic:
    <<: *default
    filesets: [rtl{with_stubs}, constraints]
  sim:
    <<: *default
    default_tool: icarus
    filesets: [rtl{with_models}, bench, vectors]
    toplevel: {top}_tb
    tools:
      icarus:
        iverilog_options: [-g2005]
      verilator:
        mode: binary
        verilator_options: [--timing, -Wno-fatal]
  lint:
    <<: *default
    default_tool: verilator
    filesets: [rtl{with_models}]
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]
"""
        return {f"{top}.core": text}

    def use(self, design: Design) -> Sequence[str]:
        name = _NAME.format(design.top)
        return ["```sh", f"fusesoc --cores-root . run --target sim {name}", "```"]


_NAME = "firstspike:networks:{}:1.0.0"
