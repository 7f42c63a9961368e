"""``python -m sim.demo``."""

from sim.demo import main
from sw.cli import run

if __name__ == "__main__":
    run(main)
