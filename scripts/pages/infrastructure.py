"""Write the table of parameters in docs/infrastructure.md: `python -m scripts.pages.infrastructure`."""

import re
from pathlib import Path

from vibedata.template.check import MAIN
from vibedata.template.reader import read_folder
from vibedata.template.syntax import Array, Declaration, Expression, Literal, Text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "infrastructure.md"
_TABLE = re.compile(r"(<!-- from infra/mainTemplate\.bicep [^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)


def page(text: str) -> str:
    """Return the page's text with the table as the template has it."""
    (main,) = [document for document in read_folder(ROOT / "infra")[0] if document.file == MAIN]
    rows = [_row(each) for each in main.of_kind("param")]
    table = "\n".join(["| parameter | type | default | what |", "|---|---|---|---|", *rows, ""])
    return _TABLE.sub(lambda found: f"{found[1]}{table}{found[2]}", text)


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _row(parameter: Declaration) -> str:
    described = parameter.decorator("description")
    allowed = parameter.decorator("allowed")
    kind = parameter.type
    if allowed is not None and isinstance(allowed.arguments[0], Array):
        kind = " or ".join(f"`{_plain(each)}`" for each in allowed.arguments[0].items)
    default = "must be given" if parameter.value is None else _default(parameter.value)
    what = "" if described is None else _plain(described.arguments[0])
    return f"| `{parameter.name}` | {kind} | {default} | {what} |"


def _default(value: Expression) -> str:
    plain = _plain(value)
    return f"`{plain}`" if plain else "is computed" if not isinstance(value, Text) or value.parts else "empty"


def _plain(value: Expression) -> str:
    if isinstance(value, Literal):
        return str(value.value).lower()
    return (value.plain or "") if isinstance(value, Text) else ""


if __name__ == "__main__":
    raise SystemExit(main())
