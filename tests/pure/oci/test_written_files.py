"""Files and folders are written completely, under the intended name, and never through a link."""

import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from oci.files.writing import UnwritableError, replaced_folder, write_file, writing
from vibedata.local_failures import local_failure

# Replaces a folder, and dies between the two renames, or when it is about to remove the former folder.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from oci.files.writing import replaced_folder

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def rename(self, target, rename=Path.rename):
    return die() if self.name.endswith(".partial") else rename(self, target)

if sys.argv[1] == "renaming":
    Path.rename = rename
else:
    shutil.rmtree = die
with replaced_folder(Path(sys.argv[2]), what="the release"):
    pass
"""


@pytest.fixture(autouse=True)
def usual_umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


def refusal(path: Path) -> UnwritableError:
    with pytest.raises(UnwritableError) as caught:
        write_file(path, b"new", what="the page")
    return caught.value


def die_while(doing: str, out: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, doing, out], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_and_replaced_with_the_modes_that_people_expect(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_file(file, b"one", what="the page")
    assert (file.read_bytes(), mode(file)) == (b"one", 0o644)
    file.chmod(0o600)
    write_file(file, b"two", what="the page")
    assert (file.read_bytes(), mode(file)) == (b"two", 0o600)
    os.umask(0o077)
    write_file(tmp_path / "other", b"", what="the page")
    assert mode(tmp_path / "other") == 0o600
    assert sorted(os.listdir(tmp_path)) == ["other", "page.html"]  # noqa: PTH208


def test_links_and_what_is_no_file_are_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"keep")
    for name in ("page.html.partial", ".page.html.partial", "page.html.tmp"):
        (tmp_path / name).symlink_to(victim)
    write_file(tmp_path / "page.html", b"new", what="the page")
    (tmp_path / "link").symlink_to(victim)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, number in {"link": errno.ELOOP, "pipe": errno.EINVAL, "folder": errno.EISDIR, ".": errno.EISDIR}.items():
        assert refusal(tmp_path / name).errno == number
    assert refusal(Path()).errno == errno.EISDIR
    assert refusal(Path("/dev/null")).errno == errno.EINVAL
    assert victim.read_bytes() == b"keep"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".vibedata-")]  # noqa: PTH208


def test_a_name_may_be_as_long_as_a_name_may_be(tmp_path: Path) -> None:
    write_file(tmp_path / ("ä" * 127), b"new", what="the page")
    error = refusal(tmp_path / ("ä" * 128))
    assert error.errno == errno.ENAMETOOLONG
    told = local_failure(error)
    assert told is not None
    assert told.message.startswith("the page cannot be written to ") and told.message.endswith(": File name too long")
    assert told.remedy == "name a shorter path"


def test_a_folder_takes_the_place_of_the_former_one(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "dist"
    for text in ("one", "two"):
        with replaced_folder(out, what="the release") as partial:
            (partial / "file").write_text(text)
        assert (out / "file").read_text() == text
        assert os.listdir(tmp_path / "deep") == ["dist"]  # noqa: PTH208
    with pytest.raises(ValueError, match="broken"), replaced_folder(out, what="the release") as partial:
        (partial / "file").write_text("three")
        raise ValueError("broken")
    assert (out / "file").read_text() == "two"
    assert os.listdir(tmp_path / "deep") == ["dist"]  # noqa: PTH208


def test_the_former_folder_stays_if_it_cannot_be_replaced(tmp_path: Path) -> None:
    out = tmp_path / "dist"
    out.mkdir()
    (out / "file").write_text("one")
    with pytest.raises(UnwritableError), replaced_folder(out, what="the release") as partial:
        shutil.rmtree(partial)
    assert (out / "file").read_text() == "one"
    assert os.listdir(tmp_path) == ["dist"]  # noqa: PTH208


def test_a_former_folder_that_a_killed_process_took_away_comes_back(tmp_path: Path) -> None:
    out = tmp_path / ("ä" * 127)
    out.mkdir()
    (out / "file").write_text("one")
    die_while("renaming", out)
    assert not out.exists()
    with pytest.raises(ValueError, match="broken"), replaced_folder(tmp_path / "other", what="the release"):
        raise ValueError("broken")
    assert (out / "file").read_text() == "one"
    with replaced_folder(tmp_path / "other", what="the release"):
        pass
    assert (out / "file").read_text() == "one"
    assert set(os.listdir(tmp_path)) == {out.name, "other"}  # noqa: PTH208


def test_a_former_folder_that_was_being_removed_does_not_come_back(tmp_path: Path) -> None:
    out = tmp_path / "dist"
    out.mkdir()
    (out / "file").write_text("one")
    die_while("removing", out)
    assert os.listdir(out) == []  # noqa: PTH208
    out.rmdir()
    with replaced_folder(tmp_path / "other", what="the release"):
        pass
    assert os.listdir(tmp_path) == ["other"]  # noqa: PTH208


def test_what_a_killed_process_left_is_taken_away_and_a_living_ones_is_not(tmp_path: Path) -> None:
    for name in (".vibedata-1.partial", ".vibedata-2.replaced", ".vibedata-3.partial", "mine", ".vibedata-notes"):
        (tmp_path / name).mkdir()
    (tmp_path / ".vibedata-4.partial").symlink_to(tmp_path / "mine")
    living = os.open(tmp_path / ".vibedata-3.partial", os.O_RDONLY)
    fcntl.flock(living, fcntl.LOCK_EX)
    with replaced_folder(tmp_path / "dist", what="the release"):
        pass
    os.close(living)
    left = {".vibedata-3.partial", ".vibedata-4.partial", ".vibedata-notes", "dist", "mine"}
    assert set(os.listdir(tmp_path)) == left  # noqa: PTH208


def test_a_failure_says_what_was_written_and_a_networks_failure_stays_its_own(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError) as caught, writing("the release", tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    told = local_failure(caught.value)
    assert told is not None
    assert told.message == f"the release cannot be written to {tmp_path}: No space left on device"
    for error in (ConnectionResetError(errno.ECONNRESET, "reset"), OSError("a library's own words")):
        with pytest.raises(type(error)) as kept, writing("the release", tmp_path):
            raise error
        assert kept.value is error
        assert local_failure(error) is None


def test_a_private_name_that_was_guessed_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"keep")
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    (tmp_path / ".vibedata-guessed.partial").symlink_to(victim)
    assert refusal(tmp_path / "page.html").errno == errno.EEXIST
    with pytest.raises(UnwritableError), replaced_folder(tmp_path / "dist", what="the release"):
        raise AssertionError("nothing is written")
    assert victim.read_bytes() == b"keep"
    assert (tmp_path / ".vibedata-guessed.partial").is_symlink()
