"""What the values of an example are and how they become the bytes that the core takes, where the
network was trained on data of one's own: what whoever drives the chip has to compute.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from sw.cli import UserError, printable
from sw.data.provenance import MADE_OF, kind_of, quantiser_of, reading_of
from sw.data.raw import Kind
from sw.encoder import ImageEncoder
from sw.features.quantiser import Quantiser
from sw.network import Network

__all__ = ["Values", "is_image"]

_ORDER = {
    Kind.TABLE: "the features of a row in their order",
    Kind.SERIES: "one channel after the other, each in the order of time",
    Kind.IMAGES: "one channel after the other, each row by row",
}


@dataclass(frozen=True, kw_only=True)
class Values:
    """The values of an example.

    Parameters
    ----------
    kind : Kind
    count : int
    columns : tuple of str
        Their names, in their order; empty where they have none.
    quantiser : Quantiser
    map : (int, int, int)
        Channels, height and width of the bytes.
    """

    kind: Kind
    count: int
    columns: tuple[str, ...]
    quantiser: Quantiser
    map: tuple[int, int, int]

    @classmethod
    def of(cls, network: Network) -> "Values | None":
        """Those of ``network``; None where they are the bytes themselves, or events. Raises
        UserError if its provenance contradicts its encoder.
        """
        encoder, quantiser = network.encoder, quantiser_of(network)
        if quantiser is None or not isinstance(encoder, ImageEncoder):
            return None
        columns = tuple(map(str, reading_of(network).get("columns") or ()))
        count, rest = divmod(encoder.pixels, quantiser.levels * (1 + quantiser.complement))
        if rest or count % len(quantiser.low) or len(columns) not in (0, count):
            raise UserError(
                f"network {network.name!r}: its provenance is damaged: {len(quantiser.low)} ranges "
                f"and {len(columns)} columns do not give {encoder.pixels} bytes; train it anew"
            )
        return cls(
            kind=kind_of(network),
            count=count,
            columns=columns,
            quantiser=quantiser,
            map=(encoder.channels, *encoder.shape[-2:]),
        )

    def manifest(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "kind": self.kind.value,
            "count": self.count,
            "columns": list(self.columns),
            "low": list(self.quantiser.low),
            "high": list(self.quantiser.high),
            "levels": self.quantiser.levels,
            "complement": self.quantiser.complement,
        }

    def text(self) -> Iterator[str]:
        """Paragraphs of Markdown."""
        levels, complement = self.quantiser.levels, self.quantiser.complement
        ranges, (channels, height, width) = len(self.quantiser.low), self.map
        order = "the columns of a table in this order" if self.columns else _ORDER[self.kind]
        example = "example" if self.kind in MADE_OF else "image"
        name, share, every = "b", "s", ""
        if levels > 1:
            name, share, every = "b_k", f"{levels} · s − k", f"for k = 0 … {levels - 1} "
        rows = f"{every}{name} of every value"
        if complement:
            rows += f", then 255 − {name} of every value"
        on_maps = f": {channels} channels of {height} × {width} bytes, one after the other"
        yield textwrap.fill(
            f"An {example} is {self.count} values: {order}. A value x with the range low … high "
            f"has the share s = (x − low) / (high − low), and {every}becomes the byte "
            f"{name} = floor(min(max({share}, 0), 1) · 255 + ½), computed in 64 bits of floating "
            f"point; 0 where low = high. The order of the bytes is {rows}"
            f"{on_maps if channels > 1 else ''}. `quantise` in firstspike's docs/own_data.md is "
            f"this in C and in Python, with n = {self.count}, ranges = {ranges}, "
            f"levels = {levels}, complement = {complement:d}.",
            width=120,
            break_on_hyphens=False,
        )
        if self.columns and ranges < self.count:
            yield f"The columns: {', '.join(map(_code, self.columns))}."
        yield "\n".join(self._table())

    def _table(self) -> Iterator[str]:
        """The ranges, and the names of values that have one each."""
        run = self.count // len(self.quantiser.low)
        named = self.columns if run == 1 else ()
        yield "| value | column | low | high |" if named else "| values | low | high |"
        yield "|---|---|---|---|" if named else "|---|---|---|"
        for index, ends in enumerate(zip(self.quantiser.low, self.quantiser.high, strict=True)):
            first, last = run * index, run * (index + 1) - 1
            cells = [str(first) if run == 1 else f"{first} … {last}"]
            if named:
                cells.append(_code(named[index]).replace("|", "\\|"))
            yield f"| {' | '.join([*cells, *map(repr, ends)])} |"


def is_image(network: Network) -> bool:
    """An example is a picture, and its bytes are pixels."""
    return kind_of(network) not in MADE_OF


def _code(name: str) -> str:
    """A name from a file, as Markdown shows it unchanged."""
    return f"`` {printable(name)} ``" if "`" in name else f"`{printable(name)}`"
