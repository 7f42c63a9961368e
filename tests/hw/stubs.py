"""Stand-ins for the tools."""

import stat

from hw.flow.tools import tool_version

__all__ = ["ICE40_TOOLS", "Programs", "Stubs"]

ICE40_TOOLS = ["yosys", "nextpnr-ice40", "icepack"]

# Tools that are over at once and note each run. $0 lies beside the log. Place and route reaches 2 %
# more than it is asked for.
_ROUTE = """
while [ "$1" != --freq ]; do shift; done
fmax=$(awk "BEGIN {{ print 1.02 * $2 }}")
cat > nextpnr.json <<END
{{"fmax": {{"slow": {{"achieved": $fmax}}, "fast": {{"achieved": 999.0}}}}}}
END
printf 'Info: \\t %s: %d/ 9999 1%%%%\\n' {} > top.tim"""
_STUBS = {
    "yosys": 'echo "   100   SB_LUT4" > top.rpt; echo "     4   SB_RAM40_4K" >> top.rpt',
    "nextpnr-ice40": _ROUTE.format("ICESTORM_LC 123 ICESTORM_RAM 4"),
    "icepack": "echo whole > top.bin",
    "nextpnr-ecp5": _ROUTE.format("TRELLIS_COMB 456 DP16KD 3"),
    "ecppack": "echo whole > top.bit",
    "nextpnr-himbaechel-gowin": _ROUTE.format("LUT4 400 ALU 50 BSRAM 3"),
    "gowin_pack": "echo whole > top.fs",
}


class Stubs:
    """Stand-ins for the tools, by $YOSYS and so on."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.variables = {}
        for tool in _STUBS:
            self.write(tool)
            variable = tool.upper().replace("-", "_")
            self.variables[variable] = str(folder / tool)
            monkeypatch.setenv(variable, str(folder / tool))

    def write(self, tool, action=None, version="1"):
        path = self.folder / tool
        path.write_text(
            f'#!/bin/sh\nhome="{self.folder}"\n'
            f'if [ "$1" = --version ]; then echo {tool} {version}; exit; fi\n'
            f'echo {tool} >> "{self.folder}/runs"\n{action or _STUBS[tool]}\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        tool_version.cache_clear()

    def take_runs(self):
        """The tools that ran since the last call."""
        runs = self.folder / "runs"
        text = runs.read_text() if runs.exists() else ""
        runs.unlink(missing_ok=True)
        return text.split()


class Programs:
    """Programs in a folder, which note how they were called."""

    def __init__(self, folder):
        self.folder = folder

    def put(self, name, action="", interpreter="/bin/sh"):
        path = self.folder / name
        path.write_text(f'#!{interpreter}\necho {name} "$@" >> "{self.folder}/calls"\n{action}\n')
        path.chmod(0o755)

    def calls(self):
        """The command lines so far, of all of them."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []
