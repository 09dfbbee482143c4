"""The view as lines: a block that a terminal redraws, or single lines if there is no terminal. Pure.

No line is wider than allowed, because the view could not draw over a line that the terminal has wrapped.
"""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from runbook_lib.basics.visible_text import visible
from vibedata.progress_view.state import COMING, GOES_ON, State, Step
from vibedata.progress_view.waiting import elapsed_of, of_about, waiting_for, whole_expected_seconds

# The words about what a step waits for may take this number of lines in the block.
MAX_WAIT_LINES = 3
MIN_WIDTH, MIN_HEIGHT = 20, 4
MARK, NO_MARK = "> ", "  "


def heartbeat(state: State, now: float) -> str:
    """Return the one line that says what the step waits for, and how long it has taken so far."""
    whole = f"whole: {of_about(now - state.began, whole_expected_seconds(state, now))}"
    step = state.current
    if step is None:
        return f"waiting for an answer ({whole})"
    return f"{step.name}: {waiting_for(step, now)} (step: {elapsed_of(step, now)}; {whole})"


def block(state: State, now: float, *, width: int, height: int) -> list[str]:
    """Return the lines of the block: at most `height` lines of at most `width` cells."""
    width, height = max(width, MIN_WIDTH), max(height, MIN_HEIGHT)
    names = max((len(step.name) for step in state.steps), default=0)
    rows: list[tuple[Step, list[str]]] = []
    for step in state.steps:
        lines = [_cut(_row(step, now, names), width)]
        if step.status == GOES_ON:
            lines += [NO_MARK * 2 + line for line in wrapped(waiting_for(step, now), width - 4)[:MAX_WAIT_LINES]]
        rows.append((step, lines))
    head, foot = _cut(state.title, width), _cut(_foot(state, now), width)
    return [head, *_fitting(rows, height - 2), foot]


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` cells.

    It is broken between words, or within a word that is too long.
    """
    lines = [""]
    for word in visible(text).split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        rest = word
        while cell_len(rest) > width:
            lines[-1] = set_cell_size(rest, width).rstrip()
            rest = rest[len(lines[-1]) :]
            lines.append("")
        lines[-1] = rest
    return lines


def _fitting(rows: Sequence[tuple[Step, list[str]]], room: int) -> list[str]:
    """Return the rows that fit on a low terminal: those around the present step."""
    lines = [line for _, each in rows for line in each]
    if len(lines) <= room:
        return lines
    at = next((index for index, (step, _) in enumerate(rows) if step.status == GOES_ON), 0)
    before = sum(len(each) for _, each in rows[:at])
    first = max(0, min(before - (room - len(rows[at][1])) // 2, len(lines) - room))
    return lines[first : first + room]


def _row(step: Step, now: float, names: int) -> str:
    mark = MARK if step.status == GOES_ON else NO_MARK
    if step.status == COMING:
        return f"{mark}{step.name}"
    changed = f"{step.changed} changed" if step.changed else ""
    words = "" if step.status == GOES_ON else f"{step.status:<9}  {changed:<11}  "
    return f"{mark}{step.name:<{names}}  {words}{elapsed_of(step, now)}"


def _foot(state: State, now: float) -> str:
    count = len(state.warnings)
    warnings = f"; {count} warning{'s' if count > 1 else ''}" if count else ""
    return of_about(now - state.began, whole_expected_seconds(state, now)) + warnings


def _cut(text: str, width: int) -> str:
    line = visible(text)
    return line if cell_len(line) <= width else set_cell_size(line, width - 3).rstrip() + "..."
