"""``python -m sw.convert``."""

from sw.cli import run
from sw.convert import main

if __name__ == "__main__":
    run(main)
