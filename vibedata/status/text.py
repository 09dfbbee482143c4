"""The report of `vibedata status` for a terminal: what fits on one screen, and all facts as tables."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from vibedata.jobs.finding import ListedJob
from vibedata.jobs.history import state_words
from vibedata.lines import Line, Tone
from vibedata.output import table
from vibedata.status.due import due_next
from vibedata.status.facts import Component, Credential, Level, OpenRotation, StatusFacts, age, duration
from vibedata.status.report import StatusReport

# This number of notes fits on one screen together with the rest.
MAX_NOTES = 5
_WORDS: Mapping[Level, tuple[str, Tone]] = {
    Level.ILL: ("Ill", "bad"),
    Level.UNKNOWN: ("Unknown", "odd"),
    Level.ATTENTION: ("Attention", "odd"),
    Level.WELL: ("Well", "good"),
}
_MORE = "`vibedata status --all{option}` shows every component, credential and run."


def lines(report: StatusReport) -> list[Line]:
    """Return the lines of one screen: the verdict, ill components with remedies, an overview, and what is due next."""
    facts, verdict = report.facts, report.verdict
    word, tone = _WORDS[verdict.level]
    shown = [Line(f"{word}: ", verdict.headline, tone)]
    if verdict.remedy:
        shown.append(Line("  what to do: ", verdict.remedy))
    for note in verdict.notes[:MAX_NOTES]:
        shown.append(Line("  - ", note.text, _WORDS[note.level][1]))
        if note.remedy:
            shown.append(Line("    what to do: ", note.remedy))
    if len(verdict.notes) > MAX_NOTES:
        shown.append(Line("  - ", f"and {len(verdict.notes) - MAX_NOTES} more: `vibedata status --all{facts.option}`"))
    return [*shown, *_present(facts), Line("", _MORE.format(option=facts.option))]


def _present(facts: StatusFacts) -> Iterator[Line]:
    if facts.release is not None:
        release = facts.release
        when = f", installed {_when(release.since, facts.at)}" if release.since else ""
        yield Line("Release     ", f"{release.version} ({release.channel}){when}")
        yield Line("            ", f"manifest digest {release.manifest_digest}")
    if facts.components:
        yield Line("Components  ", counted(facts.components, facts.at))
    for watcher in facts.observability:
        if watcher.reason and not watcher.ill:
            yield Line("Waiting     ", watcher.reason)
    for place, due in enumerate(due_next(facts)):
        yield Line("            " if place else "Due next    ", f"{_when(due.at, facts.at)}: {due.text}")


def counted(components: Sequence[Component], at: datetime) -> str:
    """Return how many components are in each state, and the time of the last check."""
    counts = Counter(health_of(component) for component in components)
    checked = max((each.checked_at for each in components if each.checked_at is not None), default=None)
    told = ", ".join(f"{number} {state}" for state, number in counts.items())
    drifted = sum(bool(component.drift) for component in components)
    told += f"; {drifted} with drift" if drifted else ""
    return told + (f"; last checked {age(checked, at)}" if checked else "")


def tables(report: StatusReport) -> str:
    """Return what `lines` leaves out, for `--all`: the other notes, and tables of all facts with the worst first."""
    facts, verdict = report.facts, report.verdict
    parts = []
    for note in verdict.notes[MAX_NOTES:]:
        parts.append(f"  - {note.text}" + (f"\n    what to do: {note.remedy}" if note.remedy else "") + "\n")
    if facts.components:
        parts.append(_components((*facts.components, *facts.observability), facts.at))
    if facts.credentials:
        parts.append(_credentials(facts.credentials, facts.at))
    if facts.rotations:
        parts.append(_rotations(facts.rotations, facts.at))
    if facts.runs:
        parts.append(_runs(facts.runs, facts.at))
    return "\n".join(parts)


def health_of(component: Component) -> str:
    """Return a component's health in one or two words."""
    if component.vanished:
        return "vanished"
    return component.health if component.probed or component.ill else "not probed"


def _components(components: Sequence[Component], at: datetime) -> str:
    """Return three tables, because a terminal has no room for all columns in one."""
    rows = [
        (
            health_of(component),
            component.name,
            component.type,
            component.version,
            "" if component.checked_at is None else age(component.checked_at, at),
        )
        for component in components
    ]
    why = [
        (component.name, reason, component.drift)
        for component in components
        if (reason := component.reason if component.ill else "") or component.drift
    ]
    endpoints = [(component.name, component.endpoint) for component in components if component.endpoint]
    shown = table("components", ("health", "component", "type", "version", "checked"), rows)
    if why:
        shown += "\n" + table("ill, or not as the release has it", ("component", "reason", "drift"), why)
    if endpoints:
        shown += "\n" + table("endpoints", ("component", "endpoint"), endpoints)
    return shown


def _credentials(credentials: Sequence[Credential], at: datetime) -> str:
    rows = [
        (
            credential.id,
            credential.state,
            _when(credential.expires, at),
            "" if credential.days_left is None else credential.days_left,
        )
        for credential in credentials
    ]
    return table("credentials", ("id", "state", "expires", "days left"), rows)


def _rotations(rotations: Sequence[OpenRotation], at: datetime) -> str:
    rows = [(each.secret, each.state, _when(each.finish_after, at), each.rotation_id) for each in rotations]
    return table("open rotations", ("credential", "state", "may be finished after", "rotation"), rows)


def _runs(runs: Sequence[ListedJob], at: datetime) -> str:
    rows = [
        (
            run.runbook,
            state_words(run.status),
            _when(run.started or run.created, at),
            "" if run.seconds is None else duration(run.seconds),
        )
        for run in runs
    ]
    return table("last runs", ("runbook", "status", "started", "took"), rows)


def _when(moment: datetime | None, at: datetime) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC, {age(moment, at)}"
