"""What is going on, where no share of it can be told."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["elapsed"]


@contextmanager
def elapsed(what: str, quiet: bool) -> Iterator[None]:
    """Tells for how long ``what`` has been going on, on a terminal each second."""
    done, begun = threading.Event(), time.monotonic()
    terminal = sys.stderr.isatty()

    def tell() -> None:
        while not done.wait(1):
            print(
                f"\r{what}: {time.monotonic() - begun:.0f} s", end="", file=sys.stderr, flush=True
            )

    teller = threading.Thread(target=tell, daemon=True)
    if not quiet:
        print(what, end="" if terminal else "\n", file=sys.stderr, flush=True)
        if terminal:
            teller.start()
    try:
        yield
    finally:
        done.set()
        if teller.ident:
            teller.join()
            print(file=sys.stderr)
