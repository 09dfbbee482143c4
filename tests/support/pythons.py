"""The Pythons of this machine, one for each version, for tests of code that must run with any of them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def pythons() -> dict[str, Path]:
    """Every CPython >= 3.10 of this machine, one for each version."""
    names = [f"python3.{minor}" for minor in range(10, 20)]
    found = [Path(path) for path in map(shutil.which, names) if path]
    found += sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin/python3"))
    ask = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sys.version_info >= (3, 10))"
    result = {"the tests' own": Path(sys.executable)}
    for path in found:
        said = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False, timeout=60).stdout
        if re.fullmatch(r"cpython \S+ True\n", said):
            result.setdefault(said.split()[1], path)
    return result


def real(python: Path) -> Path:
    """Return where an interpreter itself is: a version manager's is found by a program that needs more of PATH."""
    ask = "import sys; print(sys.executable)"
    return Path(
        subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    )


def old_pythons() -> dict[str, Path]:
    """Every Python of this machine that is too old, one for each version."""
    names = ["python2.7", *(f"python3.{minor}" for minor in range(4, 10))]
    found = [Path(path) for path in map(shutil.which, names) if path]
    found += sorted((Path.home() / ".pyenv").glob("versions/*/bin/python"))
    result: dict[str, Path] = {}
    for path in found:
        ask = "import sys; print('%d.%d' % sys.version_info[:2])"
        said = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False, timeout=60).stdout
        if re.fullmatch(r"(2\.\d|3\.\d)\n", said):
            result.setdefault(said.strip(), real(path))
    return result
