"""An SPI flash in Amaranth's simulator: what a chip does that sleeps, wakes and is read."""

__all__ = ["SimulatedFlash"]


class SimulatedFlash:
    """Behaves as the chip at the other end of ``wires``; ``serve`` is a testbench.

    Parameters
    ----------
    wires : interface of SpiSignature
    content : bytes
        From address 0 on; all that follows is erased.
    wakes_after : int
        Cycles that it takes to wake after the command.
    stuck : 0 or 1, optional
        It is not there: its line stays so.

    Attributes
    ----------
    commands : list of bytes
        Each as far as it came, up to 4 bytes.
    """

    def __init__(self, wires, content, *, wakes_after=0, stuck=None):
        self.content = content
        self.commands = []
        self._wires = wires
        self._wakes_after = wakes_after
        self._stuck = stuck

    async def serve(self, ctx):
        wires = self._wires
        ctx.set(wires.cipo, 1 if self._stuck is None else self._stuck)
        if self._stuck is not None:
            return
        awake_in = None  # cycles until it is awake
        bits, before, selected_before, waking, listening = [], 0, 0, False, False
        async for _, _, selected, clock, copi in ctx.tick().sample(
            wires.select, wires.clock, wires.copi
        ):
            if awake_in:
                awake_in -= 1
            if selected and not selected_before:
                bits, before, listening = [], clock, awake_in == 0
                assert not clock, "mode 0 begins with a low clock"
            if selected and clock and not before:
                bits.append(copi)
                if len(bits) <= 32 and len(bits) % 8 == 0:
                    command = self._number(bits[:32]).to_bytes(len(bits[:32]) // 8, "big")
                    self.commands = [*self.commands[: -1 if len(bits) > 8 else None], command]
                    waking = command == b"\xab"
            falls = selected and before and not clock
            if falls and listening and len(bits) >= 32 and self._number(bits[:8]) == 0x03:
                at = self._number(bits[8:32]) + (len(bits) - 32) // 8
                byte = self.content[at] if at < len(self.content) else 0xFF
                ctx.set(wires.cipo, byte >> 7 - len(bits) % 8 & 1)
            if not selected and selected_before and waking and awake_in is None:
                awake_in = self._wakes_after
            before, selected_before = clock, selected

    @staticmethod
    def _number(bits):
        return int("".join(map(str, bits)), 2)
