"""The sources that the proof depends on: command, runbooks, callback API, and everything that they import.

The result of a case is valid as long as these sources are the same. The rest of the project, the lab and the proof
itself may change. There is one digest for all steps, because the command imports nearly everything for each step.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("runbooks", "runbook_lib", "oci", "publisher", "vibedata")
COMMAND, CALLBACK_API = "vibedata/commands/deploy.py", "publisher/__main__.py"
SHOWN_CHARACTERS = 12


@cache
def digest_of_today() -> str:
    """Return a digest of the sources as they are now."""
    return digest(
        ROOT, [COMMAND, CALLBACK_API, *(f"runbooks/{file.name}" for file in (ROOT / "runbooks").glob("*.py"))]
    )


def digest(root: Path, files: Iterable[str]) -> str:
    """Return a digest of our files below `root`, and of everything that they import, directly or indirectly."""
    waiting, found = list(files), dict[str, bytes]()
    while waiting:
        file = waiting.pop()
        if file not in found:
            found[file] = (root / file).read_bytes()
            waiting += _imported(root, found[file])
    told = hashlib.sha256()
    for file, content in sorted(found.items()):
        told.update(file.encode() + b"\0" + content + b"\0")
    return told.hexdigest()[:SHOWN_CHARACTERS]


def _imported(root: Path, content: bytes) -> Iterator[str]:
    for name in _names(ast.parse(content)):
        parts = name.split(".")
        for candidate in ("/".join(parts) + ".py", "/".join((*parts, "__init__.py"))):
            if parts[0] in OURS and (root / candidate).is_file():
                yield candidate


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that a module imports. One whose name is computed is a runbook, and these are all there."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module), names=aliases):
                yield module
                yield from (f"{module}.{alias.name}" for alias in aliases)
