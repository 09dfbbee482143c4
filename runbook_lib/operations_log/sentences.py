"""The sentences that an administrator reads in the log's column `Message`. Pure.

Source: docs/design.md#log-lock-callbacks.
"""

import re

from runbook_lib.change import Change, Result

# A sentence shows this number of digits of a hash. The column Details has all of them.
SHOWN_DIGITS = 8
# Verbs whose past the rules below do not make.
_PAST = {"keep": "kept", "set": "set"}
_DIGEST = re.compile(r"\b(?:sha256:)?([0-9a-f]{8})[0-9a-f]{56}\b")
# States that say nothing more than the verb.
_MERE_PRESENCE = "there"


def planned(change: Change) -> str:
    """Return what a run will do, before it does it."""
    before = "nothing" if change.before is None else _shown(change.before)
    return f"Will {change.action} {_shown(change.target)}. Before: {before}. After: {_shown(change.after)}."


def ended(result: Result) -> str:
    """Return how a change ended, with the reason if it was not made."""
    change = result.change
    action, target = change.action, _shown(change.target)
    if result.outcome == "done":
        return f"{past(action).capitalize()} {target}{_state(change.after)}."
    if result.outcome == "skipped":
        return f"Did not {action} {target}, because an earlier change failed or the run was stopped."
    reason = result.error.message if result.error else "there is no reason"
    if result.outcome == "replaced":
        return f"Could not {action} {target}, and tries another way: {reason}"
    return f"Could not {action} {target}: {reason}"


def past(verb: str) -> str:
    """Return the past of a verb, such as `imported`. Irregular verbs are in _PAST."""
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return verb + "d"
    return verb[:-1] + "ied" if verb.endswith("y") else verb + "ed"


def _state(after: str) -> str:
    if after == _MERE_PRESENCE:
        return ""
    shown = _shown(after)
    return f", {shown}" if shown.startswith("digest ") else f": {shown}"


def _shown(text: str) -> str:
    """Return a text with short hashes: `digest 033fe64a…`."""
    return _DIGEST.sub(lambda found: f"digest {found[1]}…", text)
