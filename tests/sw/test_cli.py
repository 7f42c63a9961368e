"""What the commands share."""

import json
import os
import subprocess
import sys

import pytest

from sw import cli, flags


@pytest.mark.parametrize(
    ("main", "status", "message"),
    [
        (lambda: None, 0, ""),
        (lambda: 3, 3, ""),
        (lambda: fail(cli.UserError("x.bin: is broken; mend it")), 2, "error: x.bin: is broken"),
        (lambda: fail(KeyboardInterrupt()), 130, "interrupted"),
    ],
)
def test_run(capsys, main, status, message):
    with pytest.raises(SystemExit) as end:
        cli.run(main)
    assert end.value.code == status
    assert message in capsys.readouterr().err


def fail(error):
    raise error


def test_flags():
    args = flags.parser("x", data=True, build=True, seed=True).parse_args(
        ["--json", "f.json", "-q", "--data-dir", ".", "--build-dir", "b", "--seed", "4"]
    )
    assert (str(args.json), args.quiet, str(args.data_dir)) == ("f.json", True, ".")
    assert (str(args.build_dir), args.seed) == ("b", 4)
    assert not hasattr(flags.parser("x").parse_args([]), "seed")


@pytest.mark.smoke
def test_atomic_path(tmp_path):
    target = tmp_path / "new" / "file"
    with cli.atomic_path(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask


def test_atomic_path_after_a_failure(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")

    def fail_half_way():
        with cli.atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_path_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(cli.UserError, match=r"cannot be written .*; name another place"),
        cli.atomic_path(tmp_path / "file" / "inside"),
    ):
        pass


def test_write_json(tmp_path):
    cli.write_json(tmp_path / "f.json", {"accuracy": 0.5})
    assert json.loads((tmp_path / "f.json").read_text()) == {"accuracy": 0.5}


def test_a_reader_that_has_enough():
    """As with ``| head``: no traceback, and the status a shell gives for a closed pipe."""
    code = "from sw.cli import run; run(lambda: print('line\\n' * 100_000))"
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, b"")
