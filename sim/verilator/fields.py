"""Fields of layouts in SystemVerilog."""

from amaranth.lib import data

__all__ = ["bits"]


def bits(name: str, field: data.Field, part: int = 0, parts: int = 1) -> str:
    """A field of the vector ``name`` as an integer, or one of its equal ``parts``."""
    width = field.width // parts
    offset = field.offset + part * width
    return f"int'({name}[{offset + width - 1}:{offset}])" if width else "0"
