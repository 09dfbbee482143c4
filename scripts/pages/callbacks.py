"""Write the tables of docs/callbacks.md from the allow-list: `python -m scripts.pages.callbacks`."""

from dataclasses import fields
from pathlib import Path

from runbook_lib.callbacks.payloads import KINDS, ComponentHealth, Payload, takes

PAGE = Path(__file__).parents[2] / "docs" / "callbacks.md"
BEGIN = "<!-- from runbook_lib/callbacks/payloads.py by python -m scripts.pages.callbacks -->"
END = "<!-- to here -->"


def tables() -> str:
    """Return the tables as Markdown: each report's fields, and those of a component in it."""
    parts = [f"`POST /v1/instances/<instance_id>/{name}`: {_section(kind)}" for name, kind in KINDS.items()]
    return "\n\n".join([*parts, f"Each of `components`: {_section(ComponentHealth)}"])


def page(text: str) -> str:
    """Return the page's text with the tables between the two marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _section(kind: type[Payload | ComponentHealth]) -> str:
    summary = (kind.__doc__ or "").partition("\n")[0]
    rows = [f"| `{each.name}` | {each.metadata['tells']} | {takes(each.metadata['form'])} |" for each in fields(kind)]
    return "\n".join(
        [f"{summary[0].lower()}{summary[1:]}", "", "| field | what it tells | what it takes |", "|---|---|---|", *rows]
    )


if __name__ == "__main__":
    raise SystemExit(main())
