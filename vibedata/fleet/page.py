"""`vibedata fleet status` as one HTML page. Pure.

The module page_parts makes the parts of this page and of the page of `vibedata status --html`.
"""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from vibedata.fleet.facts import Line
from vibedata.status.facts import Level, Verdict
from vibedata.status.page_parts import badge, frame, section, small, table, tile

LEVELS = (
    (Level.ILL, "Ill"),
    (Level.UNKNOWN, "Unknown"),
    (Level.ATTENTION, "In need of attention"),
    (Level.WELL, "Well"),
)
COLUMNS = ("Instance", "Release", "Health", "Last deployment", "Credentials")


def page(lines: Sequence[Line], verdict: Verdict, at: datetime) -> str:
    """Return the page. `at` is the time of reading."""
    tiles = "".join(
        tile(name, str(number)) for level, name in LEVELS if (number := sum(line.level is level for line in lines))
    )
    return frame(
        brand="Vibedata",
        name="Vibedata fleet",
        scope=f"{len(lines)} instance{'' if len(lines) == 1 else 's'} of the publisher's table Instances",
        at=at,
        verdict=verdict,
        body=(f'<dl class="tiles">\n{tiles}</dl>\n' if tiles else "")
        + section("Instances", len(lines), table(COLUMNS, map(_cells, lines))),
        made="Made by <code>vibedata fleet status --html</code> from what instances last reported and what the"
        " publisher recorded. It does not renew itself.",
    )


def _cells(line: Line) -> tuple[str, ...]:
    instance = line.known.instance
    where = f"subscription {instance.subscription_id}, resource group {instance.managed_resource_group}"
    ring = f", ring {instance.ring}" if instance.ring else ""
    waiting = f"open: {line.rotations}" if line.known.waiting else ""
    return (
        f"<strong>{escape(instance.display_name)}</strong> {badge(line.level, line.level.value)}"
        + small(f"{instance.id}{ring}")
        + small(where),
        escape(line.release),
        escape(line.health),
        escape(line.deployment),
        escape(line.credentials) + small(waiting),
    )
