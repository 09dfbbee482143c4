"""Built runbooks run as in the sandbox: one file, a Python, and no importable module of the source tree."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci.bundling.bundle import Bundle, bare, bundle
from oci.bundling.source_tree import read_sources, runbook_names
from oci.bundling.unused_entries import without_unused_entries
from tests.support.pythons import pythons

ROOT = Path(__file__).resolve().parents[2]
SOURCES = read_sources(ROOT)
VERSION = "2026.11.0"

RAISES = '''"""Raises where the library does."""

from runbook_lib.basics.redaction import Redactor
from runbook_lib.version import RUNBOOK_VERSION


def build() -> Redactor:
    redactor = Redactor()
    print(RUNBOOK_VERSION)
    redactor.learn("short")  # é
    return redactor


RUNBOOK = build()
'''


def built(name: str, source: str | None = None) -> Bundle:
    sources = SOURCES if source is None else {**SOURCES, f"runbooks/{name}.py": source}
    return bundle(name, sources=sources, version=VERSION)


def run(python: Path | str, file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a file as a job runs: without variables of this environment that Python reads, in an otherwise empty
    folder.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIBEDATA"))}
    command = [str(python), "-W", "error", str(file), *arguments]
    return subprocess.run(
        command, cwd=file.parent, env=environ, capture_output=True, text=True, check=False, timeout=120
    )


PYTHONS = pythons()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("built")
    for name in runbook_names(SOURCES):
        (folder / f"{name}.py").write_bytes(built(name).content)
    yield folder


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", runbook_names(SOURCES))
def test_every_python_shows_the_help(folder: Path, name: str, python: str) -> None:
    shown = run(PYTHONS[python], folder / f"{name}.py", "--help")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert name in shown.stdout
    assert shown.stderr == ""


@pytest.mark.parametrize("name", runbook_names(SOURCES))
def test_unknown_parameter_is_exit_code_2_and_a_result_line(folder: Path, name: str) -> None:
    shown = run(sys.executable, folder / f"{name}.py", "--nonsense", "1")
    assert shown.returncode == 2
    result = json.loads(shown.stdout.splitlines()[-1])
    assert (result["status"], result["version"]) == ("failed", VERSION)
    assert result["error"]["code"].startswith("VD-PARAM-")


@pytest.mark.parametrize("name", runbook_names(SOURCES))
def test_size_is_within_the_limit_and_the_aim(name: str) -> None:
    # A fifth of the aim stays free, so that growth is noticed before the aim is missed.
    assert len(built(name).content) < built(name).aim_bytes * 4 // 5


def test_a_chain_holds_the_runbooks_that_it_runs_and_the_library_once() -> None:
    chain, part = built("deploy_instance"), built("bootstrap_registry")
    assert set(part.files) <= set(chain.files)
    assert chain.aim_bytes > part.aim_bytes
    assert len(chain.content) < 2 * len(part.content)


def test_a_rotation_carries_no_release_manifests_reader() -> None:
    for name in ("rotate_acr_token", "rotate_hmac"):
        assert not {"runbook_lib/release/manifest.py", "runbook_lib/release/rules.py"} & set(built(name).files)


def test_every_module_is_readable_in_the_file() -> None:
    for name in runbook_names(SOURCES):
        bundled = built(name)
        own, *library = bundled.files
        texts = {own: SOURCES[own], **{file: bare(SOURCES[file]) for file in library}}
        for file, text in without_unused_entries(texts).items():
            if file != "runbook_lib/version.py":
                assert f"r'''\n{text}'''" in bundled.text, f"{file} is not plain text in {name}"


def test_nothing_that_is_embedded_reads_a_docstring() -> None:
    files = {file for name in runbook_names(SOURCES) for file in built(name).files}
    readers = {"__doc__", "getdoc", "getcomments", "getsource"}
    named = {
        (file, name)
        for file in files
        for node in ast.walk(ast.parse(SOURCES[file]))
        for name in (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "name", None))
        if name in readers
    }
    assert named == set()


@pytest.mark.parametrize("python", PYTHONS)
def test_a_traceback_names_the_original_module_and_line(tmp_path: Path, python: str) -> None:
    file = tmp_path / "raises.py"
    file.write_bytes(built("raises", RAISES).content)
    # A module with this name, or a file in this place, must not replace the embedded one.
    for name in ("__init__.py", "basics/__init__.py", "basics/redaction.py"):
        wrong = tmp_path / "runbook_lib" / name
        wrong.parent.mkdir(parents=True, exist_ok=True)
        wrong.write_text("raise SystemExit('the wrong one')\n" * 100)
    shown = run(PYTHONS[python], file)
    assert shown.returncode == 1
    assert shown.stdout == f"{VERSION}\n"
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)\n +(.+)\n', shown.stderr)
    (module, line, function, text) = frames[-1]
    assert (module, function) == ("runbook_lib/basics/redaction.py", "learn")
    assert (ROOT / module).read_text(encoding="utf-8").splitlines()[int(line) - 1].strip() == text.strip()
    assert ("runbooks/raises.py", "10", "build", 'redactor.learn("short")  # é') in frames
