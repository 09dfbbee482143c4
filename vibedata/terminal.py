"""All that a command writes to standard output and standard error goes through here.

Job output, answers of services, registries, tables: words of others are among it, and a terminal obeys what they hold.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from runbook_lib.basics.visible_text import one_line, visible

# A line of somebody else's, or a cell of a table: more tells nobody more.
LINE_CHARACTERS = 2000


class _Filtered:
    """A text stream that shows what a terminal would obey as an escape; the rest is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text; line ends stay."""
        self._stream.write(visible(text.expandtabs() if "\t" in text else text, keep="\n"))
        return len(text)

    def writelines(self, lines: "list[str]") -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def filtered_output() -> Iterator[None]:
    """Filter what is written to sys.stdout and sys.stderr within."""
    with (
        contextlib.redirect_stdout(cast(TextIO, _Filtered(sys.stdout))),
        contextlib.redirect_stderr(cast(TextIO, _Filtered(sys.stderr))),
    ):
        yield


def told(words: object) -> str:
    """Return somebody else's words as one line of bounded length."""
    return one_line(str(words), LINE_CHARACTERS)
