"""Find out what a line of a job's streams means to a person who watches a chain of jobs. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

LineKind = Literal["idle", "progress", "warning", "news"]

WARNING = "WARNING: "
# The form in which runbook_lib.runbook and runbook_lib.engine.Progress write these lines.
_PLAN = re.compile(r"(\d{1,9}) to change, \d+ already right")
_ENDED_WELL = re.compile(r"(succeeded|unchanged): \d+ changed, ")
# The form in which runbooks/preflight.py writes a good finding.
_GOOD = "good "
_PROGRESS = re.compile(r"(\d{1,9}) of (\d{1,9}) done, \d+ in flight, (\d{1,9}) failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How many changes a job has made, and how many it has to make. `total` is None as long as it is unknown."""

    done: int
    failed: int
    total: int | None


def kind_of_line(runbook: str, line: str) -> tuple[LineKind, JobProgress | None]:
    """Return the kind of a line, and the progress that the line shows.

    These lines are idle: the run's ids, and a good end, which are in the result; each change, which is in the verbose
    stream; and the good findings of the preflight. `vibedata invoke` shows all of them.
    """
    if line.startswith(("VERBOSE:", f"{runbook} ", _GOOD)) or _ENDED_WELL.match(line):
        return "idle", None
    if planned := _PLAN.fullmatch(line):
        return "progress", JobProgress(done=0, failed=0, total=int(planned[1]))
    if counted := _PROGRESS.fullmatch(line):
        return "progress", JobProgress(done=int(counted[1]), failed=int(counted[3]), total=int(counted[2]))
    return ("warning" if line.startswith(WARNING) else "news"), None
