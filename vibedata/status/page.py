"""The report of `vibedata status` as one HTML page, to open, print or send.

The module page_parts makes the parts of the page. An endpoint is a link only if it is an https address.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape

from vibedata.jobs.finding import ListedJob
from vibedata.jobs.history import ENDED_WELL, NOT_WELL, state_words
from vibedata.status.due import due_next
from vibedata.status.facts import (
    DEGRADED,
    HEALTHY,
    UNHEALTHY,
    Component,
    Credential,
    InstalledRelease,
    Level,
    OpenRotation,
    StatusFacts,
    age,
    days,
    duration,
)
from vibedata.status.page_parts import aged, badge, folded, frame, marked, remedy, section, shape, small, table, tile
from vibedata.status.report import StatusReport
from vibedata.status.text import counted, health_of

# Enough to tell releases apart. The JSON has the whole digest.
DIGEST_CHARACTERS = len("sha256:") + 12

_HEALTH_LEVELS: Mapping[str, Level] = {UNHEALTHY: Level.ILL, DEGRADED: Level.ATTENTION, HEALTHY: Level.WELL}
_RUN_LEVELS = {ENDED_WELL: Level.WELL, **dict.fromkeys(NOT_WELL, Level.ILL)}
_SCHEME = "https://"


def page(report: StatusReport) -> str:
    """Return the page."""
    facts = report.facts
    at = facts.at
    ill = [component for component in facts.components if component.ill]
    others = [component for component in facts.components if not component.ill]
    remedies = {note.component: note.remedy for note in report.verdict.notes if note.component}
    articles = (_ill(component, facts.components, at, remedies.get(component.name, "")) for component in ill)
    watched = [watcher for watcher in facts.observability if watcher.ill or watcher.reason]
    well = [watcher for watcher in facts.observability if watcher not in watched]
    sections = (
        section("Ill components", len(ill), "".join(articles)),
        section(
            "Other components" if ill else "Components",
            len(others),
            folded(counted(others, at), _components(others, at)) if others else "",
        ),
        section(
            "Observability",
            len(facts.observability),
            (_observability(watched, at) if watched else "")
            + (folded(f"{len(well)} without trouble", _observability(well, at)) if well else ""),
        ),
        section("Due next", len(due_next(facts)), _due(facts)),
        section("Credentials", len(facts.credentials), _credentials(facts.credentials, at)),
        section("Open rotations", len(facts.rotations), _rotations(facts.rotations, at)),
        section(
            "Last runs",
            len(facts.runs),
            folded(_told(facts.runs), _runs(facts.runs, at)) if facts.runs else "",
        ),
    )
    return frame(
        brand="Vibedata status",
        name=facts.name,
        scope=facts.scope,
        at=at,
        verdict=report.verdict,
        body=_tiles(report) + "\n" + "".join(sections),
        made="Made by <code>vibedata status --html</code> from what check_health last recorded."
        " It does not renew itself.",
    )


def _told(runs: Sequence[ListedJob]) -> str:
    ill = sum(run.status in NOT_WELL for run in runs)
    return f"{len(runs)} run{'' if len(runs) == 1 else 's'}, {ill} not well"


def _due(facts: StatusFacts) -> str:
    rows = ((aged(each.at, facts.at), marked(each.text)) for each in due_next(facts))
    return table(("When", "What"), rows)


def _rotations(rotations: Iterable[OpenRotation], at: datetime) -> str:
    rows = (
        (
            f"<strong>{escape(each.secret)}</strong>" + small(each.rotation_id),
            escape(each.state),
            aged(each.finish_after, at) or '<span class="faint">not in use yet</span>',
        )
        for each in rotations
    )
    return table(("Credential", "State", "May be finished after"), rows)


def _tiles(report: StatusReport) -> str:
    facts = report.facts
    there = [component for component in facts.components if not component.vanished]
    tiles = [_release_tile(facts.release, facts.at)] if facts.release else []
    if there:
        counts: dict[str, int] = {}
        for component in there:
            counts[health_of(component)] = counts.get(health_of(component), 0) + 1
        told = ", ".join(f"{number} {state}" for state, number in counts.items())
        drifted = sum(bool(component.drift) for component in there)
        tiles.append(tile("Components", str(len(there)), told, f"{drifted} with drift" if drifted else "no drift"))
    expiring = next((credential for credential in facts.credentials if credential.expires), None)
    if expiring is not None and expiring.expires and expiring.days_left is not None:
        value = "expired" if expiring.days_left < 0 else days(expiring.days_left)
        tiles.append(tile("Next credential to expire", value, expiring.id, f"{expiring.expires:%Y-%m-%d %H:%M} UTC"))
    if facts.runs:
        last = facts.runs[0]
        when = last.started or last.created
        tiles.append(tile("Last run", state_words(last.status), last.runbook, age(when, facts.at) if when else ""))
    return f'<dl class="tiles">\n{"".join(tiles)}</dl>' if tiles else ""


def _release_tile(release: InstalledRelease, at: datetime) -> str:
    since = f"installed {release.since:%Y-%m-%d %H:%M} UTC, {age(release.since, at)}" if release.since else ""
    return tile(
        f"Release ({release.channel})",
        release.version,
        since,
        f"manifest digest {release.manifest_digest[:DIGEST_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}",
    )


def _ill(component: Component, everything: Sequence[Component], at: datetime, what_to_do: str) -> str:
    needed_by = [other.name for other in everything if component.name in other.depends_on and not other.vanished]
    facts = (
        ("Checked", aged(component.checked_at, at)),
        ("Version", escape(component.version)),
        ("Drift", escape(component.drift)),
        ("Depends on", escape(", ".join(component.depends_on))),
        ("Needed by", escape(", ".join(needed_by))),
    )
    told = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts if value)
    return (
        f'<article class="{_level(component).value}"><h3>{escape(component.name)} '
        f'<span class="type">{escape(component.type)}</span> {badge(_level(component), component.health)}</h3>\n'
        f'<p class="reason">{escape(component.reason) or "No reason was recorded"}</p>\n'
        f"{remedy(what_to_do)}"
        f"{_endpoint(component.endpoint)}<dl>{told}</dl></article>\n"
    )


def _components(components: Iterable[Component], at: datetime) -> str:
    rows = (
        (
            f'<strong>{escape(component.name)}</strong> <span class="type">{escape(component.type)}</span>'
            + _endpoint(component.endpoint)
            + _drift(component.drift),
            badge(_level(component), health_of(component)) + small(component.reason),
            escape(component.version),
            aged(component.checked_at, at),
        )
        for component in components
    )
    return table(("Component", "Health", "Version", "Checked"), rows)


def _observability(watchers: Iterable[Component], at: datetime) -> str:
    rows = (
        (
            f"<strong>{escape(watcher.name)}</strong>" + small(watcher.reason),
            badge(_level(watcher), watcher.health),
            aged(watcher.checked_at, at),
        )
        for watcher in watchers
    )
    return table(("Observability", "Health", "Checked"), rows)


def _credentials(credentials: Iterable[Credential], at: datetime) -> str:
    rows = []
    for credential in credentials:
        level, words = credential.verdict
        left = "" if credential.days_left is None else str(credential.days_left)
        rows.append(
            (
                f"<strong>{escape(credential.id)}</strong>" + small(credential.kind),
                badge(level, words.removeprefix("is ").removeprefix("has ") or credential.state),
                aged(credential.expires, at) or '<span class="faint">no date recorded</span>',
                left,
            )
        )
    return table(("Credential", "State", "Expires", "Days left"), rows)


def _runs(runs: Iterable[ListedJob], at: datetime) -> str:
    rows = (
        (
            f"<strong>{escape(run.runbook)}</strong>",
            badge(_RUN_LEVELS.get(run.status, Level.UNKNOWN), state_words(run.status)),
            aged(run.started or run.created, at),
            "" if run.seconds is None else duration(run.seconds),
        )
        for run in runs
    )
    return table(("Runbook", "Status", "Started", "Took"), rows)


def _level(component: Component) -> Level:
    return Level.UNKNOWN if component.vanished else _HEALTH_LEVELS.get(component.health, Level.UNKNOWN)


def _drift(words: str) -> str:
    shown = f'<span class="small attention">{shape(Level.ATTENTION)}drift: {escape(words)}</span>'
    return shown if words else ""


def _endpoint(address: str) -> str:
    shown = escape(address)
    if address.startswith(_SCHEME):
        shown = f'<a href="{shown}" rel="noopener noreferrer">{shown.removeprefix(_SCHEME)}</a>'
    return f'<span class="small">{shown}</span>' if address else ""
