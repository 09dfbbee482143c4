"""Write THIRD-PARTY-NOTICES.md from the locked wheels: `python -m scripts.pages.notices`.

The wheels come from the cache that the build uses; pip downloads what the cache lacks.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oci.build import WHEEL_CACHE
from oci.bundling.source_tree import LOCK_FILE
from oci.packages import package_lock
from oci.packages.facts import facts_of
from oci.packages.wheels import LockedWheel, collect

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "THIRD-PARTY-NOTICES.md"
# The longest licence text of today has 14 KB, the longest list 46 KB.
MAX_FILE_BYTES = 1024 * 1024
# The places of licences in wheels: PEP 639 (licenses/), PEP 770 (sboms/), and in older wheels beside METADATA.
_LICENCE = re.compile(r"[^/]+\.dist-info/(?:licenses/.+|(?:LICEN[CS]E|NOTICE|COPYING|AUTHORS)[^/]*)", re.IGNORECASE)
_INVENTORY = re.compile(r"[^/]+\.dist-info/sboms/.+\.json")
FENCE = "````"

INTRODUCTION = """\
# Third-party notices

A built runbook holds only the project's own code. The package set of a release holds the Python packages on this page:
one unchanged wheel of each, as its makers publish it.

*Made from the wheels of `oci/packages.lock` by `python -m scripts.pages.notices`.*
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What one wheel carries.

    Attributes:
        texts: The licence texts and notices, by the file's name.
        compiled: Name, version and licence of each foreign part that is compiled into it, from its own list.
    """

    texts: Mapping[str, str]
    compiled: Sequence[tuple[str, str, str]]


def page(wheels: Sequence[LockedWheel]) -> str:
    """Return the page as Markdown: the packages, what is compiled into them, and each licence text once.

    Args:
        wheels: The wheels of the lock, as `oci.packages.wheels.collect` returns them.

    Raises:
        RunbookError: VD-BUILD-005, a wheel has no METADATA that can be read.
        ValueError: A wheel has no licence text, or a file in it is too large or cannot be shown.
    """
    facts = facts_of(wheels)
    carried = {wheel.package.name: _carried(wheel) for wheel in wheels}
    parts = [INTRODUCTION, "## Packages\n", "| package | version | licence | texts |", "|---|---|---|---|"]
    parts += [
        f"| {package.name} | {package.version} | {facts[package.name].licence} | {_names(carried[package.name])} |"
        for package in (wheel.package for wheel in wheels)
    ]
    for name, found in carried.items():
        if found.compiled:
            parts += [f"\n## Compiled into {name}\n", f"The wheel of {name} lists these parts itself.\n"]
            parts += ["| part | version | licence |", "|---|---|---|"]
            parts += [f"| {part} | {version} | {licence} |" for part, version, licence in found.compiled]
    parts.append("\n## Texts")
    parts += [f"\n### {', '.join(files)}\n\n{FENCE}text\n{text}\n{FENCE}" for text, files in _each_once(carried)]
    return "\n".join(parts) + "\n"


def main() -> int:
    """Write the page."""
    locked = package_lock.parse((ROOT / LOCK_FILE).read_text(encoding="ascii"))
    PAGE.write_text(page(collect(locked, cache=ROOT / WHEEL_CACHE)), encoding="utf-8")
    return 0


def _carried(wheel: LockedWheel) -> Carried:
    texts: dict[str, str] = {}
    compiled: set[tuple[str, str, str]] = set()
    with zipfile.ZipFile(wheel.path) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            if _LICENCE.fullmatch(entry.filename):
                texts[entry.filename.rpartition("/")[2]] = _shown(_read(archive, entry))
            elif _INVENTORY.fullmatch(entry.filename):
                compiled.update(_parts(_read(archive, entry)))
    if not texts:
        raise ValueError(f"{wheel.path.name} has no licence text")
    return Carried(texts=dict(sorted(texts.items())), compiled=sorted(compiled))


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    if entry.file_size > MAX_FILE_BYTES:
        raise ValueError(f"{entry.filename} has {entry.file_size} bytes, at most {MAX_FILE_BYTES}")
    return archive.read(entry).decode("utf-8-sig")


def _shown(text: str) -> str:
    """Return a text for a fenced block: no spaces at the ends of lines, no empty lines around it."""
    if FENCE in text:
        raise ValueError("a licence text holds the fence that is to surround it")
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def _parts(inventory: str) -> Iterator[tuple[str, str, str]]:
    """Yield the parts in a CycloneDX list, with "not said" for a part without a licence."""
    for part in json.loads(inventory).get("components", ()):
        said = [each.get("expression") or each["license"].get("id", "") for each in part.get("licenses", ())]
        yield part["name"], part["version"], ", ".join(filter(None, said)) or "not said"


def _names(carried: Carried) -> str:
    return ", ".join(carried.texts)


def _each_once(carried: Mapping[str, Carried]) -> Iterable[tuple[str, list[str]]]:
    """Yield each text with the files that hold it. Texts that differ only in white space are the same."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, each in carried.items():
        for file, text in each.texts.items():
            found.setdefault(" ".join(text.split()), (text, []))[1].append(f"{name} ({file})")
    return found.values()


if __name__ == "__main__":
    raise SystemExit(main())
