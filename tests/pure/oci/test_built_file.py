"""A built runbook's file from a stranger is refused, and never ends the process."""

import subprocess
import sys

import pytest

# A segmentation fault would end the tests, so another process reads the file.
READER = """
import sys
from oci.bundling.built_file import UnfitError, foreign_imports
try:
    foreign_imports(sys.stdin.buffer.read())
except UnfitError as error:
    sys.stdout.write(f"unfit: {error}")
"""
SIZE = 1024 * 1024


def deep(unit: str) -> str:
    return "a" + unit * ((SIZE - 1) // len(unit))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (deep(".a"), "it holds no runbook"),
        (deep("()"), "it holds no runbook"),
        (deep("+a"), "it holds no runbook"),
        ("-" * 100_000 + "1", "line 1 of the file is no Python 3.10: too much is nested"),
        (f"SOURCES = {{}}\nSOURCES['runbooks/a.py'] = '\\n{deep('.a')[:-60]}'[1:]\n", ""),
    ],
    ids=["attributes", "calls", "sums", "signs", "an embedded file"],
)
def test_a_deep_syntax_tree_ends_no_process(text: str, why: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READER], input=text.encode(), capture_output=True, timeout=120, check=True
    )
    assert done.stdout.decode() == (why and f"unfit: {why}")
