"""The verdict of `vibedata status`: the status in one sentence, and notes. Pure.

Ill: something does not work, for example a degraded component or an expired credential. Unknown: nothing is ill, and no
component is known to be healthy. Attention: some components are known to be healthy, and there are notes, for example
about old or unknown health, drift, or a failed run.
"""

from collections.abc import Iterator, Sequence

from runbook_lib.automation.jobs import ENDED
from runbook_lib.health.credentials import WORKING
from vibedata.jobs.finding import ListedJob
from vibedata.jobs.history import NOT_WELL, state_words
from vibedata.status import remedies
from vibedata.status.facts import (
    HEALTHY,
    ILL,
    STALE,
    Component,
    Credential,
    Level,
    Note,
    StatusFacts,
    Verdict,
    age,
    duration,
)
from vibedata.status.runs import MAX_LOOKS

# The maximum number of names in a sentence. The tables have all names.
MAX_NAMES = 5
_ONLY_PROBED = "The only component that is probed is healthy"


def verdict(facts: StatusFacts) -> Verdict:
    """Return the verdict on the facts."""
    there = [component for component in facts.components if not component.vanished]
    notes = sorted(_notes(facts, there), key=lambda note: list(Level).index(note.level))
    ill = [component.name for component in there if component.ill]
    if ill:
        be = "is" if len(ill) == 1 else "are"
        headline = f"{len(ill)} of {_count(len(there), 'component')} {be} ill: {_names(ill)}"
        return Verdict(level=Level.ILL, headline=headline, notes=tuple(notes))
    worst = next((note for note in notes if note.level is Level.ILL), None)
    if worst is not None:
        notes.remove(worst)
        return Verdict(level=Level.ILL, headline=worst.text, notes=tuple(notes), remedy=worst.remedy)
    healthy = [component for component in there if component.health == HEALTHY]
    if not healthy:
        return Verdict(level=Level.UNKNOWN, headline=_ignorance(facts, there), notes=tuple(notes))
    headline = _praise(len(healthy), there)
    if not notes:
        return Verdict(level=Level.WELL, headline=headline, notes=())
    things = "1 thing needs" if len(notes) == 1 else f"{len(notes)} things need"
    return Verdict(level=Level.ATTENTION, headline=f"{headline}; {things} attention", notes=tuple(notes))


def _ignorance(facts: StatusFacts, there: Sequence[Component]) -> str:
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


def _notes(facts: StatusFacts, there: Sequence[Component]) -> Iterator[Note]:
    for component in there:
        if component.ill:
            text = f"{component.name} is {component.health}" + (f": {component.reason}" if component.reason else "")
            remedy = remedies.of_component(component, facts.option)
            yield Note(level=Level.ILL, text=text, remedy=remedy, component=component.name)
    for trouble in facts.troubles:
        text = f"The {trouble.source} cannot be read: {trouble.code}: {trouble.message}"
        yield Note(level=Level.UNKNOWN, text=text, remedy=trouble.remedy)
    if not facts.registry_exists and not facts.unreadable:
        yield Note(
            level=Level.UNKNOWN,
            text="Release, components, health and credentials are not recorded",
            remedy=f"run `vibedata deploy DIR{facts.option}`, or `vibedata invoke bootstrap_registry{facts.option}` if"
            " the steps before it are done",
        )
    elif facts.registry_exists and facts.release is None:
        text = "No release is recorded as installed"
        remedy = f"run `vibedata invoke bootstrap_registry{facts.option}`"
        yield Note(level=Level.ATTENTION, text=text, remedy=remedy)
    yield from _component_notes(there, facts)
    yield from _credential_notes(facts.credentials, facts.option)
    yield from _rotation_notes(facts)
    yield from _observability_notes(facts)
    yield from _run_notes(facts.runs, facts)


def _component_notes(there: Sequence[Component], facts: StatusFacts) -> Iterator[Note]:
    at, check = facts.at, remedies.check(facts.option)
    probed = [component for component in there if component.probed]
    unknown = [component.name for component in probed if component.health not in (*ILL, HEALTHY)]
    if unknown:
        which = "all components" if len(unknown) == len(probed) else _names(unknown)
        yield Note(level=Level.ATTENTION, text=f"The health of {which} is unknown", remedy=check)
    checked = {component.name: component.checked_at for component in probed if component.checked_at is not None}
    stale = [name for name, moment in checked.items() if at - moment > STALE]
    if stale:
        text = f"Health was last checked {age(max(checked.values()), at)}"
        if len(stale) < len(checked):
            text = f"Health was not checked for {duration(STALE.total_seconds())}: {_names(stale)}"
        remedy = f"check that check_health's schedule is enabled, or {check}"
        yield Note(level=Level.ATTENTION, text=text, remedy=remedy)
    drifted = [component.name for component in there if component.drift]
    if drifted:
        remedy = "deploy the release's version there, or install the release that it belongs to"
        yield Note(level=Level.ATTENTION, text=f"Drift from the release: {_names(drifted)}", remedy=remedy)


def _observability_notes(facts: StatusFacts) -> Iterator[Note]:
    told = any(words for _, words in (credential.verdict for credential in facts.credentials))
    for watcher in facts.observability:
        if watcher.ill and not (watcher.name == WORKING and told):  # the note about the credential says it
            text = f"Observability: {watcher.name} is {watcher.health}"
            text += f": {watcher.reason}" if watcher.reason else ""
            yield Note(level=Level.ATTENTION, text=text, remedy=remedies.of_watcher(watcher, facts.option))


def _credential_notes(credentials: Sequence[Credential], option: str) -> Iterator[Note]:
    for credential in credentials:
        level, words = credential.verdict
        if words:
            text = f"Credential {credential.id} {words}"
            yield Note(level=level, text=text, remedy=remedies.of_credential(credential.kind, option))


def _rotation_notes(facts: StatusFacts) -> Iterator[Note]:
    """Yield the notes about open rotations. A rotation within its overlap gets none: it is among the due things."""
    for rotation in facts.rotations:
        due = rotation.finish_after
        if due is not None and due > facts.at:
            continue
        what = "is staged and not in use yet" if due is None else f"may be finished since {due:%Y-%m-%d %H:%M} UTC"
        text = f"A rotation of {rotation.secret} is open: it {what} ({rotation.state}, {rotation.rotation_id})"
        yield Note(level=Level.ATTENTION, text=text, remedy=f"run `vibedata rotate --due{facts.option}`")


def _run_notes(runs: Sequence[ListedJob], facts: StatusFacts) -> Iterator[Note]:
    at = facts.at
    last: dict[str, ListedJob] = {}
    for run in runs:
        last.setdefault(run.runbook, run)
    for run in last.values():
        moment = run.ended or run.created
        if run.status in NOT_WELL:
            when = f", {age(moment, at)}" if moment else ""
            how = "ended as" if run.status in ENDED else "is"
            text = f"The last run of {run.runbook} {how} {state_words(run.status)}{when}"
            remedy = f"run `vibedata logs {run.job_id}{facts.option}`: it says why, and what to do"
            yield Note(level=Level.ATTENTION, text=text, remedy=remedy)
    if facts.runs_cut:
        text = f"Nearly all of the newest {MAX_LOOKS} jobs are trials: older runs are not shown"
        remedy = f"run `vibedata jobs --failed{facts.option}`: it lists all jobs that have not ended well"
        yield Note(level=Level.UNKNOWN, text=text, remedy=remedy)


def _names(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
