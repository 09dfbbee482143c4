"""Full disks, closed pipes, and paths that do not exist: the user gets a message with a remedy, and no traceback."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oci.build import WHEEL_CACHE
from tests.support.build_definition import DEFINITION

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "vibedata.cli"]
ENVIRON = {
    **{name: value for name, value in os.environ.items() if not name.startswith("VIBEDATA_")},
    "SOURCE_DATE_EPOCH": "1793527200",
}


def run(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    done = subprocess.run([*COMMAND, *arguments], cwd=ROOT, env=ENVIRON, text=True, timeout=250, check=False, **streams)
    assert "Traceback" not in (done.stderr or ""), done.stderr
    assert "Exception ignored" not in (done.stderr or "")
    return done


def build(folder: Path, out: Path | str, **options: Any) -> "subprocess.CompletedProcess[str]":
    (folder / "release.json").write_text(json.dumps(DEFINITION))
    where = ["--release", str(folder / "release.json"), "--out", str(out), "--wheels", str(ROOT / WHEEL_CACHE)]
    return run("build", *where, **options)


def files_of_at_most(size: int) -> Callable[[], None]:
    """Return a limit for the size of one file, as on a full disk.

    It also works for a user who is not an administrator.
    """
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_disk_that_is_full_ends_a_build_with_the_reason_and_leaves_nothing(tmp_path: Path) -> None:
    done = build(tmp_path, tmp_path / "dist", preexec_fn=files_of_at_most(100_000))
    assert done.returncode == 1
    assert f"the release cannot be written to {tmp_path / 'dist'}: File too large" in done.stderr
    assert "what to do: free space there" in done.stderr
    assert os.listdir(tmp_path) == ["release.json"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("file/dist", "File exists"),
        ("x" * 256, "File name too long"),
        ("loop/dist", "File exists"),
        ("/proc/vibedata/dist", "No such file or directory"),
    ],
)
def test_a_place_where_nothing_can_be_written_is_named_with_the_reason(tmp_path: Path, out: str, why: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    done = build(tmp_path, tmp_path / out)
    assert done.returncode == 1
    assert f"{tmp_path / out}" in done.stderr
    assert f": {why}\n  what to do: " in done.stderr
    assert set(os.listdir(tmp_path)) == {"file", "loop", "release.json"}  # noqa: PTH208


def test_output_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    for arguments in (("--help",), ("lab", "status", "--dir", str(tmp_path)), ("--output", "json", "lab", "frob")):
        with Path("/dev/full").open("w") as full:
            done = run(*arguments, stdout=full)
        assert done.returncode in (1, 2)
        assert "not all output could be written: No space left on device" in done.stderr
        closed = run(*arguments, stdout=None, preexec_fn=lambda: os.close(1))
        assert closed.returncode in (1, 2)
        assert "not all output could be written: Bad file descriptor" in closed.stderr


def test_errors_that_cannot_be_written_change_no_exit_code(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        assert run("lab", "reset", "--dir", str(tmp_path), stderr=full).returncode == 1
    assert run("lab", "reset", "--dir", str(tmp_path), stderr=None, preexec_fn=lambda: os.close(2)).returncode == 1


def test_a_build_goes_on_if_nobody_reads_its_output(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = build(tmp_path, tmp_path / "dist", stdout=writing)
    os.close(writing)
    assert (done.returncode, (tmp_path / "dist" / "index.json").is_file()) == (0, True)
    assert "could be written" not in done.stderr


def test_a_name_that_no_terminal_can_show_ends_in_a_message(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xfe/dist"
    done = build(tmp_path, os.fsdecode(name + b"/" + b"x" * 300))
    assert done.returncode == 1
    assert "File name too long" in done.stderr
