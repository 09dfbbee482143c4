"""The guides of docs/errors.md: for each code an example, how to check, whose task it is, and the command.

They are in scripts/pages/error_guides/*.txt and not in the catalogue: a built runbook holds the catalogue's entries,
and does not need the guides.
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "error_guides"
# Whose task it is, by the word in the files.
TASKS = {
    "customer": "the customer's administrator",
    "publisher": "the publisher",
    "starter": "the person who started the run or command",
}
_LINES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """One code's guide. `example` follows the title in a message. `command` is "" if there is none to type."""

    task: str
    example: str
    check: str
    command: str


def guides() -> dict[str, Guide]:
    """Return the guides of all files by code. Raises ValueError for a file that cannot be read."""
    found: dict[str, Guide] = {}
    for file in sorted(FOLDER.glob("*.txt")):
        for block in file.read_text(encoding="utf-8").strip().split("\n\n"):
            code, guide = _guide(block.splitlines(), file.name)
            if code in found:
                raise ValueError(f"{file.name}: {code} is there twice")
            found[code] = guide
    return found


def _guide(lines: list[str], file: str) -> tuple[str, Guide]:
    """Return the guide of a block: code and task, the example's end, how to check, the command or a dash."""
    code, _, task = lines[0].partition(" ")
    if len(lines) != _LINES or task not in TASKS:
        raise ValueError(f"{file}: {code}: takes four lines, the first with the code and one of {', '.join(TASKS)}")
    command = "" if lines[3] == "-" else lines[3]
    return code, Guide(task=task, example=lines[1].rstrip(), check=lines[2], command=command)
