"""The product limits each listing that it reads with an SDK."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("runbook_lib", "runbooks", "vibedata", "publisher")
# The SDKs' names for methods that return results page by page.
LISTING = re.compile(r"list_(by_|properties_of_|blobs$|entities$|deleted_)")
# Our own function with the same name. It limits its listing itself.
OURS = "artifact_storage"


def listings() -> list[tuple[str, int, bool]]:
    """Return each call that asks for a listing: file, line, and whether its function limits a listing."""
    found = []
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            for function in ast.walk(ast.parse(text)):
                if not isinstance(function, ast.FunctionDef):
                    continue
                calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
                asked = [
                    call
                    for call in calls
                    if isinstance(call, ast.Attribute)
                    and LISTING.match(call.attr)
                    and not (isinstance(call.value, ast.Name) and call.value.id == OURS)
                ]
                named = {call.id for call in calls if isinstance(call, ast.Name)}
                # A listing that is read page by page must count its pages.
                paged = any(isinstance(call, ast.Attribute) and call.attr == "by_page" for call in calls)
                found += [(str(file.relative_to(ROOT)), call.lineno, paged or "bounded" in named) for call in asked]
    return found


def test_every_listing_is_bounded() -> None:
    found = listings()
    assert len(found) > 10
    assert [(file, line) for file, line, bounded in found if not bounded] == []
