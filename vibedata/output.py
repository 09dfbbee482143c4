"""Show a command's result: text for people, or one JSON object for programs (`--output json`)."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence

from vibedata.lines import Line
from vibedata.terminal import LINE_CHARACTERS, told, write_lines

CHOICES = ("text", "json")


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
    """Return a table as text, without colour, because no command writes control characters."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_justify="left")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        # Use Text: otherwise rich would read brackets as its own markup.
        shown.add_row(*(Text(told(cell)) for cell in row))
    console = Console(file=sys.stdout, color_system=None)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()
