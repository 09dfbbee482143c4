"""A test causes every error of the catalogue. The tests cause errors of services over the wire.

Source: docs/design.md#running-a-runbook.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from vibedata.error_catalogue import CATALOGUE

TESTS = Path(__file__).parents[1]
CODE = re.compile(r"VD-[A-Z]+-\d{3}")
# These tests use the catalogue itself.
NOT_COUNTED = {"test_errors.py", Path(__file__).name}
# Errors that occur without any service. All other errors are caused over the wire, or by complete jobs.
LOCAL_AREAS = {"PARAM", "SETTINGS", "BUILD", "OUTPUT", "PACKAGE"}


@cache
def provoked() -> dict[str, set[str]]:
    """Return for each code in a test's own text (not in a comment) the folders of these tests."""
    found: dict[str, set[str]] = {}
    for file in TESTS.rglob("test_*.py"):
        if file.name in NOT_COUNTED:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        documentation = {
            ast.get_docstring(node, clean=False)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in documentation:
                for code in CODE.findall(node.value):
                    found.setdefault(code, set()).add(file.relative_to(TESTS).parts[0])
    return found


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_error_is_provoked(code: str) -> None:
    folders = provoked().get(code, set())
    wanted = {"wire", "lab", "end_to_end"} | ({"pure"} if code.split("-")[1] in LOCAL_AREAS else set())
    assert folders & wanted, f"no test in {' or '.join(sorted(wanted))} provokes {code}; found in {folders or 'none'}"
