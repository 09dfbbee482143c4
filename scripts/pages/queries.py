"""Write docs/portal.md and docs/queries/workbook.json from docs/queries/*.kql: `python -m scripts.pages.queries`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "queries"
PAGE, WORKBOOK = FOLDER.parent / "portal.md", FOLDER / "workbook.json"
# The order in which an administrator asks these questions.
QUERIES: Mapping[str, str] = {
    "runs_of_a_week": "The runs of a week",
    "failures_of_a_week": "Failures of a week",
    "one_deployment": "One deployment",
    "health_of_a_week": "Changes of health",
    "left_the_tenant": "What left the tenant",
}
# Azure Workbooks: items of type 1 are text, and of type 3 queries. queryType 0 is Log Analytics.
_TEXT, _QUERY, _LOGS = 1, 3, 0
HEAD = """\
# In the Azure portal

`python -m scripts.pages.queries` writes this page and the workbook from the files in [queries](queries).

Every run writes its events to the table `VibeData_Operations_CL` of the managed application's Log Analytics workspace.
Open the workspace, choose Logs, and paste a query. An event may be there twice; `summarize take_any(*) by EventId`
leaves one. An event that has waited in a spool keeps its own time in `Details.At`.

[queries/workbook.json](queries/workbook.json) shows all of them on one page: open Monitor, Workbooks, New, the advanced
editor (`</>`), paste the file, apply, and choose the workspace.

A job whose first line says `trial` only finds out whether a runbook can run, and changes nothing. A trial and a plan
write no events.
"""


def query(name: str) -> str:
    """Return the text of a query."""
    return (FOLDER / f"{name}.kql").read_text(encoding="utf-8")


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for name, title in QUERIES.items():
        comment, _, text = query(name).partition("\n")
        shown = "".join(f"    {line}\n" for line in text.splitlines())
        parts.append(f"## {title}\n\n{comment.removeprefix('// ')}\n\n{shown}")
    return "\n".join(parts)


def workbook() -> str:
    """Return the workbook in the form that the portal's advanced editor takes."""
    items: list[Mapping[str, Any]] = [
        {"type": _TEXT, "content": {"json": "# Vibedata: what the runbooks did"}, "name": "title"}
    ]
    for name, title in QUERIES.items():
        content = {
            "version": "KqlItem/1.0",
            "query": query(name),
            "size": 0,
            "title": title,
            "queryType": _LOGS,
            "resourceType": "microsoft.operationalinsights/workspaces",
        }
        items.append({"type": _QUERY, "content": content, "name": name})
    return json.dumps({"version": "Notebook/1.0", "items": items, "fallbackResourceIds": []}, indent=2) + "\n"


def main() -> int:
    """Write the page and the workbook."""
    PAGE.write_text(page(), encoding="utf-8")
    WORKBOOK.write_text(workbook(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
