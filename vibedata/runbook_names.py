"""The names of the runbooks. Each is a file in runbooks/."""

from pathlib import Path

import runbooks


def runbook_names() -> list[str]:
    """Return the runbooks' names, sorted."""
    folder = Path(next(iter(runbooks.__path__)))
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
