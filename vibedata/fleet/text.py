"""`vibedata fleet status` as text, and for a terminal. Pure."""

from collections.abc import Iterator, Sequence

from vibedata import lines as for_people
from vibedata.fleet.facts import Line
from vibedata.lines import Tone
from vibedata.status.facts import Level, Verdict
from vibedata.terminal import told

COLUMNS = ("instance", "id", "ring", "state", "release", "health", "last deployment", "credentials", "open rotations")
_TONES: dict[Level, Tone] = {Level.ILL: "bad", Level.UNKNOWN: "odd", Level.ATTENTION: "odd", Level.WELL: "good"}
_LEAD = max(len(level.value) for level in Level) + 2


def text(lines: Sequence[Line], verdict: Verdict) -> str:
    """Return the headline, one line for each instance, and the concerns. `grep` and `sort` can read the text, too."""
    parts = [verdict.headline, ""]
    if lines:
        parts += [*_aligned([COLUMNS, *map(_cells, lines)]), ""]
    return ("\n".join(parts) + "\n" + for_people.plain(_concerns(verdict))).rstrip() + "\n"


def on_screen(lines: Sequence[Line], verdict: Verdict) -> Iterator[for_people.Line]:
    """Yield the same facts for a terminal. A terminal folds long lines, so each instance has several short lines."""
    yield for_people.Line("", verdict.headline)
    for line in lines:
        instance = line.known.instance
        ring = f", ring {instance.ring}" if instance.ring else ""
        yield for_people.Line("", "")
        lead = line.level.value.ljust(_LEAD)
        yield for_people.Line(lead, told(f"{instance.display_name} ({instance.id}){ring}"), _TONES[line.level])
        for words in (
            f"release {line.release}; health: {line.health}",
            f"last deployment: {line.deployment}",
            f"{line.credentials}; open rotations: {line.rotations}",
        ):
            yield for_people.Line(" " * _LEAD, told(words))
    concerns = tuple(_concerns(verdict))
    if concerns:
        yield for_people.Line("", "")
        yield from concerns


def _concerns(verdict: Verdict) -> Iterator[for_people.Line]:
    for note in verdict.notes:
        yield for_people.Line("  - ", told(note.text), _TONES[note.level])
        if note.remedy:
            yield for_people.Line("    what to do: ", told(note.remedy))


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
    """Return the rows as lines. No line is wrapped, so that `grep` and `sort` find one instance in each line."""
    cells = [[told(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
