"""The report of `vibedata status` as tables for a terminal."""

from collections.abc import Sequence
from datetime import datetime

from vibedata.output import table
from vibedata.status.facts import Component, Credential, InstalledRelease, Run, age, duration
from vibedata.status.report import StatusReport


def text(report: StatusReport) -> str:
    """Return the verdict, the remedies, and the facts as tables with the worst first."""
    facts = report.facts
    lines = [report.verdict.headline]
    for note in report.verdict.notes:
        lines.append(f"  - {note.text}" + (f"\n    what to do: {note.remedy}" if note.remedy else ""))
    parts = ["\n".join(lines) + "\n"]
    if facts.release is not None:
        parts.append(_release(facts.release, facts.at))
    if facts.components:
        parts.append(_components((*facts.components, *facts.observability), facts.at))
    if facts.credentials:
        parts.append(_credentials(facts.credentials, facts.at))
    if facts.runs:
        parts.append(_runs(facts.runs, facts.at))
    return "\n".join(parts)


def health_of(component: Component) -> str:
    """Return a component's health in one or two words."""
    if component.vanished:
        return "vanished"
    return component.health if component.probed or component.ill else "not probed"


def _release(release: InstalledRelease, at: datetime) -> str:
    row = (release.version, release.channel, release.digest, _when(release.since, at))
    return table("release", ("version", "channel", "digest", "installed"), [row])


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


def _runs(runs: Sequence[Run], at: datetime) -> str:
    rows = [
        (
            run.runbook,
            run.status,
            _when(run.started or run.created, at),
            "" if run.seconds is None else duration(run.seconds),
        )
        for run in runs
    ]
    return table("last runs", ("runbook", "status", "started", "took"), rows)


def _when(moment: datetime | None, at: datetime) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC, {age(moment, at)}"
