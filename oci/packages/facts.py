"""Read a wheel's licence, makers and requirements from its METADATA (PEP 566, 639). Pure.

The same wheels give the same facts on every machine: markers are evaluated for the sandbox, never for this machine.
"""

import email.utils
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from oci.bundling.sandbox import OLDER_PLATFORMS, PYTHON_VERSION, WHEEL_ABIS, WHEEL_PLATFORMS
from oci.packages.wheels import UNREADABLE, LockedWheel
from runbook_lib.errors import build

# The limit is high, because some METADATA hold the whole text of a licence.
MAX_METADATA_BYTES = 4 * 1024 * 1024
MAX_LICENCE_CHARACTERS = 64
_VERSION = ".".join(map(str, PYTHON_VERSION))
# The sandbox in the terms of markers (PEP 508). Its patch version is not documented.
_SANDBOX = {
    "implementation_name": "cpython",
    "implementation_version": f"{_VERSION}.0",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": f"{_VERSION}.0",
    "python_version": _VERSION,
    "sys_platform": "linux",
}
_PLATFORMS = (*WHEEL_PLATFORMS, *OLDER_PLATFORMS)
# The tags that the sandbox can install. CPython's tags include abi3.
_COMPATIBLE = frozenset(cpython_tags(PYTHON_VERSION, WHEEL_ABIS[:1], _PLATFORMS)) | frozenset(
    compatible_tags(PYTHON_VERSION, WHEEL_ABIS[0], _PLATFORMS)
)
# The SPDX ids of trove classifiers, for a package that does not name its licence otherwise.
_CLASSIFIERS = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
}
_OSI = "License :: OSI Approved :: "


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFacts:
    """The facts about one package.

    Attributes:
        licence: An SPDX expression if the package gives one, otherwise a name, or "NOASSERTION" if there is none.
        supplier: The maker.
        authors: The name and the e-mail address of each author. A missing name or address is "".
        needs: The names of the packages that it needs in the sandbox.
    """

    licence: str
    supplier: str
    authors: tuple[tuple[str, str], ...]
    needs: tuple[str, ...] = ()


def facts_of(wheels: Iterable[LockedWheel]) -> dict[str, PackageFacts]:
    """Return the facts in each wheel, by its package's name.

    Raises RunbookError VD-BUILD-005 for a wheel without readable METADATA, or with a marker that has no result.
    """
    metadata = {wheel.package.name: _metadata(wheel) for wheel in wheels}
    requirements = {name: _requirements(found) for name, found in metadata.items()}
    extras = _extras(requirements)
    return {name: _facts(name, found, requirements[name], extras[name]) for name, found in metadata.items()}


def unmet_needs(wheels: Sequence[LockedWheel]) -> tuple[str, ...]:
    """Return in words why a set of packages does not work in the sandbox. The result is empty if it works.

    The reasons are a wheel for another platform, a package for another Python, and a needed package that the set lacks
    or has in another version. Raises RunbookError VD-BUILD-005 for a wheel with a malformed name, without readable
    METADATA, or with a marker that has no result.
    """
    found: list[str] = []
    versions: dict[str, str] = {}
    metadata = {wheel.package.name: _metadata(wheel) for wheel in wheels}
    for wheel in wheels:
        try:
            _, version, _, tags = parse_wheel_filename(wheel.path.name)
        except InvalidWheelFilename as error:
            raise build.WHEEL_NOT_LOCKED.error(str(error), target=wheel.package.name) from error
        versions[wheel.package.name] = str(version)
        if not _COMPATIBLE & tags:
            found.append(f"{wheel.path.name} is made for another platform")
    requirements = {name: _requirements(each) for name, each in metadata.items()}
    extras = _extras(requirements)
    for name, said in metadata.items():
        takes = said.requires_python
        if takes is not None and not takes.contains(f"{_VERSION}.0"):
            found.append(f"{name} takes Python {takes}")
        for requirement in _active(name, requirements[name], extras[name]):
            held = versions.get(str(canonicalize_name(requirement.name)))
            wanted = f"{name} needs {requirement.name}{requirement.specifier}"
            if held is None:
                found.append(f"{wanted}, which is not there")
            elif not requirement.specifier.contains(held, prereleases=True):
                found.append(f"{wanted}, and {held} is there")
    return tuple(dict.fromkeys(found))


