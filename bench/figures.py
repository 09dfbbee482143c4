"""A measured figure with its aim. Show figures and keep them."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vibedata.output import table

RESULTS = Path(__file__).resolve().parent / "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure.

    `value`, `aim` and `limit` are in `unit`, which is empty for a ratio or a count. `aim` and `limit` are upper bounds,
    None if there is none. `limit` is Azure's. `note` says what was measured.
    """

    name: str
    value: float
    unit: str
    aim: float | None
    limit: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the aim is met, or there is none."""
        return self.aim is None or self.value <= self.aim


def shown(figures: Sequence[Figure]) -> str:
    """Return the figures as a table for people."""
    rows = [
        (
            figure.name,
            _quantity(figure.value, figure.unit),
            _quantity(figure.aim, figure.unit),
            _quantity(figure.limit, figure.unit),
            "-" if figure.aim is None else "yes" if figure.met else "NO",
            figure.note,
        )
        for figure in figures
    ]
    title = f"bench: {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    return table(title, ("figure", "measured", "aim at most", "Azure's limit", "met", "what it is"), rows)


def keep(figures: Sequence[Figure], path: Path = RESULTS) -> None:
    """Write the figures as JSON, with the time, the processors and the machine's other load."""
    document: dict[str, Any] = {
        "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "processors": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "figures": [asdict(figure) | {"met": figure.met} for figure in figures],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _quantity(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    digits = f"{value:.0f}" if value == int(value) else f"{value:.2f}"
    return f"{digits} {unit}".strip()
