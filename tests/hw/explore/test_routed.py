"""The designs that are known to route."""

import json

import pytest

from hw.boards.table import BOARDS
from hw.explore.routed import PATH, is_routed, read_routed, write_routed
from hw.rtl.config import find_config
from sw.cli import UserError
from sw.network import CODINGS, find


def test_written_as_read(tmp_path):
    designs = read_routed()
    write_routed(designs, tmp_path / "routed.json")
    assert (tmp_path / "routed.json").read_bytes() == PATH.read_bytes()


def test_each_is_a_design_of_the_zoo_and_there_once():
    """One that was made of an older network is not known any more."""
    designs = read_routed()
    assert len({design.key for design in designs}) == len(designs)
    for design in designs:
        board = BOARDS[design.board]
        assert find(design.network, codings=CODINGS).sha256 == design.network_sha256
        assert find_config(design.engine).name == design.engine
        assert design.utilisation.available.logic_cells == board.logic_cells
        assert design.fmax_mhz >= design.clock_mhz


def test_whether_a_design_is_known():
    network = find("mnist-512-192-10-t8")
    known = [design for design in read_routed() if design.board == "ice40hx8k"]
    assert is_routed("ice40hx8k", network.sha256, "event", known)
    assert not is_routed("icestick", network.sha256, "event", known)
    assert not is_routed("ice40hx8k", "0" * 64, "event", known)
    assert not is_routed("ice40hx8k", network.sha256, "popcount", known)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"designs": [{}]}', '{"designs": 3}'])
def test_a_damaged_table(tmp_path, content):
    path = tmp_path / "routed.json"
    path.write_text(content)
    with pytest.raises(UserError, match=rf"^{path}: .*; take it from the repository$"):
        read_routed(path)


def test_a_table_of_another_kind(tmp_path):
    path = tmp_path / "routed.json"
    rows = json.loads(PATH.read_text())["designs"]
    path.write_text(json.dumps({"designs": [rows[0] | {"ebr": "30"}]}))
    with pytest.raises(UserError, match=r"ebr: must be int, not '30'"):
        read_routed(path)
