"""Write docs/errors.md from the catalogue of errors: `python -m scripts.pages.errors`."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from runbook_lib.errors import ErrorEntry
from scripts.pages.error_guide import TASKS, Guide, guides
from vibedata.error_catalogue import CATALOGUE

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"

AREAS = {
    "PARAM": "Parameters",
    "SETTINGS": "Settings",
    "IDENTITY": "Identity",
    "NET": "Azure services in general",
    "MANIFEST": "Release manifest",
    "TRUST": "Signatures and trust",
    "REGISTRY": "Container registries",
    "IMPORT": "Import of images",
    "STORAGE": "Artifact storage",
    "PREFLIGHT": "Preflight",
    "VAULT": "Key Vault",
    "ARM": "Managed resource group",
    "COMPONENT": "Component registry",
    "HEALTH": "Health",
    "ROTATION": "Rotation of credentials",
    "TLS": "The TLS certificate",
    "DNS": "The publisher's DNS zone",
    "GATEWAY": "The Application Gateway",
    "CALLBACK": "Callbacks to the publisher",
    "ENGINE": "The run itself",
    "LOG": "Operations log",
    "OUTPUT": "Job output",
    "BUILD": "Building a release",
    "PUSH": "Pushing a release",
    "VERIFY": "Validating a release",
    "PACKAGE": "The Marketplace package",
    "AUTOMATION": "Automation account and jobs",
    "LOCK": "The lock of a deployment",
    "SCRIPT": "The deployment script",
    "INSTANCE": "The publisher's instances",
    "DOCTOR": "An instance that runs",
    "LAB": "The lab",
}

INTRODUCTION = """\
# Errors

Every failure of a run has a code, and a code keeps its meaning. Some failures have no code, because they occur only in
commands: a wrong option, a file that cannot be written, the lab. They still say what to do.

A run that fails prints its code. Its last line of output is a JSON object with the member `error`: `code`, `message`,
`cause`, `remedy`, `retryable`. Changes that a run made before its failure stay, and the next run finds them. You never
have to undo a run, and you can safely repeat every run.

Exit codes: 1 failed, 2 bad parameters or settings, 3 another deployment holds the lock.

Each code's section has an example, how to check, whose task it is, and the command to type. Replace a word in capitals
in a command by your own value.

*Made from `runbook_lib/errors/` and `scripts/pages/error_guides/` by `python -m scripts.pages.errors`.*
"""


def page(entries: Iterable[ErrorEntry]) -> str:
    """Return the page as Markdown: an index, and a section for each entry with its guide, by area and code."""
    told = guides()
    ordered = sorted(entries, key=lambda entry: (list(AREAS).index(_area(entry)), entry.code))
    parts = [INTRODUCTION, "| code | what happened | run it again as it is? |\n|---|---|---|"]
    parts += [f"| [{entry.code}](#{entry.code.lower()}) | {entry.title} | {_again(entry)} |" for entry in ordered]
    for area, group in groupby(ordered, _area):
        parts.append(f"\n## {AREAS[area]}")
        parts += [_section(entry, told.get(entry.code)) for entry in group]
    return "\n".join(parts) + "\n"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(CATALOGUE.values()), encoding="utf-8")
    return 0


def _section(entry: ErrorEntry, guide: Guide | None) -> str:
    lines = [f"**{entry.title[0].upper()}{entry.title[1:]}.** {entry.cause}\n"]
    if guide is not None:
        # Use two backticks, because some examples hold one.
        lines.append(f"- Example: `` {entry.code}: {entry.title}{guide.example} ``")
        lines.append(f"- How to check: {guide.check}")
    lines.append(f"- What to do: {entry.remedy}")
    if guide is not None:
        lines.append(f"- Whose task: {TASKS[guide.task]}")
    if guide is not None and guide.command:
        lines.append(f"- Command: `{guide.command}`")
    lines += [f"- Run it again as it is: {_again(entry)}", f"- Exit code: {entry.exit_code}"]
    return f"\n### {entry.code}\n\n" + "\n".join(lines)


def _area(entry: ErrorEntry) -> str:
    return entry.code.split("-")[1]


def _again(entry: ErrorEntry) -> str:
    return "yes" if entry.retryable else "no, correct the cause first"


if __name__ == "__main__":
    raise SystemExit(main())
