"""The report of `vibedata status` as one HTML page, to open, print or send.

It has no script and loads nothing, and a policy tells the browser so. All texts are escaped. An endpoint is a link only
if it is an https address. Words and shapes say the same as the colours.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape

from vibedata.status.facts import (
    DEGRADED,
    HEALTHY,
    UNHEALTHY,
    Component,
    Credential,
    InstalledRelease,
    Level,
    Note,
    Run,
    age,
    days,
    duration,
)
from vibedata.status.report import StatusReport
from vibedata.status.style import STYLE
from vibedata.status.text import health_of
from vibedata.status.verdict import FAILED_RUNS

# Enough to tell releases apart. The JSON has the whole digest.
DIGEST_CHARACTERS = len("sha256:") + 12

# Level, and the shape that goes with it.
_WORDS = {Level.ILL: "Ill", Level.UNKNOWN: "Unknown", Level.ATTENTION: "Attention", Level.WELL: "Well"}
_SHAPES = {
    Level.ILL: '<path d="M8 3h8l5 5v8l-5 5H8l-5-5V8z"/><path class="on" d="M8.5 8.5l7 7m0-7l-7 7"/>',
    Level.UNKNOWN: '<circle cx="12" cy="12" r="9.5"/><path class="on" d="M7.5 12h9"/>',
    Level.ATTENTION: '<path d="M12 2.5L22.5 21h-21z"/><path class="on" d="M12 9.5v5m0 2.8v.2"/>',
    Level.WELL: '<circle cx="12" cy="12" r="9.5"/><path class="on" d="M7.5 12.5l3 3 6-6.5"/>',
}
_HEALTH_LEVELS: Mapping[str, Level] = {UNHEALTHY: Level.ILL, DEGRADED: Level.ATTENTION, HEALTHY: Level.WELL}
_RUN_LEVELS = {"Completed": Level.WELL, **dict.fromkeys(FAILED_RUNS, Level.ILL)}
_SCHEME = "https://"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: StatusReport) -> str:
    """Return the page."""
    facts, verdict = report.facts, report.verdict
    at = facts.at
    ill = [component for component in facts.components if component.ill]
    others = [component for component in facts.components if not component.ill]
    sections = (
        _section("Ill components", len(ill), "".join(_ill(component, facts.components, at) for component in ill)),
        _section("Other components" if ill else "Components", len(others), _components(others, at)),
        _section("Observability", len(facts.observability), _observability(facts.observability, at)),
        _section("Credentials", len(facts.credentials), _credentials(facts.credentials, at)),
        _section("Last runs", len(facts.runs), _runs(facts.runs, at)),
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{escape(verdict.headline)} - Vibedata</title>
<style>
{STYLE}</style>
</head>
<body>
<header>
<p class="brand">Vibedata status</p>
<p class="scope">{escape(facts.scope)}</p>
<p class="scope">As of {_moment(at)}; all ages count from then</p>
</header>
<main>
<section class="verdict {verdict.level.value}">
<h1>{_shape(verdict.level)}
<span><span class="word">{_WORDS[verdict.level]}</span> {escape(verdict.headline)}</span></h1>
{_notes(verdict.notes)}
</section>
{_tiles(report)}
{"".join(sections)}
</main>
<footer>
<p>Made by <code>vibedata status --html</code> from what check_health last recorded. It does not renew itself.</p>
</footer>
</body>
</html>
"""


def _notes(notes: Sequence[Note]) -> str:
    items = (
        f'<li class="{note.level.value}">{_shape(note.level)}'
        f"<span>{escape(note.text)}{_remedy(note.remedy)}</span></li>\n"
        for note in notes
    )
    return f"<ul>\n{''.join(items)}</ul>" if notes else ""


def _remedy(words: str) -> str:
    """Return a remedy as HTML. A text between backticks is a command."""
    parts = words.split("`")
    told = "".join(f"<code>{escape(part)}</code>" if place % 2 else escape(part) for place, part in enumerate(parts))
    return f'<span class="remedy">To do: {told}</span>' if words else ""


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
        tiles.append(_tile("Components", str(len(there)), told, f"{drifted} with drift" if drifted else "no drift"))
    expiring = next((credential for credential in facts.credentials if credential.expires), None)
    if expiring is not None and expiring.expires and expiring.days_left is not None:
        value = "expired" if expiring.days_left < 0 else days(expiring.days_left)
        tiles.append(_tile("Next credential to expire", value, expiring.id, f"{expiring.expires:%Y-%m-%d %H:%M} UTC"))
    if facts.runs:
        last = facts.runs[0]
        when = last.started or last.created
        tiles.append(_tile("Last run", last.status, last.runbook, age(when, facts.at) if when else ""))
    return f'<dl class="tiles">\n{"".join(tiles)}</dl>' if tiles else ""


