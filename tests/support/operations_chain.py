"""What the chain of events in the operations log shows to its reader (runbook_lib.operations_log.events). Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from runbook_lib.operations_log.events import event_id


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a run's events.

    kind: `edited`, the event does not fit its EventId; `gap`, events are missing before this one; `fork`, two
    different events claim this place; `order`, the event does not follow the one before it; `open`, the run has no
    end (killed, still running, or its last events are missing); `copy`, the event was delivered twice, harmlessly.
    """

    run_id: str
    sequence: int
    kind: Literal["edited", "gap", "fork", "order", "open", "copy"]


def verify_chain(events: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Return the problems in the events of any number of runs, which may come in any order."""
    problems: list[Problem] = []
    for run_id, group in groupby(sorted(events, key=_place), key=lambda event: str(event["RunId"])):
        problems += _verify_run(run_id, list(group))
    return problems


def _verify_run(run_id: str, events: list[Mapping[str, Any]]) -> list[Problem]:
    problems: list[Problem] = []
    expected, previous = 0, ""
    last: Mapping[str, Any] = {}
    for event in events:
        sequence = int(event["Sequence"])
        if not _is_whole(event):
            problems.append(Problem(run_id, sequence, "edited"))
        if last and sequence == int(last["Sequence"]):
            kind: Literal["copy", "fork"] = "copy" if event["EventId"] == last["EventId"] else "fork"
            problems.append(Problem(run_id, sequence, kind))
            continue
        if sequence != expected:
            problems.append(Problem(run_id, sequence, "gap"))
        elif event["PreviousEventId"] != previous:
            problems.append(Problem(run_id, sequence, "order"))
        expected, previous, last = sequence + 1, str(event["EventId"]), event
    if (last["Step"], last["Action"]) != ("run", "finish"):
        problems.append(Problem(run_id, int(last["Sequence"]), "open"))
    return problems


def _is_whole(event: Mapping[str, Any]) -> bool:
    """Tell whether an event fits its EventId. A query may give Details as JSON text."""
    try:
        details = event["Details"]
        hashed = {**event, "Details": json.loads(details)} if isinstance(details, str) else event
        return bool(event["EventId"] == event_id(hashed))
    except (KeyError, ValueError):
        return False


def _place(event: Mapping[str, Any]) -> tuple[str, int, str]:
    return str(event["RunId"]), int(event["Sequence"]), str(event["EventId"])
