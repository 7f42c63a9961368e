"""A serial line whose other end is the accelerator in Amaranth's simulator."""

from collections import deque

from amaranth.hdl import Const
from amaranth.sim import Simulator
from simulated_flash import SimulatedFlash

from hw.link import protocol
from hw.link.accelerator import Accelerator
from hw.link.flash import FlashReader
from hw.link.protocol import Command, Kind
from hw.rtl.config import DEFAULT

__all__ = [
    "CYCLE",
    "WEIGHTS_AT",
    "SimulatedLine",
    "ask",
    "ask_all",
    "receive_character",
    "send_character",
]

CYCLE = 1e-6  # seconds of simulated time
TIMEOUT = round(protocol.TIMEOUT / CYCLE)
WEIGHTS_AT = 0x1230  # where the flash holds a weight image


async def send_character(ctx, line, byte, bit):
    """Puts a byte on ``line``, of ``bit`` seconds a bit."""
    for level in (0, *(byte >> k & 1 for k in range(8)), 1):
        ctx.set(line, level)
        await ctx.delay(bit)


async def receive_character(ctx, line, bit):
    """The next byte on ``line``, with a stop bit."""
    await ctx.negedge(line)
    await ctx.delay(bit / 2)
    levels = []
    for _ in range(10):
        levels.append(ctx.get(line))
        await ctx.delay(bit)
        if len(levels) == 9:
            # Look at the stop bit in its middle, and be ready for the next byte at its end.
            assert ctx.get(line) == 1, "no stop bit"
            break
    assert levels[0] == 0
    return sum(level << k for k, level in enumerate(levels[1:]))


