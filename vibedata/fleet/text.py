"""`vibedata fleet status` for a terminal: one line for each instance, then the remedies. Pure."""

from collections.abc import Sequence

from vibedata.fleet.facts import Line
from vibedata.status.facts import Verdict
from vibedata.terminal import told

COLUMNS = ("instance", "id", "ring", "state", "release", "health", "last deployment", "credentials", "open rotations")


def text(lines: Sequence[Line], verdict: Verdict) -> str:
    """Return the headline, a line for each instance, and the concerns."""
    parts = [verdict.headline, ""]
    if lines:
        parts += [*_aligned([COLUMNS, *map(_cells, lines)]), ""]
    for note in verdict.notes:
        parts.append(f"  - {told(note.text)}" + (f"\n    what to do: {told(note.remedy)}" if note.remedy else ""))
    return "\n".join(parts).rstrip() + "\n"


def _cells(line: Line) -> tuple[str, ...]:
    instance = line.known.instance
    return (
        instance.display_name,
        instance.id,
        instance.ring or "-",
        line.level.value,
        line.release,
        line.health,
        line.deployment,
        line.credentials,
        line.rotations,
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines. No line is wrapped: each line is an instance, also for `grep` and `sort`."""
    cells = [[told(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
