"""The Pythons of this machine, one for each version, for tests of code that must run with any of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Each worker of the tests asks every Python. So it asks each only once, for all facts together.
# Python 2 has no sys.implementation.
ASK = "import sys; print(sys.implementation.name if sys.version_info[0] > 2 else ''); "
ASK += "print('%d.%d' % sys.version_info[:2]); print(sys.executable)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Python:
    """The facts that a Python reports about itself: e.g. `cpython`, `3.10`, and its path."""

    implementation: str
    version: str
    executable: Path

    @property
    def minor(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))


def pythons() -> dict[str, Path]:
    """Every CPython >= 3.10 of this machine, one for each version."""
    result = {"the tests' own": Path(sys.executable)}
    names = [f"python3.{minor}" for minor in range(10, 20)]
    for path in _found(names, Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")), "python3"):
        said = _asked(path)
        if said and said.implementation == "cpython" and said.minor >= (3, 10):
            result.setdefault(said.version, path)
    return result


def real(python: Path) -> Path:
    """Return the path of the interpreter itself. A version manager's program would need more of PATH to find it."""
    said = _asked(python)
    assert said is not None, f"{python} does not start"
    return said.executable


def old_pythons() -> dict[str, Path]:
    """Every Python of this machine that is too old, one for each version."""
    names = ["python2.7", *(f"python3.{minor}" for minor in range(4, 10))]
    result: dict[str, Path] = {}
    for path in _found(names, Path.home() / ".pyenv", "python"):
        said = _asked(path)
        if said and said.minor < (3, 10):
            result.setdefault(said.version, said.executable)
    return result


def _found(names: list[str], manager: Path, program: str) -> Iterator[Path]:
    yield from (Path(path) for path in map(shutil.which, names) if path)
    yield from sorted(manager.glob(f"versions/*/bin/{program}"))


@cache
def _asked(python: Path) -> _Python | None:
    """Return the facts that a Python reports about itself, None if it does not start."""
    done = subprocess.run([python, "-S", "-c", ASK], capture_output=True, text=True, check=False, timeout=60)
    lines = done.stdout.splitlines()
    if len(lines) != 3:
        return None
    return _Python(implementation=lines[0], version=lines[1], executable=Path(lines[2]))
