"""Try the example of CONTRIBUTING.md: put its files into a copy of the project, and run the commands that it shows."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci.bundling.bundle import bundle
from oci.bundling.source_tree import read_sources, runbook_names

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# The page says "Write `FILE`" or "Add to `FILE`", and a block follows.
BLOCK = re.compile(r"^(Write|Add to) `([^`]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.search(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
# A copy has no .venv. So the interpreter of this test replaces each program of it.
PROGRAMS = {
    ".venv/bin/python": [],
    ".venv/bin/pytest": ["-m", "pytest", "-p", "no:cacheprovider"],
    ".venv/bin/vibedata": ["-m", "vibedata.cli"],
    ".venv/bin/ruff": ["-m", "ruff"],
}
COPIED = ("oci", "publisher", "runbook_lib", "runbooks", "scripts", "vibedata", "tests", "docs")
NAME = "leave_note"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with the files of the page."""
    folder = tmp_path_factory.mktemp("project")
    for part in COPIED:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "oci/packages.lock"):
        shutil.copy(ROOT / file, folder / file)
    for verb, name, content in BLOCK.findall(TEXT):
        file = folder / name
        assert file.exists() == (verb == "Add to"), f"{verb} {name}"
        before = file.read_text(encoding="utf-8").rstrip("\n") + "\n\n" if verb == "Add to" else ""
        file.write_text(before + content, encoding="utf-8")
    return folder


def commands() -> Iterator[str]:
    assert COMMANDS is not None
    yield from COMMANDS[1].splitlines()


def run(folder: Path, arguments: list[str]) -> str:
    """Run the interpreter in a copy of the project, and return its output."""
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_shows_a_runbook_its_test_an_error_and_its_guide() -> None:
    assert [(verb, name) for verb, name, _ in BLOCK.findall(TEXT)] == [
        ("Write", f"runbooks/{NAME}.py"),
        ("Write", f"tests/pure/runbooks/test_{NAME}.py"),
        ("Add to", "runbook_lib/errors/run.py"),
        ("Add to", "scripts/pages/error_guides/run.txt"),
    ]


@pytest.mark.slow
def test_every_command_of_the_example_does_what_the_page_says(copy: Path) -> None:
    said = {}
    for line in commands():
        program, *rest = shlex.split(line)
        said[line] = run(copy, [*PROGRAMS[program], *rest])
    assert len(said) == 4
    everything = "\n".join(said.values())
    assert " passed" in everything
    assert "--text" in everything
    page = (copy / "docs" / "errors.md").read_text(encoding="utf-8")
    assert "### VD-PARAM-090" in page
    assert f"vibedata run {NAME} -- --text TEXT" in page


@pytest.mark.slow
def test_the_runbook_of_the_example_is_built_as_the_others_are(copy: Path) -> None:
    sources = read_sources(copy)
    assert NAME in runbook_names(sources)
    built = bundle(NAME, sources=sources, version="2026.11.0")
    file = copy / f"{NAME}.py"
    file.write_text(built.text, encoding="utf-8")
    helped = subprocess.run(
        [sys.executable, "-I", str(file), "--help"], cwd=copy, capture_output=True, text=True, timeout=120, check=True
    )
    assert "--text" in helped.stdout
    refused = subprocess.run(
        [sys.executable, "-I", str(file), "--txt", "a"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert refused.returncode == 2
    assert "VD-PARAM-001" in refused.stdout
