"""What writes bitstreams onto boards: the programs, their command lines, and how to get them."""

import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PACKAGES", "Packages", "Programmer", "install_line"]


@dataclass(frozen=True, kw_only=True)
class Packages:
    """What brings a program on Debian and its kin, and with Homebrew."""

    apt: str
    brew: str


PACKAGES = {
    "iceprog": Packages(apt="fpga-icestorm", brew="icestorm"),
    "openFPGALoader": Packages(apt="openfpgaloader", brew="openfpgaloader"),
    "dfu-util": Packages(apt="dfu-util", brew="dfu-util"),
}


@dataclass(frozen=True, kw_only=True)
class Programmer:
    """A way to program a board.

    Parameters
    ----------
    program : str
        One of :data:`PACKAGES`.
    options : tuple of str
        What comes before the file.
    keeps : bool
        It writes the flash, from which the board configures itself again; else the FPGA's SRAM,
        which is lost at power-off.
    """

    program: str
    options: tuple[str, ...] = ()
    keeps: bool

    def command(self, path: str | Path, *options: str) -> list[str]:
        """The command line that writes the file ``path``."""
        return [self.program, *self.options, *options, str(path)]

    @property
    def memory(self) -> str:
        """What it writes."""
        return "flash" if self.keeps else "SRAM"


def install_line(program: str) -> str:
    """The command that installs it here."""
    packages = PACKAGES[program]
    if sys.platform == "darwin":
        return f"brew install {packages.brew}"
    return f"sudo apt-get install {packages.apt}"
