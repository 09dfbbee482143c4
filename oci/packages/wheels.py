"""Collect the locked wheels from a local cache by their hash. pip downloads the wheels that are missing there."""

import lzma
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from oci.bundling.sandbox import PYTHON_VERSION, pip_target
from oci.files import reading as local_files
from oci.files.reading import FileRefusedError
from oci.packages.package_lock import LockedPackage
from runbook_lib.errors import build
from runbook_lib.release.artifacts import MAX_WHEEL_BYTES

# The time limit for pip. In this time some 8 MB come over a slow link. pip has its own time limit for each connection.
PIP_SECONDS = 900
# The exceptions that zipfile and its decompressors raise for a damaged or hostile file.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
# A file name in a zip may have 65,535 bytes. The longest one in the locked wheels has 82.
MAX_ENTRY_CHARACTERS = 1024
# The limit for all module names together. It is some thirty times what the locked wheels have.
MAX_MODULE_CHARACTERS = 1024 * 1024
# An address in pip's output. It does not help the reader of an error, and may be an internal address. The pattern
# matches only where a scheme begins, so that it does not try each character.
_ADDRESS = re.compile(r"(?<![a-z0-9+])[a-z][a-z0-9+]*://\S+")


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """A locked package and its wheel file, whose bytes have been checked against the lock."""

    package: LockedPackage
    path: Path


def collect(
    packages: Sequence[LockedPackage], *, cache: Path, python: tuple[int, int] = PYTHON_VERSION
) -> tuple[LockedWheel, ...]:
    """Return the wheel of each package for `python`, in the packages' order. Wheels in `cache` need no network.

    `cache` is a folder that holds each wheel as <sha256>/<file name>. It is made if it is absent. Every file is hashed,
    also a cached one: a damaged one is deleted and downloaded again. Raises RunbookError VD-BUILD-004 (pip cannot
    download the wheels), -005 (a wheel is not the locked one).
    """
    found = {package: _cached(package, cache) for package in packages}
    missing = [package for package, path in found.items() if path is None]
    if missing:
        _download(missing, cache, python)
        found |= {package: _cached(package, cache) for package in missing}
    return tuple(LockedWheel(package, _present(package, path)) for package, path in found.items())


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hex. Raises FileRefusedError if it is not a plain file or is larger than any wheel."""
    with local_files.open_below(path.parent, path.name) as file:
        return local_files.sha256_of(file, max_bytes=MAX_WHEEL_BYTES)


def modules_of(wheels: Iterable[LockedWheel]) -> frozenset[str]:
    """Return the dotted name of every module that the wheels make importable, packages and namespaces included.

    Raises RunbookError VD-BUILD-005 for a wheel that cannot be read, or whose names are too long.
    """
    names: set[str] = set()
    left = MAX_MODULE_CHARACTERS
    for wheel in wheels:
        for entry in _entries(wheel):
            found = set(module_names(entry)) - names
            left -= sum(map(len, found))
            if left < 0:
                detail = f"its modules' names have too many characters: at most {MAX_MODULE_CHARACTERS} are read"
                raise build.WHEEL_NOT_LOCKED.error(detail, target=wheel.package.name)
            names |= found
    return frozenset(names)


def _entries(wheel: LockedWheel) -> list[str]:
    try:
        with zipfile.ZipFile(wheel.path) as archive:
            names = archive.namelist()
    except UNREADABLE as error:
        raise build.WHEEL_NOT_LOCKED.error(f"it is no zip file: {error}", target=wheel.package.name) from error
    if any(len(name) > MAX_ENTRY_CHARACTERS for name in names):
        detail = f"a file's name has more than {MAX_ENTRY_CHARACTERS} characters"
        raise build.WHEEL_NOT_LOCKED.error(detail, target=wheel.package.name)
    return names


def module_names(entry: str) -> list[str]:
    """Return the dotted names of the modules that a wheel's entry makes importable.

    `a/b/c.py` gives a, a.b, a.b.c; `a/b/__init__.py` gives a, a.b; `a/c.abi3.so` gives a, a.c. Other files give
    nothing.
    """
    folders, _, file = entry.rpartition("/")
    stem, _, suffix = file.partition(".")
    if not (suffix == "py" or suffix.endswith("so")) or ".dist-info" in folders:
        return []
    parts = [part for part in folders.split("/") if part] + ([] if stem == "__init__" else [stem])
    return [".".join(parts[: length + 1]) for length in range(len(parts))]


def _cached(package: LockedPackage, cache: Path) -> Path | None:
    folder = cache / package.sha256
    path = next(folder.glob("*.whl"), None)
    if path is None or _is_locked(package, path):
        return path
    shutil.rmtree(folder)
    return None


def _is_locked(package: LockedPackage, path: Path) -> bool:
    try:
        return sha256_of(path) == package.sha256 and _is_of(package, path)
    except FileRefusedError:
        return False


def _present(package: LockedPackage, path: Path | None) -> Path:
    if path is None:
        raise build.WHEEL_NOT_LOCKED.error("pip brought another file", target=package.name)
    return path


def _is_of(package: LockedPackage, path: Path) -> bool:
    try:
        name, version, _build, _tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        return False
    return (name, str(version)) == (package.name, package.version)


def _download(packages: Sequence[LockedPackage], cache: Path, python: tuple[int, int]) -> None:
    """Let pip download these wheels into the cache. pip refuses a file with another hash."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as folder:
        requirements, wheels = Path(folder) / "requirements.txt", Path(folder) / "wheels"
        requirements.write_text("".join(f"{package}\n" for package in packages), encoding="utf-8")
        _run_pip([*pip_target(python), "--require-hashes", f"--requirement={requirements}", f"--dest={wheels}"])
        for wheel in wheels.iterdir():
            try:
                sha256 = sha256_of(wheel)
            except FileRefusedError as error:
                raise build.WHEEL_NOT_LOCKED.error(str(error), target=wheel.name) from error
            _keep(wheel, cache / sha256)


def _keep(wheel: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    wheel.replace(folder / wheel.name)


def _run_pip(options: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", *options]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PIP_SECONDS)  # noqa: S603
    except subprocess.CalledProcessError as error:
        said = [line for line in str(error.stderr).splitlines() if line.startswith("ERROR:")]
        detail = _ADDRESS.sub("...", " ".join(said)) or f"pip ended with exit code {error.returncode}"
        raise build.PACKAGES_NOT_DOWNLOADED.error(detail) from error
    except subprocess.TimeoutExpired as error:
        raise build.PACKAGES_NOT_DOWNLOADED.error(f"pip was not done after {PIP_SECONDS} s") from error
