"""Bugs that a reviewer would fear: each a change of one place, with the tests that must catch it.

A later test of the hardware earns its place by a bug in this table that no other test catches.
"""

from dataclasses import dataclass

__all__ = ["BUGS", "Bug"]


@dataclass(frozen=True)
class Bug:
    """A change of one place of the hardware.

    Parameters
    ----------
    file : str
        Where it is, from the top of the repository.
    old, new : str
        What is there, once, and what the bug puts there.
    tests : str
        A file of tests, or tests in it, of the fast tier.
    """

    file: str
    old: str
    new: str
    tests: str


_ORDERER, _ORDERER_TESTS = "hw/rtl/orderer.py", "tests/hw/rtl/test_orderer.py"
_EVENTS, _EVENTS_TESTS = (
    "hw/rtl/engines/event_driven.py",
    "tests/hw/rtl/engines/test_event_driven.py",
)
_SIMULATOR_TESTS = "tests/sim/verilator/test_simulator.py::test_every_kind_of_network"

BUGS = {
    "compares after each spike, not at the step's end": Bug(
        _EVENTS,
        "self.potentials.valid.eq(beat_valid & beat.last)",
        "self.potentials.valid.eq(beat_valid)",
        _EVENTS_TESTS,
    ),
    "back-pressure loses a spike": Bug(
        _EVENTS,
        "self.beats.ready.eq(advance)",
        "self.beats.ready.eq(1)",
        _EVENTS_TESTS,
    ),
    "restart does not clear the parity": Bug(
        _EVENTS,
        "self.potentials.valid.eq(0), parity.eq(0)]",
        "self.potentials.valid.eq(0)]",
        f"{_EVENTS_TESTS}::test_restart_at_any_time",
    ),
    "an empty slot of a bank counts as a weight": Bug(
        _EVENTS,
        "with m.If(~beat.spike[bank]):",
        "with m.If(0):",
        _EVENTS_TESTS,
    ),
    "potentials are one bit too narrow": Bug(
        "hw/rtl/potentials.py",
        "signed(max(bits_for(bound, True) for bound in both))",
        "signed(max(bits_for(bound, True) for bound in both) - 1)",
        _EVENTS_TESTS,
    ),
    "a flag that no unit has is counted": Bug(
        "hw/rtl/engines/popcount.py",
        "weight = np.ones((layer.outputs, len(fired)), bool)",
        "weight = np.zeros((layer.outputs, len(fired)), bool)",
        "tests/hw/rtl/engines/test_popcount.py",
    ),
    "restart does not clear the flags": Bug(
        "hw/rtl/engines/popcount.py",
        "m.d.sync += [fired.eq(0), busy.eq(0)",
        "m.d.sync += [busy.eq(0)",
        "tests/hw/rtl/engines/test_popcount.py::test_restart_forgets_who_fired",
    ),
    "a lane that no unit has fires": Bug(
        "hw/rtl/engines/folded.py",
        'values += [{"half": -1 << width - 1, "odd": 0}]',
        'values += [{"half": 0, "odd": 0}]',
        "tests/hw/rtl/engines/test_folded.py",
    ),
    "a window of spikes is overwritten": Bug(
        "hw/rtl/engines/folded.py",
        "advance.eq(~(new & self.spikes.valid))",
        "advance.eq(1)",
        "tests/hw/rtl/engines/test_folded.py",
    ),
    "a unit fires twice": Bug(
        "hw/rtl/fire.py",
        "fired.eq(fired | reached)",
        "fired.eq(reached)",
        "tests/hw/rtl/test_fire.py",
    ),
    "the highest unit of a group is not sent": Bug(
        "hw/rtl/priority.py",
        "self.rest.eq(self.i & below)",
        "self.rest.eq(self.i[:-1] & below)",
        "tests/hw/rtl/test_fire.py",
    ),
    "a tie goes to the highest index": Bug(
        "hw/rtl/decide.py",
        "candidates[high].margin > candidates[low].margin",
        "candidates[high].margin >= candidates[low].margin",
        "tests/hw/rtl/test_decide.py",
    ),
    "a margin of 0 does not fire": Bug(
        "hw/rtl/decide.py",
        "Cat(~margins[k][-1] for k in",
        "Cat((margins[k] > 0) for k in",
        "tests/hw/rtl/test_decide.py",
    ),
    "no decision in the final step": Bug(
        "hw/rtl/decide.py",
        "(self.potentials.payload.step == self._final)",
        "(self.potentials.payload.step == self._final + 1)",
        "tests/hw/rtl/test_decide.py",
    ),
    "early exit comes a cycle late": Bug(
        "hw/rtl/decide.py",
        "m.d.sync += self.decided.eq(valid & flow)",
        "late = Signal(); m.d.sync += [late.eq(valid & flow), self.decided.eq(late)]",
        "tests/hw/rtl/test_decide.py::test_latency",
    ),
    "a final step without spikes is not visited": Bug(
        _ORDERER,
        "to_visit.eq(with_spikes | 1 << (steps - 1))",
        "to_visit.eq(with_spikes)",
        _ORDERER_TESTS,
    ),
    "two arrivals in a row to one list lose a spike": Bug(
        _ORDERER,
        "heads.read_port(transparent_for=(write,))",
        "heads.read_port()",
        _ORDERER_TESTS,
    ),
    "an arrival goes to the next unit's bank": Bug(
        _ORDERER,
        "bank_of(arrival.unit, self._banks) == bank",
        "bank_of(arrival.unit + 1, self._banks) == bank",
        _ORDERER_TESTS,
    ),
    "a finished image leaves its lists behind": Bug(
        _ORDERER,
        "*(sides[drain_side].eq(0) for sides in occupied),",
        "",
        _ORDERER_TESTS,
    ),
    "a silent pixel fires in the final step": Bug(
        "hw/rtl/encoder.py",
        "pixel >= self._encoder.silent_below",
        "pixel >= 0",
        "tests/hw/rtl/test_encoder.py",
    ),
    "a reset in mid-image keeps the position": Bug(
        "hw/rtl/encoder.py",
        "position = Signal(range(beats))",
        "position = Signal(range(beats), reset_less=True)",
        f"{_SIMULATOR_TESTS}[one layer]",
    ),
    "a recording may go back in time": Bug(
        "hw/rtl/bypass.py",
        "breaks_rules.eq(~new.end & (out_of_range | non_monotonic | too_many))",
        "breaks_rules.eq(~new.end & (out_of_range | too_many))",
        "tests/hw/rtl/test_bypass.py",
    ),
    "the checksum of a weight image is not looked at": Bug(
        "hw/link/loader.py",
        "Mux(checksum.match_detected, Status.READY, Status.DAMAGED)",
        "Status.READY",
        "tests/hw/link/test_loader.py",
    ),
    "the last byte of a reply is not sent": Bug(
        "hw/link/sender.py",
        "left.eq(protocol.REPLY_SIZE)]",
        "left.eq(protocol.REPLY_SIZE - 1)]",
        "tests/hw/link/test_sender.py",
    ),
    "a class is sent before its frame is checked": Bug(
        "hw/link/link.py",
        "self.reply.valid.eq(self.result.valid & frames.waiting)",
        "self.reply.valid.eq(self.result.valid)",
        "tests/hw/link/test_accelerator_events.py",
    ),
    "what follows a damaged frame is heard": Bug(
        "hw/link/frames.py",
        "[deaf.eq(1), left.eq(0)]",
        "left.eq(0)",
        "tests/hw/link/test_accelerator.py::test_noise_between_two_frames",
    ),
    "the checksum of a frame is not looked at": Bug(
        "hw/link/frames.py",
        "wrong.eq(1)",
        "wrong.eq(0)",
        "tests/hw/link/test_link.py::test_a_flipped_bit_of_an_image",
    ),
    "half a frame waits forever": Bug(
        "hw/link/frames.py",
        "(self.silent & (left != 0))",
        "(self.silent & 0)",
        "tests/hw/link/test_accelerator.py::test_silence_drops_the_image",
    ),
    "bits are sampled at their edge": Bug(
        "hw/link/uart.py",
        "timer.eq(self._divisor // 2 - 1)",
        "timer.eq(self._divisor - 1)",
        "tests/hw/link/test_uart.py",
    ),
    "colours do not take turns": Bug(
        "hw/rtl/encoder.py",
        "following = [*others, unit + sum(selected)]",
        "following = [unit + sum(selected), *others]",
        "tests/hw/rtl/test_encoder.py::test_encodes",
    ),
    "weights turn the wrong way": Bug(
        "hw/rtl/tiles/grid.py",
        "values[(bank - i) % self._banks]",
        "values[(bank + i) % self._banks]",
        "tests/hw/rtl/tiles/test_engine.py",
    ),
    "a window forgets the spike of the cycle before": Bug(
        "hw/rtl/tiles/emit.py",
        "repeats.eq((read.addr == address) & present.any())",
        "repeats.eq(0)",
        "tests/hw/rtl/tiles/test_engine.py",
    ),
    "a pass leaves out the row before": Bug(
        "hw/rtl/tiles/sweep.py",
        "low.eq(row - ((bank != banks - 1) & row.any()))",
        "low.eq(row)",
        "tests/sim/verilator/test_simulator_maps.py::test_every_kind_of_maps[a series]",
    ),
    "a window of a table sees the image before": Bug(
        "hw/rtl/tiles/first_table.py",
        "read.data[k].spike & known[k] & inside",
        "read.data[k].spike & inside",
        "tests/hw/rtl/tiles/test_first_table.py::test_all_spike_times",
    ),
    "a window sees what lies behind the map": Bug(
        "hw/rtl/gather/collect.py",
        "inside.eq((place >= 0) & (place < size))",
        "inside.eq(place >= 0)",
        "tests/hw/rtl/gather/test_engine.py",
    ),
    "a pooling forgets its window before": Bug(
        "hw/rtl/gather/engine.py",
        "((windows.step == 0) & windows.first_window) | output",
        "(windows.step == 0) | output",
        "tests/hw/rtl/gather/test_engine.py",
    ),
    "an image that comes too early loses its pixels": Bug(
        "hw/link/intake.py",
        "m.d.sync += overrun.eq(link.pixels.valid & ~link.pixels.ready)",
        "m.d.sync += overrun.eq(0)",
        "tests/hw/link/test_accelerator_maps.py::test_an_image_that_comes_too_early_is_refused",
    ),
}
