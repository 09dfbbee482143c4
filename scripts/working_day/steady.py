"""Make a transcript the same each time: times, ids, addresses and durations get one form each. Pure."""

import re

# In this order. What a later one would find in a former one's place, the former must have taken.
_FORMS = (
    # A log's own lines while a command waits: how many there are depends on the machine.
    (r"(?m)^.*whole: .*\)\n", ""),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "2026-11-30T09:00:00Z"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?", "2026-11-30 09:00"),
    (r"\b\d\d:\d\d:\d\d\b", "09:00:00"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "00000000-0000-4000-8000-000000000000"),
    (r"sha256:[0-9a-f]{8,64}", "sha256:0123456789ab"),
    (r"hmac-[0-9a-f]{16}", "hmac-0123456789abcdef"),
    (r"(?m)^.* of \d+ done, .* in flight, .*\n", ""),
    (r"from commit [0-9a-f]{12}", "from commit 0123456789ab"),
    (r"started by \S+ with", "started by operator@desk with"),
    # Sizes: each change of a source changes them.
    (r"\b\d{1,3}(?:,\d{3})+\b", "N"),
    (r"\b[0-9a-f]{32,64}\b", "0123456789abcdef0123456789abcdef"),
    (r"(?:127\.0\.0\.1|localhost):\d+", "127.0.0.1:443"),
    (r"\b\d+ min \d+ s\b", "N s"),
    (r"\b\d+(?:\.\d+)? (?:s|ms|seconds?|min|minutes?)\b", "N s"),
)
_RULES = tuple((re.compile(pattern), form) for pattern, form in _FORMS)


_DIGITS = re.compile(r"\d+")
# Of tables: their columns' widths follow from what stands in them.
_BORDERS = "┏┳┓┡╇┩└┴┘━─│┃"


def steady(text: str, names: dict[str, str]) -> str:
    """Return a text with one form for all that differs from day to day. names: folders and hosts, and their forms."""
    for name, form in names.items():
        text = text.replace(name, form)
    for pattern, form in _RULES:
        text = pattern.sub(form, text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def sentences(page: str) -> dict[str, list[str]]:
    """Return what each command of a page says: its lines in one order, without tables and numbers.

    Jobs that run side by side end in any order, and how a table is broken into lines follows from ages.
    """
    found: dict[str, list[str]] = {}
    for number, part in enumerate(page.split("```text\n")[1:]):
        line, _, said = part.partition("```")[0].partition("\n")
        rows = (_DIGITS.sub("N", each).strip() for each in said.split("\n"))
        found[f"{number} {line}"] = sorted({row for row in rows if row and row[0] not in _BORDERS})
    return found
