"""Make one wheel that holds all locked packages, so that Automation imports once instead of once for each package.

1. Each file is a file of a locked wheel, byte for byte. Only METADATA, WHEEL and RECORD of the combined wheel itself
   are added.
2. The packages' own `.dist-info` folders, with licences and RECORD, are in the wheel's `.data/platlib`. An installer
   puts the content of that folder beside the packages (PEP 427), where importlib.metadata finds each of them. pip would
   refuse a wheel with several `.dist-info` folders at its top.
3. The same locked wheels give the same bytes on any machine. Other wheels give another version (PEP 440).
"""

import base64
import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from oci.bundling.sandbox import PYTHON_VERSION, WHEEL_PLATFORMS
from oci.files import reading as local_files
from oci.files.reading import FileRefusedError
from oci.packages.facts import PackageFacts
from oci.packages.raw_zip import RawZip
from oci.packages.wheels import UNREADABLE, LockedWheel
from runbook_lib.errors import build
from runbook_lib.release.artifacts import MAX_WHEEL_BYTES

NAME = "vibedata_runbook_packages"
# The first number of the version. Raise it with a change of this code that makes another combined wheel of the same
# locked wheels.
FORMAT = 1
# Each of the other two numbers comes from this number of hexadecimal digits of the locked wheels' digest. So each of
# them fits into 32 bits, which every reader can hold.
_DIGITS = 6
_PYTHON = "cp{}{}".format(*PYTHON_VERSION)
_METADATA = """\
Metadata-Version: 2.1
Name: {name}
Version: {version}
Summary: The locked Python packages of Vibedata's runbooks in one wheel
Requires-Python: =={python}.*
Description-Content-Type: text/plain

This wheel holds the files of the wheels below, byte for byte. Each package keeps its own METADATA, RECORD and licence
texts in its own dist-info folder. The wheel needs no other package.

"""
_WHEEL = """\
Wheel-Version: 1.0
Generator: vibedata-build {format}
Root-Is-Purelib: false
"""


@dataclass(frozen=True, slots=True)
class _Part:
    """A file of a locked wheel.

    `wheel` is the index of that wheel. `sha256` is the SHA-256 of the file's bytes in hex.
    """

    wheel: int
    info: ZipInfo
    sha256: str


@dataclass(frozen=True, slots=True)
class _OpenWheel:
    locked: LockedWheel
    file: BinaryIO
    archive: ZipFile


def write_combined_wheel(wheels: Sequence[LockedWheel], facts: Mapping[str, PackageFacts], folder: Path) -> Path:
    """Write the combined wheel of `wheels` into a folder, check the written file, and return its path.

    `facts` has the facts about each package, by its name. Raises RunbookError VD-BUILD-005 (a wheel is not the locked
    one), -010 (the wheels cannot be combined).
    """
    version = version_of(wheels)
    path = folder / f"{NAME}-{version}-{_PYTHON}-{_PYTHON}-{'.'.join(WHEEL_PLATFORMS)}.whl"
    with ExitStack() as stack:
        opened = [stack.enter_context(_opened(wheel)) for wheel in wheels]
        parts = _parts(opened, version)
        own = _own_files(version, wheels, facts, parts)
        with path.open("wb") as file:
            written = RawZip(file)
            for name, part in parts.items():
                _copy(written, name, part, opened)
            for name, content in own.items():
                written.add(name, content)
            written.finish()
    _check(path, {name: part.sha256 for name, part in parts.items()} | {name: _sha256(own[name]) for name in own})
    return path


def version_of(wheels: Sequence[LockedWheel]) -> str:
    """Return the version of the combined wheel. It depends only on the locked wheels."""
    listed = "".join(f"{package}\n" for package in sorted(str(wheel.package) for wheel in wheels))
    digest = _sha256(listed.encode())
    return f"{FORMAT}.{int(digest[:_DIGITS], 16)}.{int(digest[_DIGITS : 2 * _DIGITS], 16)}"


def differs_from(combined: Path, wheels: Sequence[LockedWheel]) -> tuple[str, ...]:
    """Return the files of `wheels` that a combined wheel lacks, or that differ there, as `package: file`.

    Raises RunbookError VD-BUILD-005 (a wheel is not the locked one), -010 (the combined wheel is no zip file, or a
    wheel has files for other folders than that of the packages).
    """
    try:
        with ZipFile(combined) as archive:
            held = {info.filename: (info.file_size, info.CRC) for info in archive.infolist()}
    except UNREADABLE as error:
        raise build.PACKAGES_NOT_COMBINED.error(f"it is no zip file: {error}", target=combined.name) from error
    version = combined.name.split("-")[1]
    found = []
    for wheel in wheels:
        with _opened(wheel) as opened:
            for info in opened.archive.infolist():
                name = _name_in_combined(info.filename, version, wheel)
                if not info.is_dir() and held.get(name) != (info.file_size, info.CRC):
                    found.append(f"{wheel.package.name}: {info.filename}")
    return tuple(found)


