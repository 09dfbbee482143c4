"""Write the map of the house into docs/architecture.md, from the docstring of each folder.

Usage: python -m scripts.pages.house
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
FOLDERS = ("runbooks", "runbook_lib", "oci", "publisher", "vibedata", "scripts", "lab", "bench")
BEGIN = "<!-- from the folders' docstrings by python -m scripts.pages.house -->"
END = "<!-- end -->"


def table() -> str:
    """Return the map: one row for each folder of the product, with the first paragraph of its docstring."""
    faces = sorted(face for folder in FOLDERS for face in (ROOT / folder).rglob("__init__.py"))
    rows = [f"| `{face.parent.relative_to(ROOT).as_posix()}/` | {_says(face)} |" for face in faces]
    return "\n".join(["| folder | what lives there |", "|---|---|", *rows])


def page(text: str) -> str:
    """Return the page with a new map between its two marks.

    Raises:
        ValueError: The page lacks a mark.
    """
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{PAGE.name} lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _says(face: Path) -> str:
    docstring = ast.get_docstring(ast.parse(face.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split())


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
