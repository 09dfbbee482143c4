"""The verdict of `vibedata status`: the status in one sentence, and notes. Pure.

Ill: something does not work, such as a degraded or unhealthy component, or an expired credential. Attention: something
works but will not work for long, or nobody knows whether it works, such as old or unknown health, drift, or a failed
run.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from vibedata.status.facts import (
    HEALTHY,
    ILL,
    STALE,
    Component,
    Credential,
    Facts,
    Level,
    Note,
    Run,
    Verdict,
    age,
    duration,
)

# How many names one sentence has. The tables have them all.
MAX_NAMES = 5
FAILED_RUNS = frozenset({"Failed", "Suspended"})
_ONLY_PROBED = "The only component that is probed is healthy"
# The publisher's commands that provision and renew a credential of each kind.
ROTATE = {"hmac-key": "run `vibedata rotate-hmac`", "registry-token": "run `vibedata rotate-acr-token`"}
CHECK = "run `vibedata invoke check_health`"


def verdict(facts: Facts) -> Verdict:
    """Return the verdict on the facts."""
    there = [component for component in facts.components if not component.vanished]
    notes = sorted(_notes(facts, there), key=lambda note: list(Level).index(note.level))
    ill = [component.name for component in there if component.ill]
    if ill:
        be = "is" if len(ill) == 1 else "are"
        headline = f"{len(ill)} of {_count(len(there), 'component')} {be} ill: {_names(ill)}"
        return Verdict(level=Level.ILL, headline=headline, notes=tuple(notes))
    expired = next((note for note in notes if note.level is Level.ILL), None)
    if expired is not None:
        notes.remove(expired)
        return Verdict(level=Level.ILL, headline=expired.text, notes=tuple(notes))
    healthy = [component for component in there if component.health == HEALTHY]
    if not healthy:
        return Verdict(level=Level.UNKNOWN, headline=_ignorance(facts, there), notes=tuple(notes))
    headline = _praise(len(healthy), there)
    if not notes:
        return Verdict(level=Level.WELL, headline=headline, notes=())
    things = "1 thing needs" if len(notes) == 1 else f"{len(notes)} things need"
    return Verdict(level=Level.ATTENTION, headline=f"{headline}; {things} attention", notes=tuple(notes))


def _ignorance(facts: Facts, there: Sequence[Component]) -> str:
    if facts.unreadable:
        return "Health cannot be read"
    if not facts.registry_exists:
        return "The component registry does not exist yet"
    return "Nobody has looked at the components' health yet" if there else "No component is registered"


def _praise(healthy: int, there: Sequence[Component]) -> str:
    if healthy == len(there):
        return f"All {healthy} components are healthy" if healthy > 1 else "The only component is healthy"
    probed = sum(component.probed for component in there)
    if healthy == probed:
        return f"All {healthy} components that are probed are healthy" if healthy > 1 else _ONLY_PROBED
    return f"{healthy} of {_count(probed, 'component')} {'is' if healthy == 1 else 'are'} known to be healthy"


def _notes(facts: Facts, there: Sequence[Component]) -> Iterator[Note]:
    for trouble in facts.troubles:
        text = f"The {trouble.source} cannot be read: {trouble.code}: {trouble.message}"
        yield Note(level=Level.UNKNOWN, text=text, remedy=trouble.remedy)
    if not facts.registry_exists and not facts.unreadable:
        yield Note(
            level=Level.UNKNOWN,
            text="Release, components, health and credentials are not recorded",
            remedy="run `vibedata deploy DIR`, or `vibedata invoke bootstrap_registry` if the steps before it are done",
        )
    elif facts.registry_exists and facts.release is None:
        text = "No release is recorded as installed"
        yield Note(level=Level.ATTENTION, text=text, remedy="run `vibedata invoke bootstrap_registry`")
    yield from _component_notes(there, facts.at)
    yield from _observability_notes(facts.observability)
    yield from _credential_notes(facts.credentials)
    yield from _run_notes(facts.runs, facts.at)


def _component_notes(there: Sequence[Component], at: datetime) -> Iterator[Note]:
    probed = [component for component in there if component.probed]
    unknown = [component.name for component in probed if component.health not in (*ILL, HEALTHY)]
    if unknown:
        which = "all components" if len(unknown) == len(probed) else _names(unknown)
        yield Note(level=Level.ATTENTION, text=f"The health of {which} is unknown", remedy=CHECK)
    checked = {component.name: component.checked_at for component in probed if component.checked_at is not None}
    stale = [name for name, moment in checked.items() if at - moment > STALE]
    if stale:
        text = f"Health was last checked {age(max(checked.values()), at)}"
        if len(stale) < len(checked):
            text = f"Health was not checked for {duration(STALE.total_seconds())}: {_names(stale)}"
        remedy = f"check that check_health's schedule is enabled, or {CHECK}"
        yield Note(level=Level.ATTENTION, text=text, remedy=remedy)
    drifted = [component.name for component in there if component.drift]
    if drifted:
        remedy = "deploy the release's version there, or install the release that it belongs to"
        yield Note(level=Level.ATTENTION, text=f"Drift from the release: {_names(drifted)}", remedy=remedy)


def _observability_notes(observability: Sequence[Component]) -> Iterator[Note]:
    for watcher in observability:
        if watcher.ill:
            text = f"Observability: {watcher.name} is {watcher.health}"
            yield Note(level=Level.ATTENTION, text=text + (f": {watcher.reason}" if watcher.reason else ""))


def _credential_notes(credentials: Sequence[Credential]) -> Iterator[Note]:
    for credential in credentials:
        level, words = credential.verdict
        if words:
            yield Note(level=level, text=f"Credential {credential.id} {words}", remedy=ROTATE.get(credential.kind, ""))


def _run_notes(runs: Sequence[Run], at: datetime) -> Iterator[Note]:
    last: dict[str, Run] = {}
    for run in runs:
        last.setdefault(run.runbook, run)
    for run in last.values():
        moment = run.ended or run.created
        if run.status in FAILED_RUNS:
            when = f", {age(moment, at)}" if moment else ""
            text = f"The last run of {run.runbook} ended {run.status}{when}"
            yield Note(level=Level.ATTENTION, text=text, remedy=f"see the output of job {run.job_id}")


def _names(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
