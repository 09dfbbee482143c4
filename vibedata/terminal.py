"""Everything that a command writes to standard output and standard error passes through this module.

Job output, answers of services, registries and tables hold texts of others, and a terminal obeys control characters.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from runbook_lib.basics.visible_text import one_line, visible

# The limit of somebody else's line, or of a cell of a table: a person needs no more.
LINE_CHARACTERS = 2000


class _Filtered:
    """A text stream that shows control characters as escapes. Everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text. Line ends stay."""
        self._stream.write(visible(text.expandtabs() if "\t" in text else text, keep="\n"))
        return len(text)

    def writelines(self, lines: "list[str]") -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


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
