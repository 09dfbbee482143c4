"""Lines for people: a coloured beginning, words that wrap below it, and colour only where somebody sees it. Pure."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

# What a line's beginning says. Colour never speaks alone: the words say the same.
Tone = Literal["bad", "odd", "good", "plain"]
# ECMA-48, select graphic rendition: bold with red, yellow, green, or nothing else.
CODES: dict[Tone, str] = {"bad": "\x1b[1;31m", "odd": "\x1b[1;33m", "good": "\x1b[1;32m", "plain": "\x1b[1m"}
RESET = "\x1b[0m"
# Longer lines are hard to read.
MAX_COLUMNS = 100
# Stands for a space in a command between backticks: who copies a command gets no line's end in its middle.
_KEPT = "\ue000"
# So much at least is left beside a beginning.
_MIN_TEXT = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line. `lead` is its beginning, with what indents it. `text` follows it, and wraps below its own beginning."""

    lead: str
    text: str
    tone: Tone = "plain"


def wrapped(lines: Iterable[Line], columns: int | None) -> Iterator[Line]:
    """Yield the lines as they fit into so many columns, each by itself. None: no line is wrapped."""
    for line in lines:
        width = len(line.lead)
        if columns is None or width + len(line.text) <= min(columns, MAX_COLUMNS):
            yield line
            continue
        room = max(min(columns, MAX_COLUMNS) - width, _MIN_TEXT)
        kept = "`".join(
            part.replace(" ", _KEPT) if place % 2 else part for place, part in enumerate(line.text.split("`"))
        )
        parts = textwrap.wrap(kept, room, break_on_hyphens=False, break_long_words=False)
        for place, part in enumerate(parts):
            yield Line(line.lead if place == 0 else " " * width, part.replace(_KEPT, " "), line.tone)


def plain(lines: Iterable[Line], columns: int | None = None) -> str:
    """Return the lines as text without colour."""
    return "".join(f"{line.lead}{line.text}".rstrip() + "\n" for line in wrapped(lines, columns))
