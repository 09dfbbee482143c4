"""Make a transcript the same on each day: replace times, ids, addresses and durations by one form each. Pure."""

import itertools
import re
from collections.abc import Callable, Sequence

_HEXADECIMAL = "0123456789abcdef"
# The order matters: an earlier pattern must replace what a later pattern would also match.
_FORMS: Sequence[tuple[str, str | Callable[[re.Match[str]], str]]] = (
    # Lines about waiting. Their number depends on the machine.
    (r"(?m)^.*whole: .*\)\n", ""),
    (r"(?m)^.*\d+ of \d+ (?:done, \d+ in flight, .*|components looked at)\n", ""),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "2026-11-30T09:00:00Z"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?", "2026-11-30 09:00"),
    (r"(?m)^\d\d-\d\d \d\d:\d\d", "11-30 09:00"),
    (r"\b\d\d:\d\d:\d\d\b", "09:00:00"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "00000000-0000-4000-8000-000000000000"),
    (r"(?m)^(11-30 09:00  )[0-9a-f]{8}\b", r"\g<1>00000000"),
    (r"--older-than [0-9a-f]{8}\b", "--older-than 00000000"),
    (r"hmac-[0-9a-f]{16}", "hmac-0123456789abcdef"),
    # The sources on this machine may differ from every commit, or there may be no clone.
    (r"(?m)^.*these files differ from commit .*\n", ""),
    (r"built (?:outside a clone|from commit [0-9a-f]{12}(?:, with [^;]*)?);", "built from commit 0123456789ab;"),
    (r"started by \S+ with", "started by operator@desk with"),
    (r"\(last seen: \w+\)", "(last seen: Running)"),
    # Sizes and their shares of a limit. Each change of a source changes them. In a table they keep their width.
    (r"(\d{1,3}(?:,\d{3})+)(?= *│)", lambda found: "N".ljust(len(found[0]))),
    (r"(\d+%)(?= *│)", lambda found: "N%".ljust(len(found[0]))),
    (r"\b\d{1,3}(?:,\d{3})+\b", "N"),
    (r"\b\d+ bytes\b", "N bytes"),
    (r"\b\d+%", "N%"),
    (r"(?:\b|(?<=sha256:))[0-9a-f]{12,64}(?= *│)", lambda found: (_HEXADECIMAL * 4)[: len(found[0])]),
    (r"sha256:[0-9a-f]{8,64}\b(?! *│)", "sha256:0123456789ab"),
    (r"\b[0-9a-f]{32,64}\b(?! *│)", _HEXADECIMAL * 2),
    (r"(?:127\.0\.0\.1|localhost):\d+", "127.0.0.1:443"),
    (r"\b\d+ min \d+ s\b", "N s"),
    (r"\b\d+(?:\.\d+)? (?:s|ms|seconds?|min|minutes?)\b", "N s"),
)
_RULES = tuple((re.compile(pattern), form) for pattern, form in _FORMS)
# A table without lines between its columns, such as that of the fleet.
_BETWEEN_COLUMNS, _WIDE = re.compile(" {2,}"), 6
# Lines about changes that run side by side. They come in the order in which the changes end.
_SIDE_BY_SIDE = re.compile(r"VERBOSE: |validate_runbooks: \w+ ready")


def steady(text: str, names: dict[str, str]) -> str:
    """Return a text with one form for everything that differs from day to day.

    `names` has the form of each folder and host.
    """
    for name, form in names.items():
        text = text.replace(name, form)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    groups = itertools.groupby((line.rstrip() for line in text.splitlines()), key=_is_side_by_side)
    lines = [line for together, each in groups for line in (sorted(each) if together else each)]
    return "".join(f"{line}\n" for _, each in itertools.groupby(lines, key=_columns) for line in _aligned(list(each)))


def _is_side_by_side(line: str) -> bool:
    return _SIDE_BY_SIDE.match(line) is not None


def _columns(line: str) -> int:
    """Return how many columns a line of a wide table has, 0 for another line."""
    columns = len(_BETWEEN_COLUMNS.split(line))
    return columns if columns >= _WIDE and "│" not in line else 0


def _aligned(lines: Sequence[str]) -> Sequence[str]:
    """Return a wide table. Each column is as wide as its present content."""
    if not _columns(lines[0]):
        return lines
    rows = [_BETWEEN_COLUMNS.split(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
