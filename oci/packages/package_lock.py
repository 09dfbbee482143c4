"""Read and write packages.lock: the version of each package that runbooks need, and the hash of its one wheel. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.errors import build

HEADER = "# Made by `make lock` from packages.in: CPython 3.10, manylinux2014 x86_64, exactly one wheel each.\n"
# Names are normalised (PEP 503); versions are public ones (PEP 440) without a local part.
_LINE = re.compile(
    r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[0-9][0-9a-z.!]*) --hash=sha256:(?P<sha256>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One package: its normalised name, its version, and the SHA-256 (hex) of its one wheel."""

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        """Return the lock's line, which is also a pip requirement."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


def render(packages: Sequence[LockedPackage]) -> str:
    """Return the lock's text, packages in order of their names."""
    return HEADER + "".join(f"{package}\n" for package in sorted(packages, key=lambda package: package.name))


def parse(text: str) -> tuple[LockedPackage, ...]:
    """Return the packages of a lock's text, in order of their names.

    Raises RunbookError VD-BUILD-006 if a line has another form, if a name is there twice, or if there is no package.
    """
    packages: dict[str, LockedPackage] = {}
    # Split only at these line ends. Python's splitlines has more of them, and those must not end a comment.
    for number, line in enumerate(re.split("\r?\n", text), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise build.LOCK_INVALID.error("takes name==version --hash=sha256:HEX", target=f"line {number}")
        package = LockedPackage(**match.groupdict())
        if package.name in packages:
            raise build.LOCK_INVALID.error(f"{package.name} is there twice", target=f"line {number}")
        packages[package.name] = package
    if not packages:
        raise build.LOCK_INVALID.error("it holds no package")
    return tuple(packages[name] for name in sorted(packages))
