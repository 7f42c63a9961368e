"""``python -m sim.demo NETWORK``: compiles the network's RTL and serves the page."""

import logging
import os
import socket
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from waitress.server import create_server

from hw.rtl.config import config_for, engine_names
from sim.demo.server import ADDRESS, LIMIT, create_app
from sim.demo.session import Session
from sim.verilator.tracer import Tracer
from sw.cli import UserError, check_output
from sw.commands import COMMANDS
from sw.data import registry
from sw.data.dataset import Dataset
from sw.data.events import EventDataset
from sw.flags import parser, tcp_port
from sw.network import Network, find
from sw.progress import elapsed
from sw.selection import Selection

__all__ = ["main"]

_NETWORK = "mnist-784-600-10-t8"
_PORT = 8642


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = parser(
        COMMANDS["demo"].description,
        json=False,
        dataset="the one the network was trained on",
        build=True,
    )
    options.add_argument(
        "network",
        nargs="?",
        default=_NETWORK,
        help="path of a network file, or a name in the zoo (default: %(default)s)",
    )
    options.add_argument("--engine", help=engine_names())
    options.add_argument(
        "--port",
        metavar="N",
        type=tcp_port,
        default=_PORT,
        help="port on this machine; 0 is any that is free (default: %(default)s)",
    )
    options.add_argument("--no-browser", action="store_true", help="do not open a browser")
    args = options.parse_args(arguments)
    check_output(args.build_dir / "verify", folder=True)
    network = find(args.network)
    config = config_for(network, args.engine)
    with _listener(args.port) as listener:
        url = f"http://{ADDRESS}:{listener.getsockname()[1]}/"
        data, missing = _examples(network, Selection.of(args))
        with elapsed(f"compiling the RTL of {network.title}", args.quiet):
            tracer = Tracer.build(network, args.build_dir / "verify", config)
        app = create_app(Session(tracer=tracer, data=data, missing=missing))
        server = create_server(app, sockets=[listener], ident=None, max_request_body_size=2 * LIMIT)
        # A browser asks for several files at once, and one that has to wait is worth no warning.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        if not args.quiet:
            print(f"{url}  (Ctrl-C ends)", flush=True)
        if not args.no_browser and _has_browser():
            webbrowser.open(url)
        server.run()
    raise KeyboardInterrupt  # at which the server has ended


@contextmanager
def _listener(port: int) -> Iterator[socket.socket]:
    """A socket on this machine's own address only."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
        except OSError as error:
            raise UserError(
                f"--port {port}: cannot be used ({error.strerror}); name another, or 0 for any"
            ) from None
        yield listener


def _examples(network: Network, selection: Selection) -> tuple[Dataset | EventDataset | None, str]:
    """Test examples; or, where nobody asked for a data set, why there are none."""
    try:
        return registry.load_dataset_for(network, selection), ""
    except UserError as error:
        if selection.dataset is not None:
            raise
        return None, str(error)


def _has_browser() -> bool:
    """Whether a browser with windows can be there; one of text would take the terminal."""
    return sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
