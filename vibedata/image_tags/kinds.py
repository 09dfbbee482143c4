"""The values that an expression of Bicep can have: texts, objects, arrays, and unknown values.

Each part of a text knows its line. Each value knows its size: the number of its parts at all depths, and one for the
value itself. A few lines of Bicep can make a value with so many parts that nobody can count them one by one. For the
same reason objects and arrays keep their hash.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# The work that one search may do: the number of the parts of values that it may make. The project's template, with all
# its modules, takes 3 % of this work. The whole work takes a few seconds.
MAX_WORK = 400_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, with the file and the line where it is written. `text` is None for an unknown part."""

    text: str | None
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A string, in its parts."""

    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Return the number of its parts, and one for the text itself."""
        return 1 + len(self.pieces)


@dataclass(frozen=True, slots=True)
class Members:
    """An object: the alternatives of each member, by name. The name None stands for unknown names."""

    of: Mapping[str | None, tuple["Value", ...]]
    size: int = field(init=False, compare=False, repr=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Keep the size and the hash."""
        object.__setattr__(self, "size", 1 + sum(size_of(values) for values in self.of.values()))
        object.__setattr__(self, "_hash", hash(frozenset(self.of.items())))

    def __hash__(self) -> int:
        """Return the hash of the members."""
        return self._hash


@dataclass(frozen=True, slots=True)
class Items:
    """An array: the alternatives of all its items."""

    of: tuple["Value", ...]
    size: int = field(init=False, compare=False, repr=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Keep the size and the hash."""
        object.__setattr__(self, "size", 1 + size_of(self.of))
        object.__setattr__(self, "_hash", hash(self.of))

    def __hash__(self) -> int:
        """Return the hash of the items."""
        return self._hash


@dataclass(frozen=True, slots=True)
class Unknown:
    """An unknown value."""

    size: int = field(default=1, init=False, compare=False, repr=False)


Value = Text | Members | Items | Unknown
UNKNOWN = Unknown()
Values = tuple[Value, ...]


def size_of(values: Iterable[Value]) -> int:
    """Return the sum of the sizes of values."""
    return sum(value.size for value in values)


class TooComplexError(Exception):
    """The files need more work than any real files do."""


class Work:
    """The work that may still be done: the number of the parts of values that may still be made."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def spend(self, parts: int) -> None:
        """Count parts of values. Raises TooComplexError if they are more than the parts that may still be made."""
        self._left -= parts
        if self._left < 0:
            raise TooComplexError
