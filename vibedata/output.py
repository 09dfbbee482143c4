"""Show a command's result: text for people, or one JSON object for programs (`--output json`)."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from vibedata.lines import Line
from vibedata.terminal import LINE_CHARACTERS, told, write_lines

if TYPE_CHECKING:
    from rich.console import Console

CHOICES = ("text", "json")
# A frame takes this number of characters in front of and behind the text of a column.
BORDER_CHARACTERS = 3


class CommandError(Exception):
    """A command failed. It says what happened and what to do."""

    def __init__(self, message: str, *, remedy: str) -> None:
        """Keep the message and the remedy, one sentence each."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.exit_code = 1

    def __str__(self) -> str:
        """Return what a person reads."""
        return f"{self.message}\n  what to do: {self.remedy}"

    def as_json(self) -> dict[str, object]:
        """Return the error for `--output json`."""
        return {"message": self.message, "remedy": self.remedy}


def show(output: str, *, result: Mapping[str, object], text: str) -> None:
    """Write a command's result to standard output: `result` as one line of JSON, or `text`."""
    # The JSON is ASCII. json does not escape DEL, which a terminal does not show.
    shown = json.dumps(result).replace("\x7f", "\\u007f") if output == "json" else text
    sys.stdout.write(shown if shown.endswith("\n") else shown + "\n")
    sys.stdout.flush()


def show_lines(output: str, *, result: Mapping[str, object], lines: Iterable[Line], more: str = "") -> None:
    """Write a command's result to standard output: `result` as one line of JSON, or the lines and `more` below them."""
    if output == "json":
        show(output, result=result, text="")
        return
    write_lines(sys.stdout, lines)
    sys.stdout.write(more)
    sys.stdout.flush()


def show_failure(output: str, *, error: Mapping[str, object], text: str) -> None:
    """Write a failure: as JSON to standard output, or `text` to standard error."""
    if output == "json":
        show(output, result={"status": "failed", "error": error}, text="")
    else:
        lines = text.splitlines()
        cut = (line if len(line) <= LINE_CHARACTERS else line[:LINE_CHARACTERS] + " ... (cut)" for line in lines)
        sys.stderr.write("\n".join(cut) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as text, without colour, because no command writes control characters.

    If a column is too narrow for a word, the word would be cut, and nobody could copy it. Then each row is a record:
    its first cell, and below it a line for each of its other cells. Empty cells are left out.
    """
    from rich.console import Console

    cells = [[told(cell) for cell in row] for row in rows]
    console = Console(file=sys.stdout, color_system=None)
    widest = (max(map(len, " ".join(column).split())) for column in zip(columns, *cells, strict=True))
    if sum(widest) + BORDER_CHARACTERS * len(columns) + 1 > console.width:
        return "\n".join([title, *(line for row in cells for line in _record(columns, row))]) + "\n"
    return _framed(console, title, columns, cells)


def _record(columns: Sequence[str], cells: Sequence[str]) -> list[str]:
    """Return a row as lines, each with the name of its column."""
    widest = max(map(len, columns[1:]), default=0)
    pairs = zip(columns[1:], cells[1:], strict=True)
    return [cells[0], *(f"  {column:<{widest}}  {cell}" for column, cell in pairs if cell)]


def _framed(console: "Console", title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_justify="left")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        # Use Text: otherwise rich would read brackets as its own markup.
        shown.add_row(*map(Text, row))
    with console.capture() as capture:
        console.print(shown)
    return capture.get()
