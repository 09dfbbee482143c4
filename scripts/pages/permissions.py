"""Write docs/permissions.md from the permissions that the runbooks declare: `python -m scripts.pages.permissions`."""

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from runbook_lib.permissions.every_runbook import EVERY_RUNBOOK
from runbook_lib.permissions.model import Permission

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"
HEAD = """\
# Permissions of vibedata-uami

`python -m scripts.pages.permissions` writes this page from what the runbooks declare (`Runbook.permissions`, with the
actions of `runbook_lib/permissions/`). A test runs each runbook with exactly these actions: it succeeds with them,
and fails without them.

A role is assigned at the resource that the column "on" names. [operators.md](operators.md) says what else must be
there before the first run, and which roles the people need who run `vibedata deploy`.
"""


def declared() -> Mapping[str, tuple[Permission, ...]]:
    """Return the permissions that each runbook needs beside EVERY_RUNBOOK, by the runbook's name."""
    names = sorted(file.stem for file in (PAGE.parents[1] / "runbooks").glob("[a-z]*.py"))
    return {name: importlib.import_module(f"runbooks.{name}").RUNBOOK.permissions for name in names}


def page() -> str:
    """Return the page."""
    parts = [HEAD, f"## Every runbook\n\n{_table(EVERY_RUNBOOK)}"]
    parts += [f"## {name}\n\n{_table(permissions)}" for name, permissions in declared().items()]
    return "\n".join(parts)


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def _table(permissions: Iterable[Permission]) -> str:
    rows = [f"| {each.on} | {each.role} | {each.purpose} | {_actions(each)} |" for each in permissions]
    return "\n".join(["| on | role | for | actions |", "|---|---|---|---|", *rows, ""])


def _actions(permission: Permission) -> str:
    data = (f"`{action}` (data)" for action in permission.data_actions)
    return "<br>".join([*(f"`{action}`" for action in permission.actions), *data])


if __name__ == "__main__":
    raise SystemExit(main())
