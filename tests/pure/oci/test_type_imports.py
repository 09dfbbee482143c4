"""A library module loses what only a type checker reads, and nothing else, on its way into a built runbook."""

import ast
from pathlib import Path

import pytest

from oci.bundling.source_tree import read_sources
from oci.bundling.type_imports import without_type_imports

SOURCES = read_sources(Path(__file__).parents[3])
LIBRARY = [file for file in SOURCES if file.startswith("runbook_lib/")]


def is_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not node.orelse


@pytest.mark.parametrize("file", LIBRARY)
def test_all_else_of_every_module_stands_where_it_stood(file: str) -> None:
    left = [node for node in ast.parse(SOURCES[file]).body if not is_guard(node)]
    found = ast.parse(without_type_imports(SOURCES[file])).body
    assert [ast.dump(node, include_attributes=True) for node in found] == [
        ast.dump(node, include_attributes=True) for node in left
    ]


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("if TYPE_CHECKING:\n    from a import b\n\n    from c import d\nx = 1\n", "\n\n\n\nx = 1\n"),
        ("if TYPE_CHECKING:\n    X = int\nelse:\n    X = str\n", None),
        ("def f():\n    if TYPE_CHECKING:\n        import a\n", None),
        ("if not TYPE_CHECKING:\n    import a\n", None),
    ],
)
def test_only_a_whole_guard_of_the_module_goes(text: str, bare: str | None) -> None:
    assert without_type_imports(text) == (text if bare is None else bare)
