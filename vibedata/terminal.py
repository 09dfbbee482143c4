"""All output of a command to standard output and standard error passes through this module.

Job output, answers of services, registries and tables hold texts that others have written. A terminal would obey their
control characters.
"""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO, cast

from rich.cells import cell_len

from runbook_lib.basics.visible_text import one_line, visible
from vibedata.lines import CODES, RESET, Line, plain, wrapped

# The maximum length of a foreign line, or of a cell of a table. A person needs no more.
LINE_CHARACTERS = 2000
# The size of a terminal that does not report its size.
COLUMNS, ROWS = 80, 24
# ECMA-48: move the cursor up this number of lines; erase everything from there on.
_UP, _ERASE = "\x1b[{}A", "\r\x1b[J"


def _filtered(text: str) -> str:
    return visible(text.expandtabs() if "\t" in text else text, keep="\n")


class _Filtered:
    """A text stream that shows control characters as escapes.

    All other attributes are those of the underlying stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text. Its line ends are kept."""
        self._stream.write(_filtered(text))
        return len(text)

    def writelines(self, lines: "list[str]") -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def unfiltered(self) -> TextIO:
        """The stream itself."""
        return self._stream


class Screen:
    """The last lines of a terminal, which are redrawn again and again.

    Their text is filtered as all other output is.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn: Sequence[str] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Return the columns and rows that may be used. A full last column or row would make the terminal scroll."""
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return COLUMNS - 1, ROWS - 1
        return (found.columns or COLUMNS) - 1, (found.lines or ROWS) - 1

    def draw(self, above: Sequence[str], block: Sequence[str]) -> None:
        """Write the lines `above`, which stay. Below them write `block` in place of the former block."""
        columns = self.size[0] + 1
        # If the terminal has become narrower since then, it has wrapped the former block.
        rows = sum(max(-(-cell_len(line) // columns), 1) for line in self._drawn)
        self._drawn = [_filtered(line) for line in block]
        lines = [*map(_filtered, above), *self._drawn]
        up = _UP.format(rows) if rows else ""
        self._stream.write(up + _ERASE + "".join(line + "\n" for line in lines))
        self._stream.flush()


def screen_of(stream: TextIO) -> Screen | None:
    """Return the screen of a stream.

    Return None if it is not a terminal, or if it is a terminal that cannot be redrawn.
    """
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    return Screen(stream.unfiltered if isinstance(stream, _Filtered) else stream)


def columns_of(stream: TextIO) -> int | None:
    """Return the columns of a terminal, None if the stream is not a terminal."""
    screen = screen_of(stream)
    return None if screen is None else screen.size[0]


def write_lines(stream: TextIO, lines: Iterable[Line]) -> None:
    """Write lines. On a terminal they are wrapped, and coloured unless NO_COLOR (no-color.org) is set."""
    columns = columns_of(stream)
    shown = list(wrapped((Line(_filtered(each.lead), _filtered(each.text), each.tone) for each in lines), columns))
    if columns is None or os.environ.get("NO_COLOR"):
        stream.write(plain(shown))
        return
    own = stream.unfiltered if isinstance(stream, _Filtered) else stream
    for line in shown:
        lead = f"{CODES[line.tone]}{line.lead}{RESET}" if line.lead.strip() else line.lead
        own.write(f"{lead}{line.text}\n")


@contextlib.contextmanager
def filtered_output() -> Iterator[None]:
    """Within the block, filter the output to sys.stdout and sys.stderr."""
    with (
        contextlib.redirect_stdout(cast(TextIO, _Filtered(sys.stdout))),
        contextlib.redirect_stderr(cast(TextIO, _Filtered(sys.stderr))),
    ):
        yield


def told(words: object) -> str:
    """Return somebody else's text as one line of limited length."""
    return one_line(str(words), LINE_CHARACTERS)
