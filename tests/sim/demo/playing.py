"""The demo as a user starts it."""

import subprocess
import sys
from contextlib import contextmanager

from cases import VERIFY

__all__ = ["NETWORK", "served"]

NETWORK = "digits-64-192-10-t16"


@contextmanager
def served(network=NETWORK):
    """Serves the page on a free port. Yields its address and the process."""
    command = [sys.executable, "-m", "sim.demo", network, "--port", "0", "--no-browser"]
    with subprocess.Popen(
        [*command, "--build-dir", str(VERIFY.parent)],
        cwd=VERIFY.parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.endswith("  (Ctrl-C ends)\n"), process.stderr.read()
            yield line.split()[0], process
        finally:
            process.kill()
