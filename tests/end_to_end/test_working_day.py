"""The page of an operator's working day shows the commands' real output. This plays the day again in a separate lab."""

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.pages.working_day import PAGE

ROOT = Path(__file__).parents[2]
# A day takes two minutes, and much longer on a busy machine.
WAIT_SECONDS = 1500
pytestmark = pytest.mark.slow


def test_the_page_says_what_the_commands_say(tmp_path: Path) -> None:
    page = tmp_path / "working-day.md"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIBEDATA_", "AZURE_"))}
    command = [sys.executable, "-m", "scripts.pages.working_day", "--page", str(page)]
    done = subprocess.run(
        command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written, played = (file.read_text(encoding="utf-8").splitlines() for file in (PAGE, page))
    different = "\n".join(difflib.unified_diff(written, played, "written", "played", lineterm=""))
    assert different == "", "`python -m scripts.pages.working_day` writes the page anew"
