"""The accelerator behind its UART, against the golden model: events."""

import struct

import pytest
from conversations import (
    ALL_FIRE,
    NOBODY_FIRES,
    QUERY,
    SILENT,
    check_events,
    event_command,
    event_commands,
    events_of,
    identified,
    kinds,
    leave,
    meaning,
    received,
    split,
    without_cycles,
)
from samples import deep, events_network, inferences, random_spikes
from simulated_line import SimulatedLine, ask_all

from hw.link import protocol
from hw.link.protocol import Fault, Kind
from hw.rtl.config import Config

RULES = (Fault.RULES, 0, 0, 0)


class TestEvents:
    """Events over the line."""

    @pytest.mark.parametrize(
        "how",
        [
            {},
            NOBODY_FIRES,
            {"high": 0, "low": -9},  # all fire at once, before any event is there
            {"channels": 700, "low": 4, "high": 9, "steps": 256},
            *deep(
                {"steps": 1},
                {"steps": 11},
                {"channels": 1},
                {"channels": 16},
                {"hidden": (9, 6)},
                {"hidden": (20,), "high": 5},
                {"classes": 1},
            ),
        ],
        ids=str,
    )
    def test_answers(self, rng, how):
        network = events_network(rng, **how)
        spikes = random_spikes(rng, network, 4)
        line = SimulatedLine(network, watch=True, patience=300)
        replies = check_events(line, network, spikes)
        assert identified(line, network)
        assert [reply.cycles for reply in replies] == line.cycles

    @pytest.mark.deep
    def test_both_before_the_end_and_after_it(self, rng):
        """In the answers above the end mark is waited for, and is not."""
        cycles = set()
        for how in (NOBODY_FIRES, {"high": 2, "low": 1}):
            network = events_network(rng, **how)
            line = SimulatedLine(network)
            replies = check_events(line, network, random_spikes(rng, network, 8))
            cycles |= {reply.cycles for reply in replies}
        assert 1 in cycles
        assert len(cycles) > 1

    def test_frames_inside_an_inference_are_items(self, rng):
        network = events_network(rng, channels=65535, **NOBODY_FIRES)
        content = protocol.frame(QUERY, 3) * 3 + b"\x50\x5f?"
        items = [struct.unpack("<HB", content[k : k + 3]) for k in range(0, len(content), 3)]
        spikes = [(unit, k) for k, (unit, _) in enumerate(items)]
        line = SimulatedLine(network, patience=60)
        first, second = events_of(spikes), events_of([])
        assert without_cycles(
            split(line.converse(line.frames(event_command(spikes), event_command([]))))
        ) == [*meaning(network, first), *meaning(network, second)]

    @pytest.mark.parametrize("mismatch", [0.02, *deep(-0.02)])
    def test_back_to_back(self, rng, mismatch):
        """Each long enough for the answers to come meanwhile."""
        network = events_network(rng, hidden=(9,))
        spikes = random_spikes(rng, network, 4, least=10, most=20)
        line = SimulatedLine(network, divisor=12, mismatch=mismatch, patience=60)
        answers = line.converse(line.frames(*event_commands(spikes)))
        assert without_cycles(split(answers)) == meaning(network, spikes)

    def test_a_result_before_the_end_mark(self, rng):
        """What follows it changes nothing, be it against the rules; it is sent when the frame is
        known to be right.
        """
        network = events_network(rng, channels=8)
        network.layers[0].weight[:] = True
        network.layers[0].threshold[:] = [9, 3, 4]
        line = SimulatedLine(network, patience=60)
        first = [(2, 1), (2, 1), (5, 1), (5, 1)]
        command = event_command([*first, (0, 2), (0, 5), (0, 4), (9, 3), (0xFFFE, 255)])
        content = line.frames(command)
        assert line.converse(content[:-1]) == b""
        assert split(line.converse(content[-1:])) == [(1, 1, 1, 1)]  # 4 − 3 is more than 4 − 4
        spikes = random_spikes(rng, network, 3)
        check_events(line, network, spikes)

    def test_cycles_of_inferences_that_wait_for_each_other(self, rng):
        """Two on the way, the first of them slow and the second empty."""
        network = events_network(rng, hidden=(200,), classes=2)
        for layer in network.layers:
            layer.weight[:] = True
            layer.threshold[:] = [1] * layer.outputs if layer.outputs > 2 else [198, 199]
        line = SimulatedLine(network, watch=True, patience=200)
        slow, empty = [(3, 7)], []
        seen = []
        for these in ((slow, empty), (empty, slow), (empty, empty), (slow, slow), (slow,)):
            replies = split(line.converse(line.frames(*map(event_command, these))))
            expected = [meaning(network, events_of(each))[0] for each in these]
            assert without_cycles(replies) == expected
            seen += [reply.cycles for reply in replies]
        assert seen[-1] > 200 > seen[-4]  # alone; empty
        assert seen == line.cycles

    @pytest.mark.parametrize(
        ("count", "how"),
        [
            (1, NOBODY_FIRES),
            (3, NOBODY_FIRES),
            (8, ALL_FIRE),
            *deep((2, NOBODY_FIRES), (4, NOBODY_FIRES), (1, ALL_FIRE), (3, ALL_FIRE)),
        ],
        ids=str,
    )
    def test_silence_drops_the_inference(self, rng, count, how):
        """Whether it is answered by then or not."""
        network = events_network(rng, hidden=(6,), **how)
        spikes = random_spikes(rng, network, 3, least=4)
        line = SimulatedLine(network, **SILENT)
        check_events(line, network, spikes)
        leave(line, line.frames(event_commands(spikes)[1])[:count])
        assert identified(line, network)
        check_events(line, network, spikes)

    @pytest.mark.parametrize(("channels", "steps"), [(12, 11), *deep((16, 16))])
    @pytest.mark.parametrize(
        "fault",
        [
            lambda units, steps: [(3, 5), (3, 4), (3, 6)],
            lambda units, steps: [(1, 1), (units, 2)],
            lambda units, steps: [(units + 1024, 0)],
            lambda units, steps: [(0xFFFE, 0)],
            lambda units, steps: [(1, steps)],
            lambda units, steps: [(1, 1), (1, 255), (1, 3)],
            lambda units, steps: [(2, 2)] * 21,
        ],
    )
    def test_a_fault_gives_no_class(self, rng, channels, steps, fault):
        network = events_network(rng, channels=channels, steps=steps, **NOBODY_FIRES)
        line = SimulatedLine(network, config=Config(most_events=20), patience=300)
        spikes = random_spikes(rng, network, 3, most=20)
        check_events(line, network, spikes)
        shown = line.label, line.answers
        assert ask_all(line, [event_command(fault(channels, steps))]) == [RULES]
        assert line.converse(b"") == b""
        assert (line.label, line.answers, line.no_class) == (*shown, 1)
        check_events(line, network, spikes)

    @pytest.mark.parametrize(("channels", "steps"), [(12, 11), *deep((16, 16))])
    @pytest.mark.parametrize("how", [{"high": 1}, *deep(NOBODY_FIRES)], ids=str)
    def test_never_a_wrong_class(self, rng, channels, steps, how):
        """What may break the rules gets the class that its part before that decides, or none."""
        network = events_network(rng, channels=channels, steps=steps, hidden=(7,), **how)
        line = SimulatedLine(network, config=Config(most_events=20))
        answered = []
        for spikes in inferences(random_spikes(rng, network, 40, most=24)):
            for k in rng.integers(0, 60, 3):  # of which some are in the inference
                if k < len(spikes):  # bits more than there are, or a step back
                    unit, step = spikes[k]
                    more, other = rng.choice([0, 16, 32], 2).tolist()
                    spikes[k] = (unit + more, max(0, step + (other or -1)))
            right = self.rightly(network, spikes)
            (reply,) = ask_all(line, [event_command(spikes)])
            kept = meaning(network, events_of(spikes[:right]))[0]
            if right == len(spikes):
                assert reply[:2] + reply[3:] == kept
            elif reply != RULES:
                # Decided in a step that was over when the rules were broken
                assert reply[:2] + reply[3:] == kept
                assert reply.step < spikes[right - 1][1]
            answered.append((right == len(spikes), reply == RULES))
        early = {(False, False)} if how != NOBODY_FIRES else set()
        assert set(answered) == {(True, False), (False, True)} | early

    def rightly(self, network, spikes):
        """How many of ``spikes`` come before the first that breaks the rules."""
        last = 0
        for k, (unit, step) in enumerate(spikes):
            if unit >= network.sizes[0] or not last <= step < network.steps or k == 20:
                return k
            last = step
        return len(spikes)

    def test_as_many_as_there_is_room_for(self, rng):
        network = events_network(rng, **NOBODY_FIRES)
        line = SimulatedLine(network, config=Config(most_events=20))
        spikes = events_of([(2, 2)] * 20)
        check_events(line, network, spikes)

    @pytest.mark.parametrize("divisor", [4, *deep(8)])
    def test_the_core_may_hold_items_back(self, rng, divisor):
        """While 200 hidden units fire, of 240 cycles that an item waits at most."""
        network = events_network(rng, hidden=(200,), high=0, low=-9)
        network.layers[1].threshold[:] = 300
        line = SimulatedLine(network, divisor=divisor)
        check_events(line, network, random_spikes(rng, network, 4, least=20))

    def test_an_overrun_gives_no_class(self, rng):
        """400 units take longer; and nothing is heard until the line has been idle."""
        network = self.slow(rng)
        line = SimulatedLine(network, timeout=512, patience=400)  # 128 bits
        empty = random_spikes(rng, network, 2, most=0)
        command = event_command([(0, 0), (0, 1), (1, 2), (1, 3)])
        for _ in range(2):
            (reply,) = received(line.converse(line.frames(command, QUERY)))
            assert (reply.kind, reply.payload[0]) == (Kind.REFUSED, Fault.OVERRUN)
            check_events(line, network, empty)

    @pytest.mark.deep
    def test_no_overrun_where_bytes_come_slower(self, rng):
        network = self.slow(rng)
        line = SimulatedLine(network, divisor=12)
        check_events(line, network, random_spikes(rng, network, 3, least=20))

    def slow(self, rng):
        network = events_network(rng, hidden=(400,), high=0, low=-9)
        network.layers[1].threshold[:] = 500
        return network

    def test_a_host_that_does_not_wait_for_answers(self, rng):
        """Right answers to the first, then a report, and only that."""
        network = events_network(rng, **NOBODY_FIRES)
        line = SimulatedLine(network, patience=200)
        (right,) = meaning(network, events_of([]))
        content = line.converse(line.frames(*[event_command([])] * 20))
        *first, last = kinds(content)
        assert last == Kind.DAMAGED
        assert 2 <= len(first) < 20
        assert set(without_cycles(split(content[:-13]))) == {right}
