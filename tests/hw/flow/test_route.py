"""Place and route, where the router converges and where it does not."""

import pytest
from stubs import Stubs

from hw.flow import route
from hw.flow.errors import NotRoutedError, ToolFailedError
from hw.flow.route import Progress, place_and_route, progress

# As nextpnr-ice40 writes them: router1 in a design that it does not route, router2 in one that it
# does, followed by router1's check.
STALLED = """\
Info: Routing 16593 arcs.
Info:            |   (re-)routed arcs  |   delta    | remaining|       time spent     |
Info:    IterCnt |  w/ripup   wo/ripup |  w/r  wo/r |      arcs| batch(sec) total(sec)|
Info:       3000 |      105       2894 |   51   949 |     13804|       0.47       1.77|
Info:       4000 |      764       3235 |  659   341 |     13471|       0.21       1.97|
"""
AGAIN = "Info:       5000 |     1764       3235 | 1000     0 |     13471|       0.11       2.08|\n"
PASSES = """\
Info:     iter=27 wires=49953 overused=2 overuse=2 archfail=NA
Info:     iter=28 wires=49953 overused=1 overuse=1 archfail=NA
Info:     iter=29 wires=49955 overused=1 overuse=1 archfail=NA
"""
CHECKED = "Info:     iter=30 wires=49955 overused=0 overuse=0 archfail=4\n"
DONE = """\
Info: Running router1 to check that route is legal...
Info:          0 |        0          0 |    0     0 |         0|       0.93       0.93|
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", None),
        ("Info: at iteration #5, type ALL: wirelen solved = 4406, spread = 16979\n", None),
        (STALLED, Progress("router1", 13471, 0)),
        (STALLED + 3 * AGAIN, Progress("router1", 13471, 3)),
        (PASSES, Progress("router2", 1, 1)),
        (PASSES + CHECKED, Progress("router2", 4, 2)),
        (PASSES + CHECKED + DONE, Progress("router1", 0, 0)),
    ],
)
def test_progress(log, expected):
    assert progress(log) == expected


def test_what_does_not_converge():
    """Designs that were routed stood still for 3 lines of router1 and 34 of router2 at most."""
    assert not Progress("router1", 13471, 49).diverges
    assert Progress("router1", 13471, 50).diverges
    assert not Progress("router2", 1, 199).diverges
    assert Progress("router2", 1, 200).diverges


# nextpnr that never ends with the seeds and routers in a file.
NEXTPNR = """
router=router1
while [ $# -gt 0 ]; do
    case "$1" in --seed) seed=$2 ;; --router) router=$2 ;; esac
    shift
done
echo "$seed $router" >> "$home/tried"
if grep -qx "$seed $router" "$home/fails"; then echo "ERROR: Routing failed."; exit 1; fi
if grep -qx "$seed" "$home/unplaced"; then
    echo "ERROR: Unable to find a placement location for cell 'accelerator.x'"; exit 1
fi
grep -qx "$seed $router" "$home/endless" || { echo routed > top.asc; exit; }
if [ $router = router1 ]; then
    for i in $(seq 60); do echo "Info: 1000 | 7 992 | 7 992 | 15603| 0.74 0.74|"; done
else
    for i in $(seq 210); do echo "Info: iter=$i wires=9 overused=2 overuse=2 archfail=NA"; done
fi > top.tim
exec sleep 600
"""
ALL = [(seed, router) for seed in (4, 5, 6) for router in ("router1", "router2")]
SWAPPED = [(seed, router) for seed in (4, 5, 6) for router in ("router2", "router1")]


@pytest.fixture
def nextpnr(stubs: Stubs, tmp_path):
    """Runs it, with these pairs of seed and router that do not converge or fail, and these seeds
    that give no placement.
    """
    stubs.write("nextpnr-ice40", NEXTPNR)
    work = tmp_path / "the work"
    work.mkdir()

    def run(endless=(), fails=(), unplaced=(), arguments=()):
        for name, pairs in (("endless", endless), ("fails", fails)):
            lines = "".join(f"{seed} {router}\n" for seed, router in pairs)
            (stubs.folder / name).write_text(lines)
        (stubs.folder / "unplaced").write_text("".join(f"{seed}\n" for seed in unplaced))
        line = ["--seed", "4", "--freq", "24", *arguments]
        return place_and_route("nextpnr-ice40", line, folder=work, log=run.said.append)

    run.said = []
    run.work = work
    run.tried = lambda: [
        (int(seed), router)
        for seed, router in map(str.split, (stubs.folder / "tried").read_text().splitlines())
    ]
    return run


@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize(
    ("arguments", "order"), [((), ALL), (("--router", "router2"), SWAPPED)], ids=["", "router2"]
)
def test_other_routers_and_placements(nextpnr, arguments, order, count):
    """The other router first, then another placement; each abort is reported."""
    assert nextpnr(endless=order[:count], arguments=arguments) == order[count]
    assert nextpnr.tried() == order[: count + 1]
    assert len(nextpnr.said) == count
    for (seed, router), line in zip(order, nextpnr.said, strict=False):
        assert line.startswith(f"nextpnr-ice40, placement {seed}: {router}, ")
        assert "it does not converge, aborted" in line
    assert (nextpnr.work / "top.asc").exists()


def test_a_router_that_fails(nextpnr):
    assert nextpnr(fails=ALL[:1]) == ALL[1]
    assert nextpnr.said[0].startswith("nextpnr-ice40 failed: ERROR: Routing failed. (its log: ")


def test_what_is_not_placed_is_placed_again(nextpnr):
    """The other router would not help: it comes after the placement."""
    assert nextpnr(unplaced=[4, 5]) == (6, "router1")
    assert nextpnr.tried() == [(seed, "router1") for seed in (4, 5, 6)]
    assert "Unable to find a placement location" in nextpnr.said[1]
    with pytest.raises(NotRoutedError):
        nextpnr(unplaced=[4, 5, 6])
    assert len(nextpnr.tried()) == 6


def test_a_design_that_is_never_routed(nextpnr):
    message = r"^nextpnr-ice40 could not place and route any of 3 placements, from --seed 4 on"
    with pytest.raises(NotRoutedError, match=message):
        nextpnr(endless=ALL)
    assert nextpnr.tried() == ALL


def test_an_error_of_another_kind_ends_it(nextpnr, stubs):
    """Another placement would not help."""
    stubs.write("nextpnr-ice40", 'echo x >> "$home/tried"; echo "ERROR: no such pin"; exit 1')
    with pytest.raises(ToolFailedError, match="no such pin"):
        nextpnr()
    assert (stubs.folder / "tried").read_text() == "x\n"


def test_progress_is_shown(nextpnr, stubs, monkeypatch):
    monkeypatch.setattr(route, "_SHOWN_EVERY", 0)
    lines = STALLED.replace("\n", "\\n")
    stubs.write("nextpnr-ice40", f"printf '{lines}' > top.tim; sleep 1.2")
    assert nextpnr() == (4, "router1")
    assert "nextpnr-ice40, placement 4: router1, 13,471 arcs to route …" in nextpnr.said
