"""Try the regular expressions of a createUiDefinition. A child process tries them.

Even a short expression can take years. Nothing can stop Python's matching from outside, but a process can be ended.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

# The limit for one run of the child process. Each real expression takes less than a millisecond.
SECONDS = 10
# After this number of expressions that take too long, the others are not tried.
MAX_TOO_LONG = 3
# The text of 600 address ranges has 12,000 characters.
MAX_CHARACTERS = 32_768
_PROGRAM = """\
import json, re, sys
for regex, text in json.load(sys.stdin):
    try:
        found = "fits" if re.search(regex, text) else "refuses"
    except (re.error, OverflowError, RecursionError, MemoryError):
        found = "unreadable"
    print(found, flush=True)
"""


class Trial(Enum):
    """What an expression does with a text. TOO_LONG: the expression, the text, or the time of the trial is too long."""

    FITS = "fits"
    REFUSES = "refuses"
    UNREADABLE = "unreadable"
    TOO_LONG = "too long"


def try_all(pairs: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Trial]:
    """Return the result for each pair of a JavaScript regular expression and a text.

    Python tries the expression. If Python cannot read it, the result is UNREADABLE. This function ends after
    SECONDS * MAX_TOO_LONG seconds at the latest.
    """
    found = dict.fromkeys(pairs, Trial.TOO_LONG)
    waiting = [pair for pair in found if max(map(len, pair)) <= MAX_CHARACTERS]
    for _ in range(MAX_TOO_LONG):
        if not waiting:
            break
        tried = _tried(waiting)
        found.update(zip(waiting, tried, strict=False))
        waiting = waiting[len(tried) + 1 :]  # the pair after the tried ones took too long, or ended the process
    return found


def _tried(pairs: Sequence[tuple[str, str]]) -> list[Trial]:
    """Return the results up to the first pair that takes too long."""
    try:
        done = subprocess.run(  # noqa: S603 - this Python, with a program of this module
            [sys.executable, "-I", "-W", "ignore", "-c", _PROGRAM],
            input=json.dumps(pairs).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
        said = done.stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
    return [Trial(line) for line in said.decode().splitlines()]
