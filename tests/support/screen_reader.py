"""Find out what a terminal of a given width shows. It knows enough of ECMA-48 for lines that are drawn again."""

import re

from rich.cells import cell_len

_PART = re.compile(r"\x1b\[(\d*)([AJ])|([\r\n])|([^\x1b\r\n]+)|(.)", re.DOTALL)


def shown(written: str, *, columns: int) -> list[str]:
    """Return the lines that the terminal shows at the end, with the lines that were scrolled out.

    A terminal's line discipline turns a line feed into two characters. This reads both forms. Raises ValueError for a
    control that we should send to no terminal.
    """
    rows: list[str] = [""]
    row, column = 0, 0
    for count, command, end, text, other in _PART.findall(written):
        if other:
            raise ValueError(f"an unexpected control: {other!r} in {written[:200]!r}")
        if command == "A":
            row = max(row - int(count or 1), 0)
        elif command == "J":
            rows[row:] = [rows[row][:column]]
        elif end == "\r":
            column = 0
        elif end == "\n":
            row, column = row + 1, 0
        for character in text:
            if column + cell_len(character) > columns:
                row, column = row + 1, 0
                rows += [""] * (row + 1 - len(rows))
            rows[row] = rows[row][:column].ljust(column) + character + rows[row][column + 1 :]
            column += cell_len(character)
        rows += [""] * (row + 1 - len(rows))
    return rows
