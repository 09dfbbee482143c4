"""The bill of materials describes the locked packages as the shipped wheels do."""

import ast
import re
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from oci.build import WHEEL_CACHE
from oci.bundling.source_tree import read_sources
from oci.packages import package_lock
from oci.packages import wheels as packages
from oci.packages.facts import facts_of
from oci.packages.package_lock import LockedPackage
from oci.packages.wheels import LockedWheel, module_names
from runbook_lib.errors import RunbookError
from scripts.pages import notices

ROOT = Path(__file__).resolve().parents[2]
LOCKED = package_lock.parse((ROOT / "oci" / "packages.lock").read_text())


@pytest.fixture(scope="module")
def wheels() -> tuple[LockedWheel, ...]:
    return packages.collect(LOCKED, cache=ROOT / WHEEL_CACHE)


def test_every_package_has_a_licence_a_supplier_and_its_own_dependencies(wheels: tuple[LockedWheel, ...]) -> None:
    facts = facts_of(wheels)
    assert set(facts) == {package.name for package in LOCKED}
    for name, found in facts.items():
        assert found.licence not in ("", "NOASSERTION"), name
        assert found.supplier, name
    assert facts["azure-core"].licence == "MIT"
    assert facts["azure-core"].needs == ("requests", "typing-extensions")
    # An extra that another package asks for, and a marker for the sandbox's Python.
    assert facts["msal"].needs == ("cryptography", "pyjwt", "requests")
    assert facts["pyjwt"].needs == ("cryptography", "typing-extensions")
    # The lock is complete: it has everything that is needed in the sandbox.
    assert {need for found in facts.values() for need in found.needs} <= set(facts)


def test_the_facts_do_not_depend_on_where_they_are_read(
    wheels: tuple[LockedWheel, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = facts_of(wheels)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("platform.python_version", lambda: "3.14.0")
    monkeypatch.setattr("platform.python_implementation", lambda: "PyPy")
    assert facts_of(wheels) == before


def test_the_page_of_third_party_notices_is_what_the_wheels_say(wheels: tuple[LockedWheel, ...]) -> None:
    assert notices.page(wheels) == notices.PAGE.read_text(encoding="utf-8"), "run: python -m scripts.pages.notices"


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("a-1.dist-info/top_level.txt", "a", "no licence text"),
        ("a-1.dist-info/licenses/LICENSE", "````", "fence"),
        ("a-1.dist-info/LICENSE", "x" * (notices.MAX_FILE_BYTES + 1), "at most"),
    ],
)
def test_a_wheel_whose_licence_can_not_be_shown_is_refused(tmp_path: Path, file: str, text: str, why: str) -> None:
    path = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: a\nVersion: 1\n")
        archive.writestr(file, text)
    with pytest.raises(ValueError, match=why):
        notices.page([LockedWheel(LockedPackage("a", "1", "0" * 64), path)])


def test_a_wheel_without_metadata_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.py", "")
    with pytest.raises(RunbookError) as caught:
        facts_of([LockedWheel(LockedPackage("a", "1", "0" * 64), path)])
    assert caught.value.code == "VD-BUILD-005"


def test_what_the_runbooks_import_themselves_is_asked_for_by_name(wheels: tuple[LockedWheel, ...]) -> None:
    lines = (ROOT / "oci" / "packages.in").read_text().splitlines()
    asked = {str(canonicalize_name(Requirement(line).name)) for line in lines if line and not line.startswith("#")}
    owners: dict[str, set[str]] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel.path) as archive:
            for module in {name for entry in archive.namelist() for name in module_names(entry)}:
                owners.setdefault(module, set()).add(wheel.package.name)
    imported = set[str]()
    for file, text in read_sources(ROOT).items():
        if re.match(r"runbooks/|runbook_lib/", file):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and not node.level:
                    imported.add(node.module or "")
                elif isinstance(node, ast.Import):
                    imported.update(alias.name for alias in node.names)
    direct = {next(iter(owners[module])) for module in imported if len(owners.get(module, ())) == 1}
    assert {"requests", "azure-core", "cryptography"} <= direct
    assert direct == asked
