"""A built runbook holds the text of its modules. A text that cannot be embedded unchanged is refused."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oci.bundling import bundle
from oci.bundling import loader as bundle_loader
from oci.bundling.closure import check_available
from runbook_lib.errors import RunbookError

LOADER = "SOURCES_ARE_INSTALLED = True\n"
RUNBOOK = "from runbook_lib.b import value\n\nRUNBOOK = value\n"
LIBRARY = {
    "oci/bundling/loader.py": LOADER,
    "runbooks/__init__.py": "",
    "runbooks/example.py": RUNBOOK,
    "runbook_lib/__init__.py": "",
    "runbook_lib/a.py": "import requests\n",
    "runbook_lib/b.py": "from runbook_lib import a\n\nvalue = 1\n",
    "runbook_lib/lazy.py": "import json\n",
    "runbook_lib/runbook.py": "def main(runbook):\n    from runbook_lib import lazy\n    return 0\n",
    "runbook_lib/unused.py": "import nothing_that_exists\n",
    "runbook_lib/version.py": 'RUNBOOK_VERSION = "dev"\n',
}


def build(sources: Mapping[str, str], **changed: str) -> bundle.Bundle:
    return bundle.bundle("example", sources={**sources, **changed}, version="2026.11.0")


def refusal(sources: Mapping[str, str]) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        build(sources)
    assert caught.value.code == "VD-BUILD-002"
    return caught.value


def embedded(built: bundle.Bundle) -> dict[str, str]:
    """Return the texts that the built file gives to its loader."""
    tree = ast.parse(built.text)
    assignments: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.Assign)]
    scope: dict[str, dict[str, str]] = {"SOURCES": {}}
    exec(compile(ast.Module(assignments, []), "built", "exec"), scope)  # noqa: S102
    return scope["SOURCES"]


def test_holds_what_the_runbook_needs_in_a_fixed_order_and_nothing_else() -> None:
    built = build(LIBRARY)
    assert built.files == (
        "runbooks/example.py",
        "runbook_lib/__init__.py",
        "runbook_lib/a.py",
        "runbook_lib/b.py",
        "runbook_lib/lazy.py",
        "runbook_lib/runbook.py",
        "runbooks/__init__.py",
    )
    assert embedded(built) == {file: LIBRARY[file] for file in built.files}
    assert {"requests", "json"} <= built.foreign
    assert "nothing_that_exists" not in built.foreign
    assert build(dict(reversed(LIBRARY.items()))).content == built.content


def test_header_says_where_each_module_begins() -> None:
    built = build(LIBRARY)
    lines = built.text.splitlines()
    places = re.findall(r"^# +([0-9]+)  (\S+)$", built.text, re.MULTILINE)
    assert [file for _, file in places] == list(built.files)
    for line, file in places:
        assert lines[int(line) - 2].startswith(f"SOURCES[{file!r}] = r'''")
        assert lines[int(line) - 1].startswith(LIBRARY[file].partition("\n")[0])


def test_a_runbook_keeps_its_words_and_the_library_loses_them() -> None:
    documented = '"""What it is."""\n# Why.\n'
    sources = {**LIBRARY, **{file: documented + LIBRARY[file] for file in ("runbooks/example.py", "runbook_lib/a.py")}}
    texts = embedded(build(sources))
    assert texts["runbooks/example.py"] == documented + LIBRARY["runbooks/example.py"]
    assert texts["runbook_lib/a.py"] == "\n\n" + LIBRARY["runbook_lib/a.py"]


def test_version_is_written_into_the_version_module() -> None:
    sources = {**LIBRARY, "runbooks/example.py": f"from runbook_lib import version\n{RUNBOOK}"}
    assert embedded(build(sources))["runbook_lib/version.py"] == 'RUNBOOK_VERSION = "2026.11.0"\n'
    assert "RUNBOOK_VERSION" in refusal({**sources, "runbook_lib/version.py": "X = 1\n"}).message


@given(
    text=st.text(
        st.sampled_from(["'", '"', "\\", "\n", "a", "é", "\N{SNOWMAN}", "{", "r", "#", "\t", "\N{GRINNING FACE}"])
    )
)
def test_any_text_survives(text: str) -> None:
    literal = bundle.literal(text)
    assert ast.literal_eval(f"({literal})")[1:] == text


def test_plain_sources_stay_plain() -> None:
    text = '"""Doc \\ string."""\nPATTERN = r"\\d+\\\\"\nNAME = \'é\'\n'
    assert bundle.literal(text) == f"r'''\n{text}'''"


@pytest.mark.parametrize("quotes", ["'''", '"""', "'''\"\"\"", "''''''", "\\'''\"\"\"\\"])
def test_a_module_with_triple_quotes_and_backslashes_survives(quotes: str) -> None:
    text = f"{RUNBOOK}TEXT = {quotes!r}\n# {quotes}\n"
    sources = {**LIBRARY, "runbooks/example.py": text}
    assert embedded(build(sources))["runbooks/example.py"] == text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x = '\xff'\n", "not UTF-8"),
        (b"\xef\xbb\xbfx = 1\n", "U+FEFF"),
        (b"# -*- coding: latin-1 -*-\n", "encoding latin-1"),
        (b"x = 1\rx = 2\n", "U+000D"),
        (b"x = 1\x00\n", "U+0000"),
        ("x = '\N{RIGHT-TO-LEFT OVERRIDE}'\n".encode(), "U+202E"),
        (b"x = 1", "last line"),
    ],
)
def test_a_source_that_would_not_survive_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(RunbookError) as caught:
        bundle.normalised(content, file="runbook_lib/x.py")
    assert caught.value.code == "VD-BUILD-002"
    assert said in caught.value.message
    assert "runbook_lib/x.py" in caught.value.message


