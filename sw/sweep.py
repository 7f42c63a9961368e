"""``python -m sw.sweep``: accuracy against one setting, such as the hidden size or T.

Every value is trained with every seed by ``sw.train``, one run after the other::

    python -m sw.sweep --vary hidden=64,128,256 --seeds 3 -- --dataset mnist --augment

What comes after ``--`` are flags of ``sw.train`` for all runs. Results lie in
``<build-dir>/sweep/<flag>/``: each run's network and figures, ``sweep.json`` and ``sweep.png``. A
sweep that was killed goes on where it was; one with other flags than the last is refused.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from sw import cli, train
from sw.cli import UserError
from sw.flags import parser, positive_int
from sw.learn.history import RunFigures
from sw.reports import pictures
from sw.reports.sweeps import Sweep, summary, table

__all__ = ["main"]


def arguments() -> argparse.ArgumentParser:
    flags = parser("Train for each value of a flag and each seed.", build=True)
    add = flags.add_argument
    add("--vary", metavar="FLAG=V,V…", required=True, help="a flag of sw.train and its values")
    add("--seeds", metavar="N", type=positive_int, default=3, help="(default: %(default)s)")
    add("--restart", action="store_true", help="drop what an earlier sweep of this flag left")
    add("flags", nargs="*", metavar="-- FLAGS", help="flags of sw.train for all runs")
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    flag, _, listed = args.vary.partition("=")
    values = [value for value in listed.split(",") if value]
    if not flag or not values:
        raise UserError(f"--vary must be FLAG=V,V…, not {args.vary!r}")
    folder = args.build_dir / "sweep" / flag
    kept = folder / "flags.json"
    if args.restart or not kept.exists():
        for old in folder.glob("*"):
            old.unlink()
        cli.write_json(kept, {"flags": args.flags})
    elif (before := json.loads(kept.read_text())["flags"]) != args.flags:
        raise UserError(f"{kept}: made with {' '.join(before)!r}; --restart drops that sweep")
    runs: dict[str, list[RunFigures]] = {}
    for value in values:
        runs[value] = []
        for seed in range(args.seeds):
            figures = folder / f"{value}-s{seed}.json"
            if not figures.exists():
                out = figures.with_suffix(".safetensors")
                given = [*args.flags, f"--{flag}", value, "--seed", str(seed), "--out", str(out)]
                given += ["--json", str(figures), "--build-dir", str(args.build_dir), "-q"]
                train.main(given)
            runs[value].append(_figures(figures))
            if not args.quiet:
                print(f"{flag} {value}, seed {seed}: {runs[value][-1].accuracy:.2%} strict")
    result = Sweep(vary=flag, flags=args.flags, seeds=args.seeds, rows=summary(runs))
    for path in (folder / "sweep.json", args.json):
        if path:
            cli.write_json(Path(path), result)
    pictures.sweep(folder / "sweep.png", result.rows, flag)
    if not args.quiet:
        print(table(result))


def _figures(path: Path) -> RunFigures:
    """What ``sw.train`` wrote with --json."""
    try:
        return RunFigures(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise UserError(f"{path}: not the figures of a run; --restart drops that sweep") from None


if __name__ == "__main__":
    cli.run(main)
