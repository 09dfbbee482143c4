"""Wheels in the Automation stand-in: which ones it accepts, and how one becomes importable files.

The sandbox is CPython 3.10 on Linux x86_64 and takes only wheels (learn automation/python-3-packages). Its glibc is not
documented, nor is whether it takes abi3 wheels. The lab takes every manylinux level and abi3, but no musllinux.
"""

import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from packaging.tags import Tag, compatible_tags, cpython_tags, platform_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

SANDBOX_PYTHON = (3, 10)
# "Max size allowed for a module": 100 MB (learn automation-subscription-limits-faq).
PACKAGE_LIMIT_BYTES = 100 * 1024 * 1024
NEWEST_GLIBC_MINOR = 50  # The highest x of manylinux_2_x. It only has to be higher than any that exists.
# Folders of a wheel's *.data whose content belongs into site-packages (PEP 427). Jobs do not use scripts and headers.
IMPORTABLE_DATA = ("purelib", "platlib")


class WheelRefusedError(Exception):
    """The sandbox does not take a package. The text says why; it becomes the package's error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One wheel, unpacked: `files` is the directory whose content goes into site-packages."""

    name: str
    version: str
    sha256: str
    size_bytes: int
    files: Path


def parse_name(file_name: str) -> tuple[str, str, frozenset[Tag]]:
    """Return a wheel's normalised name, version and tags; WheelRefusedError if the sandbox does not take it."""
    try:
        name, version, _build, tags = parse_wheel_filename(file_name)
    except InvalidWheelFilename as error:
        raise WheelRefusedError(
            f"'{file_name}' is not the name of a wheel; Python 3.10 packages must be wheels."
        ) from error
    if not tags & sandbox_tags():
        raise WheelRefusedError(
            f"'{file_name}' does not fit Python 3.10 on Linux x86_64 (cp310, abi3 or py3; manylinux or any)."
        )
    return name, str(version), tags


def sandbox_tags() -> frozenset[Tag]:
    """Return the tags that the sandbox takes."""
    levels = [f"manylinux_2_{minor}_x86_64" for minor in range(5, NEWEST_GLIBC_MINOR + 1)]
    platforms = [*levels, "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    return _tags(SANDBOX_PYTHON, platforms)


def host_tags(version: tuple[int, int]) -> frozenset[Tag]:
    """Return the tags that CPython `version` takes on this machine."""
    return _tags(version, list(platform_tags()))


def unpack(content: Path, files: Path) -> None:
    """Unpack the wheel file `content` into the new directory `files`; WheelRefusedError if it is not a wheel."""
    files.mkdir(parents=True)
    try:
        with zipfile.ZipFile(content) as archive:
            _refuse_other_forms(archive.namelist())
            archive.extractall(files)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise WheelRefusedError(f"The content is not a wheel: {error}") from error
    for data in files.glob("*.data"):
        for part in IMPORTABLE_DATA:
            if (data / part).is_dir():
                shutil.copytree(data / part, files, dirs_exist_ok=True)
        shutil.rmtree(data)


def _refuse_other_forms(names: Iterable[str]) -> None:
    """Refuse a wheel without exactly one `.dist-info` folder at its top, as pip does.

    It is not documented whether Automation installs with pip.
    """
    found = sorted({top for name in names if (top := name.partition("/")[0]).endswith(".dist-info")})
    if len(found) != 1:
        several = ", ".join(found) or "none"
        raise WheelRefusedError(f"A wheel has one .dist-info folder at its top; this one has {several}.")


def copy_installed(name: str, version: str, files: Path) -> None:
    """Copy the files of the package that the lab itself runs with to the new directory `files`.

    Its version may differ, because some packages have no version for both Pythons. WheelRefusedError if the lab does
    not have the package.
    """
    try:
        installed = metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise WheelRefusedError(
            f"{name} {version} does not fit this machine, and the lab's own environment has no {name}."
        ) from error
    files.mkdir(parents=True)
    for entry in installed.files or ():
        relative = PurePosixPath(entry)
        if ".." in relative.parts or "__pycache__" in relative.parts:
            continue  # Scripts are not needed. Bytecode is compiled again.
        (files / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(str(installed.locate_file(entry))), files / relative)


def link_into(sources: Iterable[Path], site_packages: Path) -> None:
    """Fill `site_packages` with hard links to the files below each of `sources`; later ones replace earlier ones."""
    for source in sources:
        for file in source.rglob("*"):
            if file.is_dir():
                continue
            link = site_packages / file.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            os.link(file, link)


def digest(content: Path) -> str:
    """Return a file's SHA-256 in hex."""
    result = hashlib.sha256()
    with content.open("rb") as file:
        while block := file.read(1024 * 1024):
            result.update(block)
    return result.hexdigest()


def _tags(version: tuple[int, int], platforms: list[str]) -> frozenset[Tag]:
    interpreter = f"cp{version[0]}{version[1]}"
    return frozenset(
        [
            *cpython_tags(version, abis=[interpreter], platforms=platforms),
            *compatible_tags(version, interpreter=interpreter, platforms=platforms),
        ]
    )
