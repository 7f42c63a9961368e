"""Folders that are made once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from sim.verilator.cache import digest, once


def test_made_once_however_many_want_it(tmp_path):
    made = []

    def make(here):
        made.append(here)
        (here / "file").write_text("content")

    with ThreadPoolExecutor(8) as pool:
        homes = set(pool.map(lambda _: once(tmp_path / "home", make), range(40)))
    assert homes == {tmp_path / "home"}
    assert (tmp_path / "home" / "file").read_text() == "content"
    assert len(made) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_what_fails_leaves_nothing_and_is_tried_again(tmp_path):
    def fail(here):
        (here / "half").touch()
        raise ValueError("half made")

    with pytest.raises(ValueError, match="half made"):
        once(tmp_path / "home", fail)
    assert list(tmp_path.iterdir()) == []
    assert once(tmp_path / "home", lambda here: (here / "whole").touch()).is_dir()


@pytest.mark.parametrize("damage", [lambda file: file.write_text(""), lambda file: file.unlink()])
def test_what_is_damaged_is_made_again(tmp_path, damage):
    def make(here):
        (here / "program").write_text("whole")

    home = once(tmp_path / "home", make, ["program"])
    damage(home / "program")
    assert (once(home, make, ["program"]) / "program").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_digest_of_what_matters():
    assert digest(["a", ["b"]]) == digest(["a", ["b"]])
    assert len({digest(parts) for parts in (["a", "b"], ["ab"], ["a", ["b"]], ["a", "c"])}) == 4