def _metadata(wheel: LockedWheel) -> Metadata:
    try:
        with zipfile.ZipFile(wheel.path) as archive:
            (entry,) = (each for each in archive.infolist() if _is_metadata(each.filename))
            if entry.file_size > MAX_METADATA_BYTES:
                raise ValueError("its METADATA is too large")
            found = Metadata.from_email(archive.read(entry), validate=False)
            # The library reads each of these fields when it is first used, and a field may be malformed.
            _ = found.requires_dist, found.requires_python
            return found
    except UNREADABLE as error:
        raise build.WHEEL_NOT_LOCKED.error("it has no METADATA that can be read", target=wheel.package.name) from error


def _is_metadata(name: str) -> bool:
    return name.count("/") == 1 and name.endswith(".dist-info/METADATA")


def _requirements(metadata: Metadata) -> tuple[Requirement, ...]:
    return tuple(metadata.requires_dist or ())


def _extras(requirements: Mapping[str, tuple[Requirement, ...]]) -> dict[str, frozenset[str]]:
    """Return for each package the extras that other packages need.

    An extra can need extras of other packages. So this looks again until it finds no more.
    """
    found: dict[str, frozenset[str]] = {name: frozenset() for name in requirements}
    while True:
        before = dict(found)
        for name, needed in requirements.items():
            for requirement in _active(name, needed, before[name]):
                target = canonicalize_name(requirement.name)
                if target in found:
                    found[target] |= requirement.extras
        if found == before:
            return found


def _active(name: str, requirements: Iterable[Requirement], extras: frozenset[str]) -> list[Requirement]:
    """Return the requirements of a package that hold in the sandbox.

    Raises RunbookError VD-BUILD-005 for a marker that has no result, because its values cannot be compared.
    """
    try:
        return [
            requirement
            for requirement in requirements
            if requirement.marker is None
            or any(requirement.marker.evaluate({**_SANDBOX, "extra": extra}) for extra in ("", *extras))
        ]
    except (ValueError, LookupError) as error:
        raise build.WHEEL_NOT_LOCKED.error(f"a marker of its METADATA has no result: {error}", target=name) from error


def _facts(name: str, metadata: Metadata, requirements: Iterable[Requirement], extras: frozenset[str]) -> PackageFacts:
    people = _people(metadata)
    supplier = next((who or address for who, address in people), f"the project {name}")
    needs = {str(canonicalize_name(each.name)) for each in _active(name, requirements, extras)} - {name}
    return PackageFacts(
        licence=_licence(metadata), supplier=supplier, authors=tuple(people), needs=tuple(sorted(needs))
    )


def _licence(metadata: Metadata) -> str:
    if metadata.license_expression:
        return str(metadata.license_expression)
    named = [each.removeprefix(_OSI) for each in metadata.classifiers or () if each.startswith(_OSI)]
    if named:
        return ", ".join(_CLASSIFIERS.get(each, each) for each in named)
    said = (metadata.license or "").strip()
    short = said if said and len(said) <= MAX_LICENCE_CHARACTERS and said.isprintable() else ""
    return _CLASSIFIERS.get(short, short) or "NOASSERTION"


def _people(metadata: Metadata) -> list[tuple[str, str]]:
    """Return the name and the address of each author, or of each maintainer if there is no author.

    A name and an address in one mail header are of one person. If the header has at most one address, the separate
    field with a name is of the same person.
    """
    for name, address in ((metadata.author, metadata.author_email), (metadata.maintainer, metadata.maintainer_email)):
        found = [pair for pair in email.utils.getaddresses([address or ""]) if any(pair)]
        if name and len(found) <= 1:
            return [(name, found[0][1] if found else "")]
        if name or found:
            return ([(name, "")] if name else []) + found
    return []
