"""The results of the proof's runs, kept so that a later run can continue where an earlier one stopped.

A record names the version of the sources that it was made with. When the sources change, its case is done again. Until
then the page shows that it was done with earlier sources.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.proofs.cases import UNDISTURBED, Record
from bench.proofs.sources import ROOT

FOLDER = ROOT / ".proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The records of all shards. sources: the digest of today's sources."""

    folder: Path
    sources: str

    def add(self, record: Record, *, shard: str) -> None:
        """Keep a record. `shard` is the name of the file. Only one process writes this file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{shard}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record.as_json()) + "\n")

    def today(self) -> list[Record]:
        """Return the newest record of each case that was done with today's sources."""
        newest = {record.case: record for record in self._read() if record.sources == self.sources}
        return [record for record in newest.values() if record.proof != UNDISTURBED]

    def earlier(self) -> list[Record]:
        """Return the newest record of each case that was done only with earlier sources."""
        done = {record.case for record in self.today()}
        newest = {record.case: record for record in self._read() if record.sources != self.sources}
        return [record for record in newest.values() if record.proof != UNDISTURBED and record.case not in done]

    def undisturbed(self) -> dict[str, list[Record]]:
        """Return for each step the undisturbed runs with today's sources, in any order."""
        found: dict[str, list[Record]] = {}
        for record in self._read():
            if record.proof == UNDISTURBED and record.sources == self.sources:
                found.setdefault(record.step, []).append(record)
        return found

    def _read(self) -> list[Record]:
        """Return the records of all files, the oldest first. A case may be in the files of several shards."""
        files = sorted(self.folder.glob("*.jsonl"))
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        return sorted((Record(**json.loads(line)) for line in lines), key=lambda record: record.ended)
