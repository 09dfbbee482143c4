"""What a build takes from the source tree: the texts, and the commit that gives the release its time."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from oci.bundle import LOADER_FILE, normalised
from runbook_lib.errors import RunbookError

# All that shapes a built runbook or the package set.
PARTS = ("runbooks", "runbook_lib", "oci")
LOCK_FILE = "oci/packages.lock"
GIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Commit:
    """Where the sources stand. commit: its id, empty outside a clone; changed: PARTS differ from the commit."""

    commit: str
    changed: bool


def read_sources(root: Path) -> dict[str, str]:
    """Return file name, as `runbook_lib/retry.py`, to text, of everything that built runbooks may embed.

    Raises RunbookError VD-BUILD-002 for a text that cannot be embedded.
    """
    paths = [*(root / "runbooks").rglob("*.py"), *(root / "runbook_lib").rglob("*.py"), root / LOADER_FILE]
    files = {path.relative_to(root).as_posix(): path for path in sorted(paths)}
    return {file: normalised(path.read_bytes(), file=file) for file, path in files.items()}


def runbook_names(sources: Mapping[str, str]) -> list[str]:
    """Return the names of the runbooks in `sources`, in order: one file each in runbooks/."""
    files = [file.removeprefix("runbooks/") for file in sources if file.startswith("runbooks/")]
    return sorted(file.removesuffix(".py") for file in files if "/" not in file and file != "__init__.py")


def commit_of(root: Path) -> Commit:
    """Return where a source tree stands."""
    try:
        return Commit(_git(root, "rev-parse", "HEAD"), bool(_git(root, "status", "--porcelain", "--", *PARTS)))
    except _NoCommitError:
        return Commit("", changed=False)


def release_time(root: Path, environ: Mapping[str, str]) -> datetime:
    """Return when a release was made: SOURCE_DATE_EPOCH (reproducible-builds.org) if set, else the commit's time.

    Raises RunbookError VD-BUILD-008 where there is neither.
    """
    try:
        seconds = environ.get("SOURCE_DATE_EPOCH") or _git(root, "log", "-1", "--format=%ct")
        return datetime.fromtimestamp(int(seconds), timezone.utc)
    except _NoCommitError as error:
        raise RunbookError("VD-BUILD-008", str(error), target=str(root)) from error
    except (ValueError, OverflowError, OSError) as error:
        raise RunbookError("VD-BUILD-008", f"SOURCE_DATE_EPOCH is {seconds!r}") from error


class _NoCommitError(Exception):
    """There is no git, no clone at this very place, or no commit in it; the text is git's own."""


def _git(root: Path, *arguments: str) -> str:
    """Return what git says. Raises _NoCommitError."""
    command = ["git", "-C", str(root), *arguments]
    # A clone that merely holds the source tree somewhere below says nothing of it.
    environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.resolve().parent)}
    try:
        said = subprocess.run(  # noqa: S603
            command, env=environ, capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except FileNotFoundError as error:
        raise _NoCommitError("there is no git") from error
    except subprocess.CalledProcessError as error:
        raise _NoCommitError(str(error.stderr).strip()) from error
    return said.stdout.strip()