def _release_tile(release: InstalledRelease, at: datetime) -> str:
    since = f"installed {release.since:%Y-%m-%d %H:%M} UTC, {age(release.since, at)}" if release.since else ""
    return _tile(
        f"Release ({release.channel})",
        release.version,
        since,
        f"{release.digest[:DIGEST_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}",
    )


def _tile(name: str, value: str, *more: str) -> str:
    details = "".join(f'<dd class="detail">{escape(words)}</dd>' for words in more if words)
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd>{details}</div>\n"


def _section(title: str, count: int, body: str) -> str:
    return f'<section>\n<h2>{title} <span class="count">{count}</span></h2>\n{body}</section>\n' if count else ""


def _ill(component: Component, everything: Sequence[Component], at: datetime) -> str:
    needed_by = [other.name for other in everything if component.name in other.depends_on and not other.vanished]
    facts = (
        ("Checked", _time(component.checked_at, at)),
        ("Version", escape(component.version)),
        ("Drift", escape(component.drift)),
        ("Depends on", escape(", ".join(component.depends_on))),
        ("Needed by", escape(", ".join(needed_by))),
    )
    told = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts if value)
    return (
        f'<article class="{_level(component).value}"><h3>{escape(component.name)} '
        f'<span class="type">{escape(component.type)}</span> {_badge(_level(component), component.health)}</h3>\n'
        f'<p class="reason">{escape(component.reason) or "No reason was recorded"}</p>\n'
        f"{_endpoint(component.endpoint)}<dl>{told}</dl></article>\n"
    )


def _components(components: Iterable[Component], at: datetime) -> str:
    rows = (
        (
            f'<strong>{escape(component.name)}</strong> <span class="type">{escape(component.type)}</span>'
            + _endpoint(component.endpoint)
            + _drift(component.drift),
            _badge(_level(component), health_of(component)) + _small(component.reason),
            escape(component.version),
            _time(component.checked_at, at),
        )
        for component in components
    )
    return _table(("Component", "Health", "Version", "Checked"), rows)


def _observability(watchers: Iterable[Component], at: datetime) -> str:
    rows = (
        (
            f"<strong>{escape(watcher.name)}</strong>" + _small(watcher.reason),
            _badge(_level(watcher), watcher.health),
            _time(watcher.checked_at, at),
        )
        for watcher in watchers
    )
    return _table(("Observability", "Health", "Checked"), rows)


def _credentials(credentials: Iterable[Credential], at: datetime) -> str:
    rows = []
    for credential in credentials:
        level, words = credential.verdict
        left = "" if credential.days_left is None else str(credential.days_left)
        rows.append(
            (
                f"<strong>{escape(credential.id)}</strong>" + _small(credential.kind),
                _badge(level, words.removeprefix("is ").removeprefix("has ") or credential.state),
                _time(credential.expires, at) or '<span class="faint">no date recorded</span>',
                left,
            )
        )
    return _table(("Credential", "State", "Expires", "Days left"), rows)


def _runs(runs: Iterable[Run], at: datetime) -> str:
    rows = (
        (
            f"<strong>{escape(run.runbook)}</strong>",
            _badge(_RUN_LEVELS.get(run.status, Level.UNKNOWN), run.status),
            _time(run.started or run.created, at),
            "" if run.seconds is None else duration(run.seconds),
        )
        for run in runs
    )
    return _table(("Runbook", "Status", "Started", "Took"), rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. On a narrow screen each row is a card, and `data-name` shows the column of each cell."""
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-name="{name}"><div>{cell}</div></td>' if cell else "<td></td>"
            for name, cell in zip(columns, row, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _level(component: Component) -> Level:
    return Level.UNKNOWN if component.vanished else _HEALTH_LEVELS.get(component.health, Level.UNKNOWN)


def _badge(level: Level, words: str) -> str:
    return f'<span class="badge {level.value}">{_shape(level)}{escape(words)}</span>'


def _drift(words: str) -> str:
    shown = f'<span class="small attention">{_shape(Level.ATTENTION)}drift: {escape(words)}</span>'
    return shown if words else ""


def _small(words: str) -> str:
    return f'<span class="small">{escape(words)}</span>' if words else ""


def _shape(level: Level) -> str:
    return f'<svg viewBox="0 0 24 24" aria-hidden="true">{_SHAPES[level]}</svg>'


def _time(moment: datetime | None, at: datetime) -> str:
    if moment is None:
        return ""
    return f'{_moment(moment)}<span class="small">{age(moment, at)}</span>'


def _moment(moment: datetime) -> str:
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M} UTC</time>'


def _endpoint(address: str) -> str:
    shown = escape(address)
    if address.startswith(_SCHEME):
        shown = f'<a href="{shown}" rel="noopener noreferrer">{shown.removeprefix(_SCHEME)}</a>'
    return f'<span class="small">{shown}</span>' if address else ""
