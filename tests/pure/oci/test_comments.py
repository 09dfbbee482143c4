"""A library module loses its comments, and nothing else, on its way into a built runbook."""

import ast
from pathlib import Path

import pytest

from oci.bundling.comments import without_comments
from oci.bundling.source_tree import read_sources

SOURCES = read_sources(Path(__file__).parents[3])
LIBRARY = [file for file in SOURCES if file.startswith("runbook_lib/")]


@pytest.mark.parametrize("file", LIBRARY)
def test_every_module_of_the_library_is_the_same_program(file: str) -> None:
    whole, bare = SOURCES[file], without_comments(SOURCES[file])
    assert ast.dump(ast.parse(bare), include_attributes=True) == ast.dump(ast.parse(whole), include_attributes=True)
    assert all(was.startswith(now) for was, now in zip(whole.split("\n"), bare.split("\n"), strict=True))


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("x = 1  # why\n", "x = 1\n"),
        ("# why\nx = 1\n", "\nx = 1\n"),
        ("def f():\n    # why\n    return 1\n", "def f():\n\n    return 1\n"),
        ("x = [  # why\n    1,  # one\n]\n", "x = [\n    1,\n]\n"),
        ('x = "# no comment"  # why\n', 'x = "# no comment"\n'),
        ('x = """\n# no comment\n"""\n', 'x = """\n# no comment\n"""\n'),
        ("x = 'Ö'  # why\n", "x = 'Ö'\n"),
        ("x = 1\n\f\n# why\ny = 2\n", "x = 1\n\f\n\ny = 2\n"),
        ("", ""),
    ],
)
def test_comments_go_and_strings_stay(text: str, bare: str) -> None:
    assert without_comments(text) == bare