class SimulatedLine:
    """What a session (hw/link/session.py) needs of a serial port; simulated time passes while it
    reads.

    Parameters
    ----------
    network : sw.network.Network
    config : hw.rtl.config.Config
    flash : bytes, 0 or 1, optional
        Where weights are loaded: what the board's flash holds from 0 on; a single bit if it does
        not respond.
    divisor : int
        Clock cycles per bit.
    timeout : int
        Idle clock cycles after which the accelerator drops half a frame.
    mismatch : float
        How much longer a bit is on this end.
    patience : int
        Idle bit times after which a read ends.
    watch : bool
        Record for ``cycles`` what the core's own ports show of each input.
    """

    def __init__(
        self,
        network,
        *,
        config=DEFAULT,
        flash=None,
        divisor=4,
        timeout=TIMEOUT,
        mismatch=0.0,
        patience=2000,
        watch=False,
    ):
        reader = None if flash is None else FlashReader(address=WEIGHTS_AT, clock=round(1 / CYCLE))
        self.accelerator = Accelerator(
            network, divisor=divisor, timeout=timeout, config=config, flash=reader
        )
        self.ended, self.answered = [], []  # the cycle of each input's end, and of its answer
        self.label = self.answers = self.no_class = 0  # as the LEDs show them
        self._sequence = 0
        self._bit = divisor * (1 + mismatch) * CYCLE
        self._patience = patience
        self._to_send = deque()
        self._received = deque()
        self._activity = 0.0
        self._time = 0.0
        self._simulator = Simulator(self.accelerator)
        self._simulator.add_clock(CYCLE)
        self._simulator.add_testbench(self._speak, background=True)
        self._simulator.add_testbench(self._listen, background=True)
        self._simulator.add_testbench(self._look, background=True)
        if flash is not None:
            how = {"stuck": flash, "content": b""} if flash in (0, 1) else {"content": flash}
            self.flash = SimulatedFlash(self.accelerator.flash, **how, wakes_after=35)
            self._simulator.add_testbench(self.flash.serve, background=True)
        if watch:
            self._network = network
            self._simulator.add_testbench(self._watch, background=True)

    @property
    def cycles(self):
        """Of each input, cycles from its end to its answer; 1 if that came before."""
        both = zip(self.ended, self.answered, strict=True)
        return [max(1, answered - ended) for ended, answered in both]

    def add_testbench(self, look):
        """Has ``async def look(ctx)`` watch the accelerator; before time passes."""
        self._simulator.add_testbench(look, background=True)

    def write(self, data):
        self._to_send.extend(data)
        self._activity = self._time

    def frames(self, *commands):
        """The bytes of ``commands``, numbered."""
        content = b""
        for command in commands:
            content += protocol.frame(command, self._sequence)
            self._sequence = (self._sequence + 1) % protocol.SEQUENCES
        return content

    def send_break(self, duration):
        """A break of 12 bits, whatever ``duration``: simulated time is dear."""
        self._to_send.append("break")
        while self._to_send:
            self.advance(1)
        self.advance(15)

    def reset_input_buffer(self):
        self._received.clear()

    def reset_output_buffer(self):
        """What was written is on its way to the board."""

    @property
    def in_waiting(self):
        return len(self._received)

    def read(self, size):
        while len(self._received) < size and self.waiting:
            self.advance(5)
        return bytes(self._received.popleft() for _ in range(min(size, len(self._received))))

    def take(self):
        """All that was received, without waiting."""
        content = bytes(self._received)
        self._received.clear()
        return content

    @property
    def waiting(self):
        """Something was sent or received not long ago."""
        return self._time - self._activity < self._patience * self._bit

    @property
    def sent(self):
        """All that was written is on the line."""
        return not self._to_send

    def advance(self, bits):
        """Lets simulated time pass."""
        self._time += bits * self._bit
        self._simulator.run_until(self._time)

    def converse(self, data):
        """Writes ``data`` and returns all that comes until the line falls silent."""
        self.write(data)
        answer = b""
        while part := self.read(1):
            answer += part
        return answer

    async def _speak(self, ctx):
        while True:
            if not self._to_send:
                await ctx.delay(self._bit)
                continue
            item = self._to_send[0]
            if item == "break":
                ctx.set(self.accelerator.rx, 0)
                await ctx.delay(12 * self._bit)
                ctx.set(self.accelerator.rx, 1)
            elif isinstance(item, list):  # levels, a bit each, as they are
                for level in item:
                    ctx.set(self.accelerator.rx, level)
                    await ctx.delay(self._bit)
            else:
                await send_character(ctx, self.accelerator.rx, item, self._bit)
            self._to_send.popleft()
            self._activity = self._time

    async def _listen(self, ctx):
        while True:
            self._received.append(await receive_character(ctx, self.accelerator.tx, self._bit))
            self._activity = self._time

    async def _look(self, ctx):
        leds = self.accelerator.leds
        while True:
            shown = ctx.get(leds)
            self.label, self.answers, self.no_class = shown.label, shown.answers, shown.no_class
            await ctx.changed(leds)

    async def _watch(self, ctx):
        core = self.accelerator._core
        events = "source" in core.signature.members
        source, result = core.source if events else core.pixels, core.result
        per_input = None if events else self._network.encoder.pixels
        now, taken, new = 0, 0, True
        ends = source.payload.end if events else Const(0)
        ports = (source.valid, source.ready, ends, result.valid, result.ready)
        async for _, _, item, item_taken, end, answer, answer_taken in ctx.tick().sample(*ports):
            now += 1
            if item and item_taken:
                taken += 1
                if end or taken == per_input:
                    self.ended.append(now)
                    taken = 0
            if answer and new:
                self.answered.append(now)
            new = not answer or answer_taken


def ask(line, images):
    """The replies to ``images``, one after the other, as (label, step, cycles, margin)."""
    return ask_all(line, [Command(Kind.IMAGE, image.tobytes()) for image in images])


def ask_all(line, commands):
    """The replies to ``commands``, likewise; a status as label if there is no class."""
    answers = []
    for command in commands:
        content = line.frames(command)
        line.write(content)
        frame = protocol.parse(line.read(protocol.REPLY_SIZE))
        assert frame.sequence == content[0] % 16
        reply = protocol.Reply(*protocol.CLASS.unpack(frame.payload))
        assert frame.kind == (Kind.CLASS if reply.cycles else Kind.STATUS)
        answers.append(reply)
    return answers
