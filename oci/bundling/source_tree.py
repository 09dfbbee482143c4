"""Read the source tree for a build: the texts, and the commit whose time the release gets.

Every file is read once. So the built bytes are the bytes that are compared with the commit.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from oci.bundling.bundle import LOADER_FILE, normalised
from oci.bundling.clone import Clone, clone_at
from oci.bundling.closure import not_bundled
from oci.files import reading as local_files
from oci.files.reading import FileRefusedError
from oci.release.definition import MAX_VALID_DAYS
from runbook_lib.errors import build

# All folders that affect a built runbook or the package set.
PARTS = ("runbooks", "runbook_lib", "oci")
LOCK_FILE = "oci/packages.lock"
# Built files hold the text of these files of the build itself.
EMBEDDED = (LOADER_FILE, "oci/deployment_script/start.py")
# The limit of a source file. All real ones are far smaller.
MAX_SOURCE_BYTES = 4 * 1024 * 1024
_PATH = re.compile(r"[A-Za-z0-9_./-]+")
# SOURCE_DATE_EPOCH: "the number of seconds since the epoch, as a decimal integer" (reproducible-builds.org), in ASCII.
_SECONDS = re.compile(r"[0-9]{1,12}")
# The end of a release's life must have a year of four digits, too.
_LAST_TIME = datetime(9999, 12, 31, tzinfo=timezone.utc) - timedelta(days=MAX_VALID_DAYS)
SHOWN = 40


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit of the sources.

    Attributes:
        commit: Its id, "" if there is no clone, or if the clone has no commit.
        changed: Whether the Python files below PARTS or the lock differ from the commit.
        different: The names of the files that differ from the commit, are missing, or are not in the commit.
    """

    commit: str
    changed: bool
    different: tuple[str, ...] = ()


def read_files(root: Path) -> dict[str, bytes]:
    """Return the bytes of all Python files below PARTS and of the lock, by name, e.g. `runbook_lib/network/retry.py`.

    Raises RunbookError VD-BUILD-002: a link or something else is in the place of a file, a name has other characters
    than ASCII letters, digits, `_`, `-` and dots, or a file cannot be read or is too large.
    """
    return {file: _read(root, file) for file in (*sorted(_python_files(root)), LOCK_FILE)}


def _python_files(root: Path) -> Iterator[str]:
    for part in PARTS:
        for folder, folders, files in os.walk(root / part):
            names = [*(name for name in folders if (Path(folder) / name).is_symlink()), *files]
            for name in names:
                path = (Path(folder) / name).relative_to(root).as_posix()
                if name in folders:
                    raise not_bundled(path, "it is a link")
                if name.endswith(".py"):
                    yield path


def _read(root: Path, file: str) -> bytes:
    if not _PATH.fullmatch(file):
        raise not_bundled(ascii(file), "a file's name takes ASCII letters, digits, _, - and dots")
    try:
        return local_files.read_below(root, *file.split("/"), max_bytes=MAX_SOURCE_BYTES)
    except FileRefusedError as error:
        raise not_bundled(file, str(error)) from error


def sources_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the text of each file that built runbooks may embed, by its name.

    Raises RunbookError VD-BUILD-002 for a text that cannot be embedded.
    """
    embedded = {file: content for file, content in files.items() if not file.startswith("oci/") or file in EMBEDDED}
    return {file: normalised(content, file=file) for file, content in embedded.items()}


def read_sources(root: Path) -> dict[str, str]:
    """Return the result of `sources_of` for a source tree."""
    return sources_of(read_files(root))


def runbook_names(sources: Mapping[str, str]) -> list[str]:
    """Return the names of the runbooks in `sources`, in order. Each is a file in runbooks/."""
    files = [file.removeprefix("runbooks/") for file in sources if file.startswith("runbooks/")]
    return sorted(file.removesuffix(".py") for file in files if "/" not in file and file != "__init__.py")


def commit_of(root: Path, files: Mapping[str, bytes]) -> Commit:
    """Return the commit of a source tree. `files` are those of `read_files`. Raises RunbookError VD-BUILD-009."""
    clone = clone_at(root)
    if clone is None:
        return Commit("", changed=False)
    different = tuple(sorted(_different(clone, files)))
    return Commit(clone.commit, changed=bool(different), different=different)


def _different(clone: Clone, files: Mapping[str, bytes]) -> Iterator[str]:
    committed = {path: blob for path, blob in clone.files(PARTS).items() if path.endswith(".py") or path == LOCK_FILE}
    yield from committed.keys() - files.keys()
    for file, content in files.items():
        blob = committed.get(file)
        if blob is None or (blob != clone.blob_id(content) and not _is_same_text(file, content, clone, blob)):
            yield file


def _is_same_text(file: str, content: bytes, clone: Clone, blob: str) -> bool:
    """Whether a file and its blob differ only in line ends.

    git may have changed the line ends of a source file, and they do not change the build. Only the lock must be equal
    byte for byte, because the provenance has the digest of its bytes.
    """
    return file != LOCK_FILE and _lines(content) == _lines(clone.content(blob))


def _lines(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def release_time(root: Path, environ: Mapping[str, str]) -> datetime:
    """Return a release's time: SOURCE_DATE_EPOCH (reproducible-builds.org) if it is set, or else the commit's time.

    Raises RunbookError VD-BUILD-008 if there is neither, or if a release cannot have this time. Raises RunbookError
    VD-BUILD-009 if git cannot read the clone.
    """
    seconds, said = environ.get("SOURCE_DATE_EPOCH", ""), "SOURCE_DATE_EPOCH"
    if not seconds:
        clone = clone_at(root)
        if clone is None:
            raise build.RELEASE_TIME_UNKNOWN.error("it is no clone with a commit", target=str(root))
        seconds, said = clone.time(), f"the time of commit {clone.commit}"
    if not _SECONDS.fullmatch(seconds) or int(seconds) > _LAST_TIME.timestamp():
        shown = ascii(seconds[:SHOWN])
        last = int(_LAST_TIME.timestamp())
        raise build.RELEASE_TIME_UNKNOWN.error(f"{said} is {shown}; it takes digits, from 0 to {last}")
    return datetime.fromtimestamp(int(seconds), timezone.utc)
