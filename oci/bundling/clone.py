"""Read a source tree's clone from git's own objects, independently of the user's settings and environment.

A release's provenance is signed. So this module uses only git's objects: no index (assume-unchanged, skip-worktree), no
list of ignored files, no filter, no replacement of objects, and no setting of the user or the machine. It runs only
plumbing commands, which print the same everywhere. It tells git the folder `.git`, so that git does not search for it.
So the folder's owner does not matter, and a clone around the tree does not count. If git refuses something, this module
raises an error. It never answers "no clone" then.
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import RunbookError, build

GIT_SECONDS = 60
# An error shows at most this number of characters of git's own words.
MAX_WORDS = 300
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMITTER = re.compile(rb"committer [^\n]* ([0-9]{1,20}) [+-][0-9]{4}")
_ENTRY = re.compile(rb"(?P<mode>[0-7]{6}) (?P<kind>[a-z]+) (?P<id>[0-9a-f]+)\t(?P<path>.+)", re.DOTALL)
_PLAIN_FILES = (b"100644", b"100755")


@dataclass(frozen=True, slots=True)
class Clone:
    """The clone of a source tree. `folder` is the tree, and `commit` is the id of the checked-out commit."""

    folder: Path
    commit: str

    def time(self) -> str:
        """Return the commit's time as text, in seconds since 1970. Raises RunbookError VD-BUILD-009."""
        content = _git(self.folder, "cat-file", "commit", self.commit)
        for line in content.partition(b"\n\n")[0].split(b"\n"):
            if found := _COMMITTER.fullmatch(line):
                return found[1].decode("ascii")
        raise _untold(self.folder, f"commit {self.commit} has no time")

    def files(self, parts: Iterable[str]) -> dict[str, str]:
        """Return the blob id of each plain file of the commit, by the file's path.

        `parts` are the files and folders to look at. Raises RunbookError VD-BUILD-009.
        """
        listed = _git(self.folder, "ls-tree", "-r", "-z", "--full-tree", self.commit, "--", *parts)
        entries = (_ENTRY.fullmatch(line) for line in listed.split(b"\0") if line)
        return {
            os.fsdecode(entry["path"]): entry["id"].decode("ascii")
            for entry in entries
            if entry is not None and entry["mode"] in _PLAIN_FILES
        }

    def content(self, blob: str) -> bytes:
        """Return a blob's bytes. Raises RunbookError VD-BUILD-009."""
        return _git(self.folder, "cat-file", "blob", blob)

    def blob_id(self, content: bytes) -> str:
        """Return git's id of a file with these bytes: SHA-1 or SHA-256 in hex, as the clone uses it."""
        algorithm = hashlib.sha1 if len(self.commit) == 40 else hashlib.sha256
        return algorithm(b"blob %d\0" % len(content) + content).hexdigest()


def clone_at(folder: Path) -> Clone | None:
    """Return the clone whose top is `folder`, None if there is none or it has no commit.

    Raises RunbookError VD-BUILD-009 if there is a clone, and git is missing or cannot read it.
    """
    if not os.path.lexists(folder / ".git"):
        return None
    try:
        commit = _git(folder, "rev-parse", "--verify", "--end-of-options", "HEAD^{commit}").decode("ascii").strip()
    except RunbookError:
        if _is_unborn(folder):
            return None
        raise
    if not _ID.fullmatch(commit):
        raise _untold(folder, f"the commit is {commit[:80]!r}")
    return Clone(folder, commit)


def _is_unborn(folder: Path) -> bool:
    """Whether HEAD names a branch that has no commit yet, as after `git init`."""
    branch = _run(folder, "symbolic-ref", "--quiet", "HEAD")
    if branch.returncode != 0:
        return False
    return _run(folder, "show-ref", "--verify", "--quiet", branch.stdout.decode().strip()).returncode == 1


def _git(folder: Path, *arguments: str) -> bytes:
    done = _run(folder, *arguments)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise _untold(folder, "".join(letter if letter.isprintable() else " " for letter in words)[:MAX_WORDS])
    return done.stdout


def _run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    command = ["git", f"--git-dir={folder / '.git'}", "-c", "protocol.allow=never", *arguments]
    try:
        return subprocess.run(  # noqa: S603
            command, cwd=folder, env=_environment(), capture_output=True, timeout=GIT_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise _untold(folder, "there is no git on this machine") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _untold(folder, str(error)[:MAX_WORDS]) from error


def _environment() -> dict[str, str]:
    """Return this process's environment without variables that change what git reads or prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    nowhere = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    # git must not fetch an object that a partial clone lacks. Such an object is an error.
    return {**kept, **nowhere, "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}


def _untold(folder: Path, detail: str) -> RunbookError:
    return build.COMMIT_UNKNOWN.error(detail, target=str(folder))
