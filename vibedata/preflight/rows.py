"""The rows of the table, from both places, and how they are shown. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from runbook_lib.preflight.finding import Finding, State
from vibedata.terminal import told

HERE, SANDBOX = "here", "sandbox"
# The worst state comes last, next to the prompt.
ORDER: tuple[State, ...] = ("good", "unknown", "bad")
_INDENT = " " * 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row.

    Attributes:
        subject: what was looked at.
        state: good, bad or unknown.
        detail: the cause, or what was seen.
        code: the error's code, for a bad row.
        remedy: what to do.
        line: the shell command that repairs it, "" for none.
        seen_from: HERE or SANDBOX, or both.
    """

    subject: str
    state: State
    detail: str
    code: str = ""
    remedy: str = ""
    line: str = ""
    seen_from: tuple[str, ...] = (HERE,)


def row_of(finding: Finding, seen_from: str = HERE) -> Row:
    """Return the row of a finding."""
    return Row(
        subject=finding.subject,
        state=finding.state,
        detail=finding.detail,
        code=finding.error.code if finding.error else "",
        remedy=finding.error.remedy if finding.error else "",
        line=finding.error.line if finding.error else "",
        seen_from=(seen_from,),
    )


def joined(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return the rows in ORDER. Equal findings from both places become one row. Two of one place are two findings."""
    kept: list[Row] = []
    for row in rows:
        for place, first in enumerate(kept):
            if _finding(first) == _finding(row) and not set(first.seen_from) & set(row.seen_from):
                both = (*first.seen_from, *row.seen_from)
                kept[place] = replace(first, line=first.line or row.line, seen_from=both)
                break
        else:
            kept.append(row)
    return tuple(sorted(kept, key=lambda row: ORDER.index(row.state)))


def _finding(row: Row) -> tuple[str, ...]:
    """Return what is the same from both places. The words may differ, and a job's command is not always shown."""
    return row.subject, row.state, row.code


def state_of(rows: Sequence[Row]) -> State:
    """Return the worst state."""
    return max((row.state for row in rows), key=ORDER.index, default="unknown")


def as_json(rows: Sequence[Row]) -> Mapping[str, Any]:
    """Return the rows for programs."""
    counts = Counter(row.state for row in rows)
    return {
        "status": state_of(rows),
        **{state: counts[state] for state in ORDER},
        "rows": [asdict(row) for row in rows],
    }


def text(title: str, rows: Sequence[Row]) -> str:
    """Return the rows for people, one line each, and then the verdict.

    Below a bad row come the remedy and the command.
    """
    width = max((len(_place(row)) for row in rows), default=0)
    lines = [f"{title}: state, where it was seen, what"]
    for row in rows:
        lines.append(f"{row.state:<7}  {_place(row):<{width}}  {told(row.subject)}: {told(row.detail)}")
        if row.state == "bad":
            code = f"{told(row.code)}: " if row.code else ""
            lines += [f"{_INDENT}{code}{told(row.remedy)}"] * bool(code or row.remedy)
            lines += [f"{_INDENT}{told(row.line)}"] * bool(row.line)
    counts = Counter(row.state for row in rows)
    lines.append(f"{title}: {counts['good']} good, {counts['unknown']} unknown, {counts['bad']} bad")
    return "\n".join(lines) + "\n"


def _place(row: Row) -> str:
    return " and ".join(dict.fromkeys(row.seen_from))
