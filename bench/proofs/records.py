"""What the runs of the proof have come to, kept so that a later run goes on where one has stopped.

The records of one state of the sources are in a folder of its own. When the product changes, the proof begins anew.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.proofs.cases import Record

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".proof"
# What is proven. The lab and the proof itself may change without a change of the product.
PROVEN = ("runbooks", "runbook_lib", "oci", "publisher", "vibedata")
SHOWN_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The records of the sources with the digest `sources`, of all shards."""

    sources: str

    @property
    def folder(self) -> Path:
        """Where they are."""
        return FOLDER / self.sources

    def add(self, record: Record, *, shard: str) -> None:
        """Keep one. `shard` is the name of the file, which one process alone writes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{shard}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record.as_json()) + "\n")

    def all(self) -> list[Record]:
        """Return the newest record of each case, and every one of an undisturbed run."""
        newest = {}
        for number, record in enumerate(self._read()):
            case = (record.proof, record.number)
            newest[case if record.number else (record.proof, -number)] = record
        return list(newest.values())

    def _read(self) -> Iterator[Record]:
        for file in sorted(self.folder.glob("*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                yield Record(**json.loads(line))


def records_of_today() -> Records:
    """Return the records of the sources as they are now."""
    found = hashlib.sha256()
    for name in PROVEN:
        for file in sorted((ROOT / name).rglob("*.py")):
            found.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return Records(sources=found.hexdigest()[:SHOWN_CHARACTERS])
