"""What an expression of Bicep can give: texts whose parts know where they are written, objects, arrays, the unknown."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: as it is written at a line of a file, or None for what is not known here."""

    text: str | None
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A string, in its parts."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Members:
    """An object: the alternatives of each member, by name; None for names that are not known here."""

    of: Mapping[str | None, tuple["Value", ...]]


@dataclass(frozen=True, slots=True)
class Items:
    """An array: the alternatives of all its items."""

    of: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is not known here."""


Value = Text | Members | Items | Unknown
UNKNOWN = Unknown()
Values = tuple[Value, ...]
