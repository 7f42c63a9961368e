"""``python -m sw.sweep``: accuracy against one setting, such as the hidden size or T.

Every value is trained with every seed by ``sw.train``, one run after the other::

    python -m sw.sweep --vary hidden=64,128,256 --seeds 3 -- --dataset mnist --augment

Values are separated by commas, so layers by dashes: ``--vary layers=8c5s2-16c3s2,16c3p1-f2``.
What comes after ``--`` are flags of ``sw.train`` for all runs. Results lie in
``<build-dir>/sweep/<flag>/``: each run's network and figures, ``sweep.json`` and ``sweep.png``. A
sweep that was killed goes on where it was; one with other flags than the last is refused once a
run of the last is finished.
"""

import argparse
import re
import shutil
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from urllib.parse import quote

from sw import cli, train
from sw.cli import UserError
from sw.flags import parser, positive_int
from sw.learn import flags as training
from sw.learn.history import RunFigures
from sw.reports import pictures
from sw.reports.sweeps import Sweep, summary, table

__all__ = ["main"]

_OWN = ("seed", "out", "name", "json", "build_dir", "quiet", "restart")  # flags of sw.train
# What a sweep leaves in its folder, and the temporary files of one that was killed
_MADE = re.compile(
    r"train|(flags|sweep|.+-s\d+)\.json|sweep\.png|.+-s\d+\.safetensors"
    r"|\.(flags|sweep|.+-s\d).*"
)


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
    flag, _, rest = args.vary.partition("=")
    values = [value for value in rest.split(",") if value]
    if not flag or not values:
        raise UserError(f"--vary must be FLAG=V,V…, not {args.vary!r}")
    for value in values:
        _check([*args.flags, f"--{flag}={value}"])
    folder = args.build_dir / "sweep" / flag
    with cli.exclusive(folder):
        _begin(folder, args.flags, args.restart)
        runs: dict[str, list[RunFigures]] = {value: [] for value in values}
        for value, seed in product(runs, range(args.seeds)):
            figures = folder / f"{quote(value, safe='=')}-s{seed}.json"
            if not figures.exists():
                out = figures.with_suffix(".safetensors")
                given = [*args.flags, f"--{flag}={value}", "--seed", str(seed), "--out", str(out)]
                given += ["--json", str(figures), "--build-dir", str(folder), "-q", "--no-report"]
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


def _check(flags: Sequence[str]) -> None:
    """Refuses what ``sw.train`` would, and flags that a sweep sets for each run itself."""
    asked = argparse.Namespace(**dict.fromkeys(_OWN))  # stays None where it is not given
    training.arguments().parse_args(flags, asked)
    for name in _OWN:
        if getattr(asked, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag}: a sweep sets it for each run; leave it out, see --seeds")
    asked.seed = 0
    training.prepared(asked)


def _begin(folder: Path, flags: Sequence[str], restart: bool) -> None:
    """Keeps the flags beside the results. What other flags left is dropped if ``restart`` says so
    or no run of theirs was finished, else it is refused. Nothing is dropped that no sweep made.
    """
    kept = folder / "flags.json"
    before = None if restart else _flags(kept)
    if before == flags:
        return
    if before is not None and any(folder.glob("*-s*.json")):
        raise UserError(f"{kept}: made with {' '.join(before)!r}; --restart drops that sweep")
    there = sorted(folder.iterdir())
    for path in there:
        if kept not in there or not _MADE.fullmatch(path.name):
            raise UserError(f"{path}: no sweep made it; move it, or name another --build-dir")
    for old in there:
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        elif old != kept:  # which says whose the rest is, should this be interrupted
            old.unlink()
    cli.write_json(kept, {"flags": flags})


def _flags(path: Path) -> list[str] | None:
    """Those of the sweep before; None if there was none."""
    try:
        flags = cli.read_json(path)["flags"]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError):
        flags = None
    if isinstance(flags, list) and all(isinstance(each, str) for each in flags):
        return flags
    raise UserError(f"{path}: not the flags of a sweep; --restart drops that sweep")


def _figures(path: Path) -> RunFigures:
    """What ``sw.train`` wrote with --json."""
    try:
        return RunFigures.from_dict(cli.read_json(path))
    except ValueError:
        raise UserError(f"{path}: not the figures of a run; --restart drops that sweep") from None


if __name__ == "__main__":
    cli.run(main)
