"""A library module loses its docstrings, and nothing else, on its way into a built runbook."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from oci.bundling.docstrings import without_docstrings
from oci.bundling.source_tree import read_sources
from tests.support.growth import grows_too_fast

SOURCES = read_sources(Path(__file__).parents[3])
LIBRARY = [file for file in SOURCES if file.startswith("runbook_lib/")]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def undocumented(text: str) -> ast.Module:
    """Return the tree of a text without its docstrings. `pass` replaces a docstring that is the only statement."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body.pop(0)
            if not node.body and not isinstance(node, ast.Module):
                node.body.append(ast.copy_location(ast.Pass(), docstring))
    return tree


def described(code: CodeType) -> Iterator[object]:
    """Yield everything that a code object does, and the line of each of its instructions."""
    yield code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    yield code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_firstlineno
    yield list(code.co_lines())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from described(constant)
        else:
            yield type(constant), repr(constant)


def code_of(source: str | ast.Module) -> list[object]:
    return list(described(compile(source, "module", "exec", dont_inherit=True)))


@pytest.mark.parametrize("file", LIBRARY)
def test_every_module_of_the_library_compiles_to_the_same_code_but_for_docstrings(file: str) -> None:
    text = SOURCES[file]
    bare = without_docstrings(text)
    assert code_of(bare) == code_of(undocumented(text))
    assert [
        node for node in ast.walk(ast.parse(bare)) if isinstance(node, DOCUMENTED) and ast.get_docstring(node)
    ] == []


@pytest.mark.parametrize("file", LIBRARY)
def test_every_line_of_the_library_is_empty_or_stands_where_it_stood(file: str) -> None:
    whole, bare = SOURCES[file].split("\n"), without_docstrings(SOURCES[file]).split("\n")
    assert len(bare) == len(whole)
    changed = {now for was, now in zip(whole, bare, strict=True) if now != was}
    assert {line.strip() for line in changed} <= {"", "pass"}


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ('"""Module."""\n\nx = 1\n', "\n\nx = 1\n"),
        ('"""Of\nthree\nlines."""\nx = 1\n', "\n\n\nx = 1\n"),
        ('"""Alone."""\n', "\n"),
        ('def f():\n    """One."""\n    return 1\n', "def f():\n\n    return 1\n"),
        ('class C(Exception):\n    """One."""\n', "class C(Exception):\n    pass\n"),
        ('def f():\n    """One.\n\n    More.\n    """\n', "def f():\n    pass\n\n\n\n"),
        ('async def f():\n    r"""\\One."""\n    await x\n', "async def f():\n\n    await x\n"),
        ('def f():\n    """One."""\n\n    def g():\n        "Two."\n', "def f():\n\n\n    def g():\n        pass\n"),
        ("def f():\n    ('One.'\n     'Two.')\n    return 1\n", "def f():\n\n\n    return 1\n"),
        ('def f():\n    """Öne."""  # why\n    return 1\n', "def f():\n      # why\n    return 1\n"),
        ('def f():\n    """Öne."""  # why\n', "def f():\n    pass  # why\n"),
        ('def f():\n    """A\n    b."""  # why\n', "def f():\n    pass\n      # why\n"),
        ('def f():\n\t"""Tab."""\n\treturn 1\n', "def f():\n\n\treturn 1\n"),
        ('x = 1\n\f\ndef f():\n    """One."""\n    return 1\n', "x = 1\n\f\ndef f():\n\n    return 1\n"),
        ('# why\n"""Module."""\nfrom __future__ import annotations\n', "# why\n\nfrom __future__ import annotations\n"),
    ],
)
def test_docstrings_become_empty_lines(text: str, bare: str) -> None:
    assert without_docstrings(text) == bare
    assert code_of(bare) == code_of(undocumented(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1\n",
        'x = """No docstring."""\n',
        'x = 1\n"""Nor this."""\n',
        'if x:\n    """Nor this."""\n',
        'class C:\n    x = 1\n    """Nor this."""\n',
        'def f(x="""Nor this."""):\n    return x\n',
        "def f():\n    return '''\n'''  # \"\"\"\n",
        "TEXT = r\"\"\"\ndef f():\n    '''Doc.'''\n\"\"\"\n",
        'b"""Bytes."""\n',
        'f"""{1}"""\n',
        'def f():\n    """A.""".strip()\n',
        # A docstring that shares its line stays, because the code beside it must not move.
        'def f(): """Beside its head."""\n',
        '"""A."""; x = 1\n',
        'def f():\n    """A."""; return 1\n',
        'def f():\n    """A.""" \\\n        ; return 1\n',
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert without_docstrings(text) == text


def test_time_grows_with_the_length() -> None:
    function = 'def f():\n    """One.\n\n    Two.\n    """\n'
    # Use the function itself, and not its cache.
    asked_anew = without_docstrings.__wrapped__
    assert not grows_too_fast(lambda count: asked_anew(function * count))
