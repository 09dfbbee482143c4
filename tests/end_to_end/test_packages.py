"""The package set: it is complete for the sandbox, and has only the locked bytes, whatever the cache or pip returns."""

import email.parser
import http.server
import re
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from oci.build import WHEEL_CACHE
from oci.bundling.sandbox import PYTHON_VERSION, WHEEL_ABIS, WHEEL_PLATFORMS
from oci.packages import package_lock
from oci.packages import wheels as packages
from oci.packages.package_lock import LockedPackage
from oci.packages.wheels import LockedWheel
from runbook_lib.errors import RunbookError
from runbook_lib.release.artifacts import MAX_WHEEL_BYTES

ROOT = Path(__file__).resolve().parents[2]
OCI = ROOT / "oci"
LOCKED = package_lock.parse((OCI / "packages.lock").read_text())
SMALL = next(package for package in LOCKED if package.name == "msal-extensions")
# Markers of requirements are evaluated for the sandbox, not for this machine.
SANDBOX = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.10.13",
    "python_version": "3.10",
    "sys_platform": "linux",
}


@pytest.fixture(scope="module")
def wheels() -> Iterator[tuple[LockedWheel, ...]]:
    yield packages.collect(LOCKED, cache=ROOT / WHEEL_CACHE)


def metadata(wheel: LockedWheel) -> "email.message.Message[str, str]":
    with zipfile.ZipFile(wheel.path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.parser.Parser().parsestr(archive.read(name).decode())


def test_the_lock_has_one_hash_a_package_and_no_address() -> None:
    text = (OCI / "packages.lock").read_text()
    assert package_lock.render(LOCKED) == text
    assert "://" not in text
    assert len({package.sha256 for package in LOCKED}) == len(LOCKED)


def test_what_is_tested_is_what_is_shipped() -> None:
    tested = re.findall(r"^(\S+)==(\S+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    assert {(package.name, package.version) for package in LOCKED} <= set(tested)


def test_every_transitive_dependency_is_locked_in_a_version_that_fits(wheels: tuple[LockedWheel, ...]) -> None:
    versions = {wheel.package.name: wheel.package.version for wheel in wheels}
    needed = [Requirement(line) for line in (OCI / "packages.in").read_text().splitlines() if not line.startswith("#")]
    extras: dict[str, set[str]] = {
        canonicalize_name(requirement.name): set(requirement.extras) for requirement in needed
    }
    for wheel in wheels:
        requirements = map(Requirement, metadata(wheel).get_all("Requires-Dist", []))
        for requirement in requirements:
            asked = {"", *extras.get(wheel.package.name, ())}
            if requirement.marker is None or any(
                requirement.marker.evaluate({**SANDBOX, "extra": extra}) for extra in asked
            ):
                needed.append(requirement)
                extras.setdefault(canonicalize_name(requirement.name), set()).update(requirement.extras)
    for requirement in needed:
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{requirement} is not locked"
        assert requirement.specifier.contains(versions[name]), f"{requirement}, but {versions[name]} is locked"
    assert {canonicalize_name(requirement.name) for requirement in needed} == set(versions), "locked, but not needed"


def test_every_wheel_fits_the_sandbox(wheels: tuple[LockedWheel, ...]) -> None:
    interpreter = "cp{}{}".format(*PYTHON_VERSION)
    fitting = {
        *cpython_tags(PYTHON_VERSION, abis=WHEEL_ABIS, platforms=WHEEL_PLATFORMS),
        *compatible_tags(PYTHON_VERSION, interpreter=interpreter, platforms=WHEEL_PLATFORMS),
    }
    for wheel in wheels:
        _, _, _, tags = parse_wheel_filename(wheel.path.name)
        assert tags & fitting, wheel.path.name
        requires = metadata(wheel).get("Requires-Python")
        assert requires is None or Requirement(f"python{requires}").specifier.contains("3.10.13")


def test_a_filled_cache_needs_no_network(wheels: tuple[LockedWheel, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    assert packages.collect(LOCKED, cache=ROOT / WHEEL_CACHE) == wheels


def test_a_damaged_wheel_in_the_cache_is_replaced(wheels: tuple[LockedWheel, ...], tmp_path: Path) -> None:
    good = next(wheel for wheel in wheels if wheel.package == SMALL)
    damaged = tmp_path / SMALL.sha256 / good.path.name
    damaged.parent.mkdir()
    damaged.write_bytes(good.path.read_bytes()[:-1])
    (again,) = packages.collect([SMALL], cache=tmp_path)
    assert packages.sha256_of(again.path) == SMALL.sha256
    assert [path.name for path in tmp_path.iterdir()] == [SMALL.sha256]


def test_a_wheel_of_another_name_is_not_taken_for_the_locked_one(
    wheels: tuple[LockedWheel, ...], tmp_path: Path
) -> None:
    good = next(wheel for wheel in wheels if wheel.package == SMALL)
    renamed = tmp_path / SMALL.sha256 / "msal_extensions-9.9.9-py3-none-any.whl"
    renamed.parent.mkdir()
    renamed.write_bytes(good.path.read_bytes())
    (again,) = packages.collect([SMALL], cache=tmp_path)
    assert again.path.name == good.path.name


@pytest.fixture
def empty_index(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package index without any package. pip looks nowhere else."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    monkeypatch.setattr(http.server.BaseHTTPRequestHandler, "log_message", lambda *_: None)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{address}/simple")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    yield address
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_cannot_be_downloaded_is_an_error_without_addresses(empty_index: str, tmp_path: Path) -> None:
    with pytest.raises(RunbookError) as caught:
        packages.collect([SMALL], cache=tmp_path)
    assert caught.value.code == "VD-BUILD-004"
    assert "msal-extensions" in caught.value.message
    assert empty_index not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [7, MAX_WHEEL_BYTES + 1])
def test_a_file_of_pip_is_compared_with_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    pip = tmp_path / "python"
    name = f"msal_extensions-{SMALL.version}-py3-none-any.whl"
    pip.write_text(
        f"#!{sys.executable}\n"
        "import os, pathlib, sys\n"
        "folder = pathlib.Path(next(word for word in sys.argv if word.startswith('--dest='))[7:])\n"
        "folder.mkdir()\n"
        f"(folder / {name!r}).touch()\n"
        f"os.truncate(folder / {name!r}, {size})\n"
    )
    pip.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(pip))
    with pytest.raises(RunbookError) as caught:
        packages.collect([SMALL], cache=tmp_path / "cache")
    assert caught.value.code == "VD-BUILD-005"


def test_pip_refuses_a_file_with_another_hash(tmp_path: Path) -> None:
    other = LockedPackage(SMALL.name, SMALL.version, "0" * 64)
    with pytest.raises(RunbookError) as caught:
        packages.collect([other], cache=tmp_path)
    assert caught.value.code == "VD-BUILD-004"
    assert not list(tmp_path.rglob("*.whl"))