def test_line_ends_become_what_python_reads() -> None:
    assert bundle.normalised(b"a = 1\r\nb = 2\n", file="x.py") == "a = 1\nb = 2\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\n", "RUNBOOK"),
        ("RUNBOOK = \n", "line 1"),
        ("def f[T](x: T): ...\nRUNBOOK = 1\n", "Python 3.10"),
        ("import runbook_lib.absent\nRUNBOOK = 1\n", "runbook_lib.absent"),
        ("from runbook_lib.absent import x\nRUNBOOK = 1\n", "runbook_lib.absent"),
        ("import importlib\nimportlib.import_module(f'runbook_lib.{1}')\nRUNBOOK = 1\n", "line 2"),
    ],
)
def test_a_runbook_that_would_fail_later_is_refused(source: str, said: str) -> None:
    error = refusal({**LIBRARY, "runbooks/example.py": source})
    assert said in error.message
    assert "runbooks/example.py" in error.message


def test_imports_for_type_checking_are_not_followed() -> None:
    source = f"from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from runbook_lib import unused\n\n{RUNBOOK}"
    assert "runbook_lib/unused.py" not in build({**LIBRARY, "runbooks/example.py": source}).files


def test_relative_imports_are_followed() -> None:
    assert "runbook_lib/unused.py" in build({**LIBRARY, "runbook_lib/a.py": "from . import unused\n"}).files
    assert "runbook_lib/unused.py" in build({**LIBRARY, "runbook_lib/a.py": "from .unused import x\n"}).files


def test_an_import_that_no_package_offers_is_refused() -> None:
    source = f"import yaml\nimport automationassets\nfrom azure.core.exceptions import HttpResponseError\n{RUNBOOK}"
    built = build({**LIBRARY, "runbooks/example.py": source})
    packages = {"requests", "azure", "azure.core", "azure.core.exceptions", "yaml"}
    check_available("example", built.foreign, packaged=frozenset(packages))
    for absent in ("yaml", "azure.core.exceptions"):
        with pytest.raises(RunbookError, match=absent) as caught:
            check_available("example", built.foreign, packaged=frozenset(packages - {absent}))
        assert caught.value.code == "VD-BUILD-002"


def test_a_built_runbook_beyond_the_limit_is_refused() -> None:
    with pytest.raises(RunbookError) as caught:
        build({**LIBRARY, "runbook_lib/a.py": f"X = '{'x' * bundle.MAX_BYTES}'\n"})
    assert caught.value.code == "VD-BUILD-003"


@pytest.fixture
def installed() -> Iterator[None]:
    hook, finders, modules = sys.excepthook, list(sys.meta_path), set(sys.modules)
    try:
        yield
    finally:
        sys.excepthook, sys.meta_path[:] = hook, finders
        for name in set(sys.modules) - modules:
            del sys.modules[name]


@pytest.mark.usefixtures("installed")
def test_embedded_names_are_looked_for_nowhere_else() -> None:
    bundle_loader.install({"vendored/__init__.py": "", "vendored/inside.py": "value = 7\n"})
    import vendored.inside  # type: ignore[import-not-found]

    assert vendored.inside.value == 7
    with pytest.raises(ModuleNotFoundError, match=r"vendored\.outside"):
        import vendored.outside  # type: ignore[import-not-found]
