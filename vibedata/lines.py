"""Lines for people. Each has a coloured beginning, and its words wrap below it.

Colour is used only on a terminal. Pure.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

# The meaning of a line's beginning. Colour is never the only sign: the words say the same.
Tone = Literal["bad", "odd", "good", "plain"]
# The codes of ECMA-48, select graphic rendition: bold red, bold yellow, bold green, or bold.
CODES: dict[Tone, str] = {"bad": "\x1b[1;31m", "odd": "\x1b[1;33m", "good": "\x1b[1;32m", "plain": "\x1b[1m"}
RESET = "\x1b[0m"
# Longer lines are hard to read.
MAX_COLUMNS = 100
# It stands for a space in a command between backticks. So a copied command has no line end in its middle.
_KEPT = "\ue000"
# At least this number of columns is left for the text beside the beginning.
_MIN_TEXT = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line. `lead` is its beginning, with the indentation.

    `text` follows `lead`, and its further lines are indented below it.
    """

    lead: str
    text: str
    tone: Tone = "plain"


def wrapped(lines: Iterable[Line], columns: int | None) -> Iterator[Line]:
    """Yield the lines wrapped at `columns`, each by itself. None means that no line is wrapped."""
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
