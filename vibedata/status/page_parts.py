"""The parts of all HTML pages of the command: the frame, a verdict, tiles, tables, badges, times.

A page is complete by itself: it has no script and fetches nothing, and its policy tells the browser so. This module
escapes the words that it is given. It does not escape the titles of sections and columns, because they are constants of
the code. It does not escape cells, bodies and `made` either, because they are HTML. Colour is never the only sign:
words and shapes say the same.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from vibedata.status.facts import Level, Note, Verdict, age
from vibedata.status.style import STYLE

# The word and the shape of each level.
_WORDS = {Level.ILL: "Ill", Level.UNKNOWN: "Unknown", Level.ATTENTION: "Attention", Level.WELL: "Well"}
_SHAPES = {
    Level.ILL: '<path d="M8 3h8l5 5v8l-5 5H8l-5-5V8z"/><path class="on" d="M8.5 8.5l7 7m0-7l-7 7"/>',
    Level.UNKNOWN: '<circle cx="12" cy="12" r="9.5"/><path class="on" d="M7.5 12h9"/>',
    Level.ATTENTION: '<path d="M12 2.5L22.5 21h-21z"/><path class="on" d="M12 9.5v5m0 2.8v.2"/>',
    Level.WELL: '<circle cx="12" cy="12" r="9.5"/><path class="on" d="M7.5 12.5l3 3 6-6.5"/>',
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def frame(*, brand: str, name: str, scope: str, at: datetime, verdict: Verdict, body: str, made: str) -> str:
    """Return a whole page as HTML.

    Args:
        brand: The words at the top.
        name: What the page is about.
        scope: The words below the name.
        at: The time for which the page is true (aware, UTC).
        verdict: The headline, the remedy and the notes.
        body: The HTML below the verdict.
        made: HTML that says how the page was made.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{escape(name)}: {escape(verdict.headline)} - Vibedata</title>
<style>
{STYLE}</style>
</head>
<body>
<header>
<p class="brand">{escape(brand)}</p>
<h1>{escape(name)}</h1>
<p class="scope">{escape(scope)}</p>
<p class="scope">As of {utc(at)}; all ages count from then</p>
</header>
<main>
<section class="verdict {verdict.level.value}">
<h2>{shape(verdict.level)}
<span><span class="word">{_WORDS[verdict.level]}</span> {escape(verdict.headline)}</span></h2>
{remedy(verdict.remedy)}{_notes(verdict.notes)}
</section>
{body}
</main>
<footer>
<p>{made}</p>
</footer>
</body>
</html>
"""


def _notes(notes: Sequence[Note]) -> str:
    """Return all notes except those about ill components. The page shows these components with all details."""
    items = (
        f'<li class="{note.level.value}">{shape(note.level)}'
        f"<span>{escape(note.text)}{remedy(note.remedy)}</span></li>\n"
        for note in notes
        if not note.component
    )
    told = "".join(items)
    return f"<ul>\n{told}</ul>" if told else ""


def remedy(words: str) -> str:
    """Return what to do, "" for nothing."""
    return f'<span class="remedy">To do: {marked(words)}</span>' if words else ""


def marked(words: str) -> str:
    """Return words as HTML. A text between backticks is a command."""
    parts = words.split("`")
    return "".join(f"<code>{escape(part)}</code>" if place % 2 else escape(part) for place, part in enumerate(parts))


def tile(name: str, value: str, *more: str) -> str:
    """Return a tile: a name, a value, and more words below it."""
    details = "".join(f'<dd class="detail">{escape(words)}</dd>' for words in more if words)
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd>{details}</div>\n"


def section(title: str, count: int, body: str) -> str:
    """Return a section with its count, "" if the count is 0. body: HTML."""
    return f'<section>\n<h2>{title} <span class="count">{count}</span></h2>\n{body}</section>\n' if count else ""


def folded(words: str, body: str) -> str:
    """Return a section that the reader can open, "" if it is empty. words: what is in the section. body: HTML."""
    return f"<details><summary>{escape(words)}</summary>\n{body}</details>\n" if body else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. The cells are HTML. On a narrow screen each row is a card, and each cell shows the title of its
    column, which `data-name` holds.
    """
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


def badge(level: Level, words: str) -> str:
    """Return words in the colour and with the shape of a level."""
    return f'<span class="badge {level.value}">{shape(level)}{escape(words)}</span>'


def small(words: str) -> str:
    """Return small words, "" for none."""
    return f'<span class="small">{escape(words)}</span>' if words else ""


def shape(level: Level) -> str:
    """Return a level's shape."""
    return f'<svg viewBox="0 0 24 24" aria-hidden="true">{_SHAPES[level]}</svg>'


def aged(moment: datetime | None, at: datetime) -> str:
    """Return a time and its age, "" for none."""
    if moment is None:
        return ""
    return f'{utc(moment)}<span class="small">{age(moment, at)}</span>'


def utc(moment: datetime) -> str:
    """Return a time in UTC as HTML. `moment` must be in UTC."""
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M} UTC</time>'
