"""The page of an operator's working day says what the commands say: the day is played again in a lab of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.working_day.__main__ import PAGE
from scripts.working_day.steady import sentences

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def test_the_page_says_what_the_commands_say(tmp_path: Path) -> None:
    page = tmp_path / "working-day.md"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIBEDATA_", "AZURE_"))}
    command = [sys.executable, "-m", "scripts.working_day", "--page", str(page)]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    written, played = (sentences(file.read_text(encoding="utf-8")) for file in (PAGE, page))
    assert list(written) == list(played)
    different = {line: (said, played[line]) for line, said in written.items() if said != played[line]}
    assert different == {}, "`python -m scripts.working_day` writes the page anew"
