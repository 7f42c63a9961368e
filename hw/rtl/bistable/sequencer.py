"""The sequencer: which layer is computed, and when the next one begins."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.rtl.bistable.plan import BistablePlan

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Begins a layer when all values of the one before are written.

    Parameters
    ----------
    plan : BistablePlan

    Members
    -------
    full : 1
        There is an image.
    free : 1
        Its result can be taken.
    read : 1
        The layer's last entry has been read. One cycle.
    written : 1
        The layer's last entry is written in this cycle.
    decided : 1
        The output layer's potentials are compared. One cycle.
    layer : range(layers)
    go : 1
        The layer begins; ``layer`` has been the same for two cycles.
    release : 1
        The image is no longer needed. One cycle.
    """

    def __init__(self, plan: BistablePlan):
        self._plan = plan
        super().__init__(
            {
                "full": In(1),
                "free": In(1),
                "read": In(1),
                "written": In(1),
                "decided": In(1),
                "layer": Out(range(len(plan.layers))),
                "go": Out(1),
                "release": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        output = self.layer == len(plan.layers) - 1
        if plan.input_held is None:
            m.d.comb += self.release.eq(self.read & (self.layer == 0))
        else:
            m.d.comb += self.release.eq(self.decided)
        with m.FSM():
            with m.State("IMAGE"), m.If(self.full & self.free):
                m.d.comb += self.go.eq(1)
                m.next = "LAYER"
            with m.State("LAYER"):
                with m.If(self.decided):
                    m.d.sync += self.layer.eq(0)
                    m.next = "NEXT IMAGE"
                with m.Elif(self.written & ~output):
                    m.d.sync += self.layer.eq(self.layer + 1)
                    m.next = "NEXT LAYER"
            with m.State("NEXT LAYER"):
                m.next = "GO"
            with m.State("GO"):
                m.d.comb += self.go.eq(1)
                m.next = "LAYER"
            with m.State("NEXT IMAGE"):
                m.next = "IMAGE"
        return m
