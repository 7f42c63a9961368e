"""What the commands share."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from sw import cli, flags


@pytest.mark.parametrize(
    ("main", "status", "message"),
    [
        (lambda: None, 0, ""),
        (lambda: 3, 3, ""),
        (lambda: fail(cli.UserError("x.bin: is broken; correct it")), 2, "error: x.bin: is broken"),
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


def test_a_disk_that_is_full(tmp_path):
    """Neither half a file is left, nor the folders that were made for it."""

    def write():
        with cli.atomic_path(tmp_path / "quite" / "deep" / "file") as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(cli.UserError, match=r"deep/file: cannot be written \(No space left .*\);"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_another_files_fault_is_not_ours(tmp_path):
    with pytest.raises(FileNotFoundError), cli.atomic_path(tmp_path / "copy") as temporary:
        shutil.copyfile(tmp_path / "missing", temporary)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_and_a_link_stay_what_they_are(tmp_path):
    """As for ``--json /dev/stdout``, or a page that lies elsewhere."""
    pipe, link, target = (tmp_path / name for name in ("pipe", "link", "target"))
    os.mkfifo(pipe)
    link.symlink_to(target)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    cli.write_json(pipe, {"a": 1})
    assert json.loads(os.read(reader, 100)) == {"a": 1}
    os.close(reader)
    cli.write_json(link, {"a": 2})
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert json.loads(target.read_text()) == {"a": 2}
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("inside", [False, True])
def test_links_that_lead_to_one_another(tmp_path, inside):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    path = tmp_path / "a" / "inside" if inside else tmp_path / "a"
    line = r"cannot be written \(Too many levels of symbolic links\); name another place"
    for folder in (False, True):
        with pytest.raises(cli.UserError, match=line):
            cli.check_output(path, folder=folder)
    with pytest.raises(cli.UserError, match=line):
        cli.write_json(path, {})
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "b"]


def test_files_that_belong_together(tmp_path):
    cli.write_files(tmp_path / "new", {"a": "1", "b": "µ"})
    assert (tmp_path / "new" / "b").read_text(encoding="utf-8") == "µ"
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "b").mkdir()
    (tmp_path / "old" / "b" / "x").write_text("")
    with pytest.raises(cli.UserError, match="cannot be written"):
        cli.write_files(tmp_path / "old", {"a": "1", "b": "2"})
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["b"]


@pytest.mark.parametrize(("name", "reason"), [("a", "Is a directory"), ("a" * 300, "too long")])
def test_files_of_which_one_cannot_be(tmp_path, name, reason):
    """None is written, whichever it is: the first one is renamed last."""
    if name == "a":
        (tmp_path / "new" / "a").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(cli.UserError, match=rf"cannot be written \(.*{reason}\)"):
        cli.write_files(tmp_path / "new", {name: "1", "b": "2", "c/d": "3"})
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.smoke
def test_one_run_per_folder(tmp_path):
    folder = tmp_path / "new" / "folder"
    with cli.exclusive(folder):
        with (
            pytest.raises(cli.UserError, match=r"folder: another run works there; wait for its"),
            cli.exclusive(folder),
        ):
            pass
        (folder / "result").write_text("")
    with cli.exclusive(folder):  # free again
        pass
    assert (folder / "result").exists()
    with cli.exclusive(tmp_path / "unused" / "folder"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_lock_ends_with_its_process(tmp_path):
    code = "import sys, os; from pathlib import Path; from sw.cli import exclusive\n"
    code += "with exclusive(Path(sys.argv[1])): os._exit(7)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 7
    with cli.exclusive(tmp_path):
        pass


def ended(code, **environment):
    """A process that ran ``code`` as the main function of a command."""
    code = f"import os, signal, sys; from sw.cli import run\ndef main():\n    {code}\nrun(main)"
    environment = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)


@pytest.mark.parametrize(
    ("code", "status", "line"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM); signal.pause()", 143, "\nterminated\n"),
        ("os.kill(os.getpid(), signal.SIGHUP); signal.pause()", 129, "\nterminated\n"),
        ("os.kill(os.getpid(), signal.SIGINT); signal.pause()", 130, "\ninterrupted\n"),
        ("open('/missing/file')", 2, "error: /missing/file: No such file or directory; "),
        ("os.rename('/missing', '/there')", 2, "error: /missing → /there: No such file "),
        ("raise MemoryError", 2, "error: there is not enough memory; "),
        (
            "raise ModuleNotFoundError(name='torch')",
            2,
            "error: torch is not installed; pip install",
        ),
        (
            "raise ModuleNotFoundError(name='numpy')",
            2,
            "error: numpy is not installed; pip ",
        ),
        ("raise ModuleNotFoundError(name='nosuch')", 1, "Traceback"),
        ("raise ValueError", 1, "Traceback"),
        ("sys.stdout = open('/dev/full', 'w'); print('x')", 2, "error: output: No space left"),
        ("sys.stderr = open('/dev/full', 'w'); open('/missing/file')", 2, ""),
    ],
)
def test_ends(code, status, line):
    result = ended(code)
    assert result.returncode == status
    text = result.stderr.decode()
    assert text.startswith(line)
    assert status == 1 or text.strip().count("\n") == 0


@pytest.mark.parametrize("closed", ["0<&- 1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_streams_that_are_closed(tmp_path, closed):
    """A file that is written does not become one of them."""
    code = (
        "import sys; from sw import cli\n"
        "def main():\n"
        "    with open('out', 'wb', 0) as file:\n"
        "        print('printed'); print('said', file=sys.stderr); file.write(b'whole')\n"
        "    raise cli.UserError('x')\n"
        "cli.run(main)"
    )
    result = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert (tmp_path / "out").read_text() == "whole"
    assert result.stdout == ("" if "1>" in closed else "printed\n")
    assert result.stderr == ("" if "2>" in closed else "said\nerror: x\n")


def test_extras_bring_what_is_said_of_them():
    project = Path(__file__).parents[2] / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    named = dict(re.findall(r"^(\w+) = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL))
    distributions = metadata.packages_distributions()
    for extra, packages in cli.EXTRAS.items():
        for package in packages:
            (distribution,) = set(distributions[package])
            named_once = rf'"{distribution.lower()}["<>=]'
            assert re.search(named_once, named[extra or "dependencies"]), package


@pytest.mark.parametrize("error", ["cli.UserError('x')", "KeyboardInterrupt"])
def test_what_a_command_leaves_unfinished_is_silent(error):
    code = (
        "import warnings\nfrom sw import cli\n"
        "class Unused:\n    def __del__(self):\n        warnings.warn('unused')\n"
        f"def main():\n    unused = Unused()\n    raise {error}\ncli.run(main)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr in ("error: x\n", "\ninterrupted\n")


def test_sigterm_lets_a_command_clean_up():
    code = "\n    try:\n        os.kill(os.getpid(), signal.SIGTERM); signal.pause()"
    code += "\n    finally:\n        os.kill(os.getpid(), signal.SIGTERM); print('clean')"
    result = ended(code)
    assert (result.returncode, result.stdout) == (143, b"clean\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "gbk", "utf-8"])
def test_a_console_that_cannot_show_everything(encoding):
    """What it cannot show is replaced, in output and errors."""
    text = "10 µs → réseau … 网络"
    result = ended(
        f"print({text!r}); from sw.cli import UserError; raise UserError({text!r})",
        PYTHONIOENCODING=encoding,
    )
    shown = text.encode(encoding, errors="replace")
    assert (result.returncode, result.stdout) == (2, shown + b"\n")
    assert result.stderr == b"error: " + shown + b"\n"


def test_control_characters_are_escaped():
    assert cli.printable("a\nb\x1b[31m\u200b\udcff µ") == "a\\nb\\x1b[31m\\u200b\\udcff µ"


@pytest.mark.parametrize("suffix", cli.PICTURES)
def test_a_picture_is_what_its_suffix_says(tmp_path, suffix):
    from matplotlib.figure import Figure

    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    for name in ("a", "b"):
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([1, 2])
        cli.save_picture(tmp_path / f"{name}{suffix}", figure, dpi=40)
    assert (tmp_path / f"a{suffix}").read_bytes().startswith(begins)


def test_write_json(tmp_path):
    cli.write_json(tmp_path / "f.json", {"accuracy": 0.5})
    assert json.loads((tmp_path / "f.json").read_text()) == {"accuracy": 0.5}


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "9" * 5000], ids=range(5)
)
def test_a_file_that_is_no_json(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        cli.read_json(tmp_path / "a.json")


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