@contextmanager
def _opened(wheel: LockedWheel) -> Iterator[_OpenWheel]:
    """Open a wheel. Its bytes are compared with the lock, and the same bytes are read from now on."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(local_files.open_below(wheel.path.parent, wheel.path.name))
            sha256 = local_files.sha256_of(file, max_bytes=MAX_WHEEL_BYTES)
            archive = stack.enter_context(ZipFile(file))
        except (FileRefusedError, *UNREADABLE) as error:
            raise build.WHEEL_NOT_LOCKED.error(str(error), target=wheel.package.name) from error
        if sha256 != wheel.package.sha256:
            raise build.WHEEL_NOT_LOCKED.error("it was changed after it was collected", target=wheel.package.name)
        yield _OpenWheel(wheel, file, archive)


def _parts(opened: Sequence[_OpenWheel], version: str) -> dict[str, _Part]:
    """Return the files of all wheels by their names in the combined wheel, in the order in which they are written."""
    parts: dict[str, _Part] = {}
    for number, wheel in enumerate(opened):
        for info in wheel.archive.infolist():
            if info.is_dir():
                continue
            name = _name_in_combined(info.filename, version, wheel.locked)
            part = _Part(number, info, _sha256_of_member(wheel.archive, info, wheel.locked.package.name))
            other = parts.setdefault(name, part)
            if other.sha256 != part.sha256:
                first = opened[other.wheel].locked.package.name
                detail = f"{first} has the same file with other content: {info.filename}"
                raise build.PACKAGES_NOT_COMBINED.error(detail, target=wheel.locked.package.name)
    unpacked = sum(part.info.file_size for part in parts.values())
    if unpacked > MAX_WHEEL_BYTES:
        raise build.PACKAGES_NOT_COMBINED.error(f"{unpacked} bytes of files; at most {MAX_WHEEL_BYTES}")
    return dict(sorted(parts.items()))


def _name_in_combined(name: str, version: str, wheel: LockedWheel) -> str:
    top = name.partition("/")[0]
    if top.endswith(".data"):
        detail = f"it has files for other folders than the packages': {name}"
        raise build.PACKAGES_NOT_COMBINED.error(detail, target=wheel.package.name)
    return f"{NAME}-{version}.data/platlib/{name}" if top.endswith(".dist-info") else name


def _copy(written: RawZip, name: str, part: _Part, opened: Sequence[_OpenWheel]) -> None:
    wheel = opened[part.wheel]
    try:
        written.copy(name, wheel.file, part.info)
    except ValueError as error:
        raise build.PACKAGES_NOT_COMBINED.error(str(error), target=wheel.locked.package.name) from error


def _own_files(
    version: str, wheels: Sequence[LockedWheel], facts: Mapping[str, PackageFacts], parts: Mapping[str, _Part]
) -> dict[str, bytes]:
    """Return the combined wheel's own files. Its folder comes last in the wheel, as PEP 427 recommends."""
    folder = f"{NAME}-{version}.dist-info"
    head = _METADATA.format(name=NAME.replace("_", "-"), version=version, python=".".join(map(str, PYTHON_VERSION)))
    lines = [
        f"{wheel.package.name} {wheel.package.version}, licence {facts[wheel.package.name].licence}, "
        f"{wheel.path.name}, SHA-256 {wheel.package.sha256}\n"
        for wheel in wheels
    ]
    tags = "".join(f"Tag: {_PYTHON}-{_PYTHON}-{platform}\n" for platform in WHEEL_PLATFORMS)
    own = {
        f"{folder}/METADATA": (head + "".join(lines)).encode(),
        f"{folder}/WHEEL": (_WHEEL.format(format=FORMAT) + tags).encode(),
    }
    rows = [(name, _record_hash(part.sha256), part.info.file_size) for name, part in parts.items()]
    rows += [(name, _record_hash(_sha256(content)), len(content)) for name, content in own.items()]
    record = io.StringIO()
    csv.writer(record, lineterminator="\n").writerows([*rows, (f"{folder}/RECORD", "", "")])
    return {**own, f"{folder}/RECORD": record.getvalue().encode()}


def _check(path: Path, wanted: Mapping[str, str]) -> None:
    """Read the written wheel back. It must have exactly these files, in this order, each with its hash.

    `wanted` has the SHA-256 in hex of each file, by name. Raises RunbookError VD-BUILD-010.
    """
    with ZipFile(path) as archive:
        found = [(info.filename, _sha256_of_member(archive, info, path.name)) for info in archive.infolist()]
    if found != list(wanted.items()):
        raise build.PACKAGES_NOT_COMBINED.error("what was written is not what the locked wheels hold")


def _sha256_of_member(archive: ZipFile, info: ZipInfo, target: str) -> str:
    found = hashlib.sha256()
    try:
        with archive.open(info) as content:
            while piece := content.read(local_files.READ_BYTES):
                found.update(piece)
    except UNREADABLE as error:
        raise build.PACKAGES_NOT_COMBINED.error(f"{info.filename}: {error}", target=target) from error
    return found.hexdigest()


def _record_hash(sha256: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
