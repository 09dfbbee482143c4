"""The house's own rules, which no linter knows: imports point down, and a start costs only what it uses."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What each folder may import of the project's own.
BELOW = {
    "runbook_lib": {"runbook_lib"},
    "runbooks": {"runbooks", "runbook_lib"},
    "oci": {"oci", "runbook_lib"},
    "publisher": {"publisher", "runbook_lib"},
    "scripts": {"scripts", "oci", "publisher", "runbooks", "runbook_lib"},
    "lab": {"lab"},
}
FOLDERS = {*BELOW, "tests"}


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide where they point"
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("folder", BELOW)
def test_imports_point_down_only(folder: str) -> None:
    found = {file.name: (imported(file) & FOLDERS) - BELOW[folder] for file in (ROOT / folder).rglob("*.py")}
    assert {name: above for name, above in found.items() if above} == {}


@pytest.mark.parametrize(
    "module", ["runbooks.import_manifest", "runbooks.import_images", "runbooks.bootstrap_registry"]
)
def test_a_runbook_imports_no_sdk_before_it_needs_one(module: str) -> None:
    heavy = ("azure", "requests", "urllib3", "msal", "cryptography", "asyncio")
    program = f"import sys, {module}; print(sorted({{name.partition('.')[0] for name in sys.modules}} & set({heavy})))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_no_runbook_names_an_error_that_it_does_not_carry() -> None:
    """The publisher's entries are in no bundle (oci/bundling/closure.py)."""
    files = [file for folder in ("runbook_lib", "runbooks") for file in (ROOT / folder).rglob("*.py")]
    named = {file.name for file in files if re.search(r"VD-(BUILD|PUSH)-\d", file.read_text(encoding="utf-8"))}
    assert named == {"error_catalogue_publisher.py"}
