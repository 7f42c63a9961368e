"""Faults on the line between a host and the compiled accelerator, and what becomes of them.

``python -m sim.link_faults`` prints one JSON object. A conversation is a query, a weight image
where weights are loaded, and three inputs. In each, one fault hits a byte of either direction:
every single one at every place (``--every``), or some at random. The host must have the right
class of each input, or none.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hw.link import protocol
from hw.link.session import Session
from hw.link.weight_image import pack
from hw.rtl.config import DEFAULT, Config, find_config
from hw.rtl.core import loaded_words
from sim import golden
from sim.verilator.uart import SerialLine, Wired, levels
from sw.cli import UserError, run, write_json
from sw.encoder import EventsEncoder, Inputs, LatencyEncoder, Spikes
from sw.flags import parser, positive_int
from sw.network import PROVENANCE, Layer, Network

__all__ = ["CASES", "Case", "Fault", "every_fault", "random_fault", "try_faults"]

_INPUTS = 3
_STEPS, _CLASSES = 8, 10


class Fault(NamedTuple):
    """What happens to the bytes of one direction.

    Parameters
    ----------
    kind : str
        lost, doubled, inserted, flipped; or, at random, replaced and low (a break).
    to_board : bool
    place : int
        The byte's number in the conversation.
    value : int
        The byte that is inserted, or the bit that is flipped; to the board also the start (0) and
        the stop bit (9), so that a data bit is one more.
    length : int
        Bytes that are hit.
    """

    kind: str
    to_board: bool
    place: int
    value: int = 0
    length: int = 1


@dataclass(frozen=True, kw_only=True)
class Case:
    """A small network, what is asked of it, and the right replies.

    Parameters
    ----------
    name : str
    network : Network
    config : Config
    inputs : Inputs
    """

    name: str
    network: Network
    config: Config
    inputs: Inputs

    @cached_property
    def weights(self) -> bytes | None:
        """The weight image, where weights are loaded."""
        words = loaded_words(self.network, self.config)
        return None if words is None else pack(self.network, words)

    @cached_property
    def replies(self) -> list[tuple[int, int, int]]:
        """The right ones: class, step, margin."""
        answer = golden.run_inputs(self.network, self.inputs)
        return list(zip(answer.label, answer.step, answer.margin, strict=True))

    def converse(self, line: SerialLine) -> tuple[bool, int]:
        """Whether all replies are right, and how often frames were sent again.

        Raises
        ------
        UserError
            The host gives up.
        """
        session = Session(line, self.network, sleep=line.sleep)
        if self.weights is not None:
            session.load(self.weights)
        got = [(each.label, each.step, each.margin) for each in session.classify(self.inputs)]
        return got == self.replies, session.losses


class _Meddler:
    """Puts a fault on a line."""

    def __init__(self, line: SerialLine) -> None:
        self._fault: Fault | None = None
        self.bytes = {True: 0, False: 0}  # so far, to the board and from it
        line.outgoing = lambda data: b"".join(self._pass(data, True, levels))
        line.incoming = lambda data: b"".join(self._pass(data, False, bytes))

    def begin(self, fault: Fault | None) -> None:
        """A conversation with that fault."""
        self._fault = fault
        self.bytes = {True: 0, False: 0}

    def _pass(self, data: bytes, to_board: bool, form: Callable[[bytes], bytes]) -> Iterator[bytes]:
        for byte in data:
            place = self.bytes[to_board]
            self.bytes[to_board] += 1
            fault = self._fault
            content = form(bytes([byte]))
            hit = fault is not None and fault.to_board == to_board
            if fault is None or not hit or not 0 <= place - fault.place < fault.length:
                yield content
            elif fault.kind == "doubled":
                yield content * 2
            elif fault.kind == "inserted":
                yield form(bytes([fault.value])) + content
            elif fault.kind == "replaced":
                yield form(bytes([fault.value + 37 * place & 0xFF]))
            elif fault.kind == "low":
                yield bytes(len(content))
            elif fault.kind == "flipped" and to_board:
                yield bytes(level ^ (bit == fault.value) for bit, level in enumerate(content))
            elif fault.kind == "flipped":
                yield bytes([byte ^ 1 << fault.value])


def every_fault(
    to_board: int, from_board: int, inserted: Sequence[int] = range(0, 256, 15)
) -> Iterator[Fault]:
    """Each single fault in a conversation of so many bytes; ``inserted`` are the values of bytes
    that come between two.
    """
    for direction, count, bits in ((True, to_board, 10), (False, from_board, 8)):
        for place in range(count):
            yield Fault("lost", direction, place)
            yield Fault("doubled", direction, place)
            yield from (Fault("flipped", direction, place, bit) for bit in range(bits))
            yield from (Fault("inserted", direction, place, byte) for byte in inserted)


def random_fault(chance: random.Random, to_board: int, from_board: int) -> Fault:
    """One anywhere in a conversation of so many bytes, of one byte or of some in a row."""
    direction = chance.random() < 0.5
    kind = chance.choice(("lost", "doubled", "inserted", "flipped", "replaced", "low"))
    value = chance.randrange((10 if direction else 8) if kind == "flipped" else 256)
    length = chance.choice((1, 1, 1, 2, 3, chance.randrange(1, 40)))
    return Fault(
        kind, direction, chance.randrange(to_board if direction else from_board), value, length
    )


def try_faults(
    case: Case, faults: Callable[[int, int], Iterator[Fault]], folder: Path
) -> dict[str, object]:
    """What becomes of ``faults``, given the bytes to the board and from it in a conversation."""
    outcomes: Counter[str] = Counter()
    wrong = []
    begun = time.monotonic()
    with Wired.build(case.network, folder, case.config).connect() as line:
        meddler = _Meddler(line)
        meddler.begin(None)
        if case.converse(line) != (True, 0):
            raise UserError(f"{case.name}: the line does not work without faults")
        lengths = meddler.bytes
        for fault in faults(lengths[True], lengths[False]):
            meddler.begin(fault)
            try:
                right, losses = case.converse(line)
            except UserError:
                outcomes["given_up"] += 1
                continue
            outcomes["wrong" if not right else "sent_again" if losses else "unharmed"] += 1
            if not right:
                wrong.append(fault)
    return {
        "case": case.name,
        "bytes_to_board": lengths[True],
        "bytes_from_board": lengths[False],
        "faults": outcomes.total(),
        **{key: outcomes[key] for key in ("unharmed", "sent_again", "given_up", "wrong")},
        "wrong_faults": [fault._asdict() for fault in wrong],
        "seconds": round(time.monotonic() - begun, 1),
    }


def _network(
    rng: np.random.Generator, encoder: LatencyEncoder | EventsEncoder, hidden: int
) -> Network:
    sizes = (encoder.inputs, hidden, _CLASSES)
    return Network(
        name="faults",
        steps=_STEPS,
        encoder=encoder,
        layers=tuple(
            Layer(
                weight=rng.integers(0, 2, (outputs, inputs)).astype(bool),
                threshold=rng.integers(-1, 3, outputs).astype(np.int32),
            )
            for inputs, outputs in pairwise(sizes)
        ),
        labels=tuple(map(str, range(_CLASSES))),
        provenance={**dict.fromkeys(PROVENANCE, ""), "seed": 0, "epochs": 0},
    )


def _pixels(name: str, hidden: int, engine: Config) -> Case:
    rng = np.random.default_rng(hidden)
    network = _network(rng, LatencyEncoder(shape=(4, 4)), hidden)
    images = rng.integers(0, 256, (_INPUTS, 4, 4)).astype(np.uint8)
    return Case(name=name, network=network, config=engine, inputs=images)


def _events(name: str, hidden: int) -> Case:
    rng = np.random.default_rng(hidden)
    network = _network(rng, EventsEncoder(channels=12), hidden)
    image = np.repeat(np.arange(_INPUTS), 5)
    step = np.sort(rng.integers(0, _STEPS, (_INPUTS, 5))).reshape(-1)
    unit = rng.integers(0, 12, len(step))
    spikes = Spikes(count=_INPUTS, image=image, step=step, unit=unit)
    return Case(name=name, network=network, config=DEFAULT, inputs=spikes)


CASES = (
    _pixels("pixels", 9, DEFAULT),
    _events("events", 9),
    _pixels("weights", 40, find_config("folded-16-spram,event")),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = parser("Try faults on the line to a board.", build=True, seed=True)
    options.add_argument(
        "--every", action="store_true", help="every single fault at every place, in place of some"
    )
    options.add_argument(
        "--faults",
        metavar="N",
        type=positive_int,
        default=3000,
        help="how many (default: %(default)s)",
    )
    args = options.parse_args(arguments)

    def one(index: int) -> dict[str, object]:
        chance = random.Random(f"{args.seed} {index}")
        share = (args.faults + index) // len(CASES)

        def some(to_board: int, from_board: int) -> Iterator[Fault]:
            return (random_fault(chance, to_board, from_board) for _ in range(share))

        faults = every_fault if args.every else some
        return try_faults(CASES[index], faults, args.build_dir / "verify")

    with ThreadPoolExecutor(len(CASES)) as pool:  # the boards are processes
        results = list(pool.map(one, range(len(CASES))))
    figures = {"version": protocol.VERSION, "cases": results}
    if args.json:
        write_json(args.json, figures)
    if not args.quiet:
        print(json.dumps(figures))
    return 1 if any(result["wrong"] for result in results) else 0


if __name__ == "__main__":
    run(main)
