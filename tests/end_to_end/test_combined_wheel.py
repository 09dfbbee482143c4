"""The locked packages as one wheel: pip installs it, the sandbox's Python imports from it, and a deployment uses it."""

import ast
import base64
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from oci.build import WHEEL_CACHE
from oci.bundling.source_tree import read_sources
from oci.packages import package_lock
from oci.packages import wheels as packages
from oci.packages.combined_wheel import write_combined_wheel
from oci.packages.facts import facts_of
from oci.packages.wheels import LockedWheel
from runbook_lib.automation.account import environment_of
from tests.end_to_end.deployed import Deployed
from tests.support.automation import state

ROOT = Path(__file__).resolve().parents[2]
LOCKED = package_lock.parse((ROOT / "oci" / "packages.lock").read_text())
COMBINED = "vibedata_runbook_packages"
SINGLE_NAMES = [package.name.replace("-", "_") for package in LOCKED]
# Automation takes 100 MB. In a strict reading this is the size of the unpacked files
# (docs/azure-facts.md#python-and-its-limits).
MAX_BYTES = 100 * 1000 * 1000


@pytest.fixture(scope="module")
def wheels() -> tuple[LockedWheel, ...]:
    return packages.collect(LOCKED, cache=ROOT / WHEEL_CACHE)


@pytest.fixture(scope="module")
def combined(wheels: tuple[LockedWheel, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_combined_wheel(wheels, facts_of(wheels), tmp_path_factory.mktemp("combined"))


@pytest.fixture(scope="module")
def installed(combined: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the combined wheel."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*command, f"--target={target}", str(combined)], check=True, timeout=300)
    return target


def imported_modules(wheels: tuple[LockedWheel, ...]) -> list[str]:
    """Return the modules of the packages that the runbooks and the library name anywhere."""
    named = set[str]()
    for file, text in read_sources(ROOT).items():
        if re.match(r"runbooks/|runbook_lib/", file):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and not node.level:
                    named.add(node.module or "")
                elif isinstance(node, ast.Import):
                    named.update(alias.name for alias in node.names)
    return sorted(named & packages.modules_of(wheels))


def import_all(folder: Path, modules: list[str]) -> list[str]:
    """Import modules in a Python that has only this folder, and return the files that they came from."""
    script = (
        "import importlib, json, sys\n"
        f"sys.path.insert(0, {str(folder)!r})\n"
        f"found = [importlib.import_module(name) for name in {modules!r}]\n"
        "print(json.dumps([str(getattr(module, '__file__', None)) for module in found]))\n"
    )
    # -S: without the packages of this environment.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    files: list[str] = json.loads(done.stdout)
    return files


def test_every_file_is_a_locked_wheels_own(wheels: tuple[LockedWheel, ...], combined: Path) -> None:
    wanted = dict[str, bytes]()
    for wheel in wheels:
        with zipfile.ZipFile(wheel.path) as archive:
            wanted |= {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    with zipfile.ZipFile(combined) as archive:
        found = {re.sub(r"^[^/]*\.data/platlib/", "", name): archive.read(name) for name in archive.namelist()}
        assert sum(info.file_size for info in archive.infolist()) < MAX_BYTES
    own = {name: found.pop(name) for name in list(found) if name.startswith(COMBINED)}
    assert sorted(name.rpartition("/")[2] for name in own) == ["METADATA", "RECORD", "WHEEL"]
    assert found == wanted


def test_pip_installs_it_and_each_package_is_known_with_its_files_and_licences(
    wheels: tuple[LockedWheel, ...], installed: Path
) -> None:
    known = {found.metadata["Name"]: found for found in metadata.distributions(path=[str(installed)])}
    by_name = {name.lower().replace("_", "-"): found for name, found in known.items()}
    assert set(by_name) == {package.name for package in LOCKED} | {COMBINED.replace("_", "-")}
    for wheel in wheels:
        found = by_name[wheel.package.name]
        assert found.version == wheel.package.version
        files = found.files or []
        assert files
        for file in files:
            path = Path(str(found.locate_file(file)))
            assert path.is_file(), file
            if file.hash is not None:
                digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
                assert digest.rstrip(b"=").decode() == file.hash.value, file
        assert any(re.search(r"\.dist-info/(licenses/)?(LICEN[CS]E|AUTHORS)", str(file)) for file in files)
    assert by_name[COMBINED.replace("_", "-")].requires is None


def test_the_runbooks_find_their_modules_however_it_is_unpacked(
    wheels: tuple[LockedWheel, ...], combined: Path, installed: Path, tmp_path: Path
) -> None:
    """It is not documented whether Automation installs a wheel as pip does, or only unpacks it."""
    modules = imported_modules(wheels)
    assert {"azure.core.exceptions", "azure.storage.blob", "cryptography", "requests"} <= set(modules)
    with zipfile.ZipFile(combined) as archive:
        archive.extractall(tmp_path)
    for folder in (installed, tmp_path):
        assert all(file == "None" or file.startswith(str(folder)) for file in import_all(folder, modules))


def test_a_deployment_imports_one_wheel_and_the_single_ones_if_it_is_refused(deployed: Deployed) -> None:
    release = deployed.release()
    environment = environment_of(release.pins[f"vibedata/python-packages:{release.version}"])
    # The first job fails with the runbook's own error. So it has found its packages. The chain ends there.
    deployed.lab.fault("status", status=403, times=0, match={"service": "arm", "path": "importImage"})
    singles = dict.fromkeys(SINGLE_NAMES, "Succeeded")
    ways = {
        "failed": {COMBINED: "Failed", **singles},
        "hollow": {COMBINED: "Succeeded", **singles},
        "taken": {COMBINED: "Succeeded"},
    }
    for way, wanted in ways.items():
        deployed.automation.client.runtime_environments.delete(*deployed.automation.at, environment)
        if way != "taken":
            deployed.lab.control("POST", "/packages", {"name": COMBINED, "state": way})
        done = deployed.vibedata("deploy", str(release.folder))
        refused = done.stdout.count(f"Automation does not take all {len(LOCKED)} packages as one wheel")
        useless = done.stdout.count("preflight does not find its packages: they are published again as single wheels")
        assert (refused, useless) == (int(way == "failed"), int(way == "hollow")), done.stdout
        assert held(deployed, environment) == wanted
        assert "import_manifest failed: VD-REGISTRY-003" in done.stdout


def held(deployed: Deployed, environment: str) -> dict[str, str]:
    client, at = deployed.automation.client, deployed.automation.at
    listed = client.package.list_by_runtime_environment(*at, environment)
    return {str(each.name): state(each) for each in listed}
