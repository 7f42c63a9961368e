"""Records: fields of fixed size, as host and gateware both see them.

Plain Python, so that the host needs no hardware library.
"""

import struct
from typing import Any

__all__ = ["Record"]


class Record:
    """Fields that follow each other without gaps, all numbers little-endian.

    Parameters
    ----------
    **fields : str
        Of each field its format as in :mod:`struct`, in their order.
    """

    def __init__(self, **fields: str):
        self.fields = fields
        self._struct = struct.Struct("<" + "".join(fields.values()))

    @property
    def size(self) -> int:
        """In bytes."""
        return self._struct.size

    def pack(self, *values: Any) -> bytes:
        """The bytes of one record, a value for each field."""
        return self._struct.pack(*values)

    def unpack(self, content: bytes) -> tuple[Any, ...]:
        """The values of the record that ``content`` begins with."""
        return self._struct.unpack_from(content)

    def span(self, field: str) -> slice:
        """Which bytes of a record hold ``field``."""
        start = 0
        for name, code in self.fields.items():
            size = struct.calcsize("<" + code)
            if name == field:
                return slice(start, start + size)
            start += size
        raise KeyError(field)
