"""Values that an expression of Bicep can have: texts whose parts know their lines, objects, arrays, and the unknown."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, with the file and the line where it is written; None for an unknown part."""

    text: str | None
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A string, in its parts."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Members:
    """An object: the alternatives of each member, by name. The name None stands for unknown names."""

    of: Mapping[str | None, tuple["Value", ...]]


@dataclass(frozen=True, slots=True)
class Items:
    """An array: the alternatives of all its items."""

    of: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """An unknown value."""


Value = Text | Members | Items | Unknown
UNKNOWN = Unknown()
Values = tuple[Value, ...]
