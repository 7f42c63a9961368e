"""A pseudo-terminal with a simulated board behind it."""

import os
import select
import threading
import tty
from contextlib import contextmanager

__all__ = ["board"]


@contextmanager
def board(simulated):
    """The path of a pseudo-terminal behind which ``simulated`` answers; a silent one for None.

    The accelerator is fresh from reset.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            if select.select([ours], [], [], 0 if simulated.waiting else 0.02)[0]:
                simulated.write(os.read(ours, 4096))
            if simulated.waiting:
                simulated.advance(20)
                if answer := simulated.take():
                    os.write(ours, answer)

    thread = threading.Thread(target=serve, daemon=True)
    if simulated:
        thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        stop.set()
        if simulated:
            thread.join()
        os.close(ours)
        os.close(theirs)
