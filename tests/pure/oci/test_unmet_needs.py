"""Whether a set of wheels is complete: for the sandbox's platform and Python, and with all needed packages."""

import zipfile
from pathlib import Path

import pytest

from oci.packages import wheels as packages
from oci.packages.facts import unmet_needs
from oci.packages.package_lock import LockedPackage
from oci.packages.wheels import LockedWheel, modules_of
from runbook_lib.errors import RunbookError
from tests.support.hostile_zips import HOSTILE_LISTS, with_broken_data

ANY = "py3-none-any"


def wheel(
    folder: Path, name: str, *lines: str, version: str = "1.0", tags: str = ANY, method: int = zipfile.ZIP_STORED
) -> LockedWheel:
    path = folder / f"{name}-{version}-{tags}.whl"
    with zipfile.ZipFile(path, "w", method) as archive:
        metadata = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, ""])
        archive.writestr(f"{name}-{version}.dist-info/METADATA", metadata)
    return LockedWheel(LockedPackage(name=name, version=version, sha256="0" * 64), path)


@pytest.mark.parametrize(
    "tags",
    [
        ANY,
        "py2.py3-none-any",
        "cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp37-abi3-manylinux2014_x86_64",
        "cp310-cp310-manylinux_2_5_x86_64",
        "cp310-cp310-manylinux1_x86_64",
    ],
)
def test_a_wheel_that_the_sandbox_can_install_is_good(tmp_path: Path, tags: str) -> None:
    assert unmet_needs([wheel(tmp_path, "a", tags=tags)]) == ()


@pytest.mark.parametrize(
    "tags",
    [
        "cp311-cp311-manylinux2014_x86_64",
        "cp311-abi3-manylinux2014_x86_64",
        "cp310-cp310-manylinux_2_28_x86_64",
        "cp310-cp310-manylinux2014_aarch64",
        "cp310-cp310-musllinux_1_1_x86_64",
        "cp310-cp310-win_amd64",
        "py2-none-any",
    ],
)
def test_a_wheel_for_another_platform_is_found(tmp_path: Path, tags: str) -> None:
    assert unmet_needs([wheel(tmp_path, "a", tags=tags)]) == (f"a-1.0-{tags}.whl is made for another platform",)


def test_what_is_needed_must_be_there_in_a_version_that_is_taken(tmp_path: Path) -> None:
    needs = (
        "Requires-Dist: b[more]>=2",
        "Requires-Dist: c",
        "Requires-Dist: d; python_version < '3.9'",
        "Requires-Dist: e; sys_platform == 'win32'",
        "Requires-Dist: f; extra == 'never'",
        "Requires-Python: >=3.11",
    )
    wheels = [wheel(tmp_path, "a", *needs), wheel(tmp_path, "b", "Requires-Dist: g; extra == 'more'")]
    assert set(unmet_needs(wheels)) == {
        "a takes Python >=3.11",
        "a needs b>=2, and 1.0 is there",
        "a needs c, which is not there",
        "b needs g, which is not there",
    }


def test_a_wheel_that_cannot_be_read_is_no_good_one(tmp_path: Path) -> None:
    broken = wheel(tmp_path, "a", "Requires-Dist: ???")
    named = wheel(tmp_path, "b", version="x.y")
    (tmp_path / "c-1.0-py3-none-any.whl").write_bytes(b"no zip")
    empty = LockedWheel(LockedPackage(name="c", version="1.0", sha256="0" * 64), tmp_path / "c-1.0-py3-none-any.whl")
    for each in (broken, named, empty):
        with pytest.raises(RunbookError) as caught:
            unmet_needs([each])
        assert caught.value.code == "VD-BUILD-005"


@pytest.mark.parametrize("hostile", HOSTILE_LISTS)
def test_a_wheel_whose_list_of_files_is_hostile_is_named(tmp_path: Path, hostile: str) -> None:
    made = wheel(tmp_path, "a")
    made.path.write_bytes(HOSTILE_LISTS[hostile](made.path.read_bytes()))
    for read in (unmet_needs, modules_of):
        with pytest.raises(RunbookError) as caught:
            read([made])
        assert (caught.value.code, caught.value.target) == ("VD-BUILD-005", "a")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_metadata_that_cannot_be_unpacked_is_named(tmp_path: Path, method: int) -> None:
    made = wheel(tmp_path, "a", method=method)
    made.path.write_bytes(with_broken_data(made.path.read_bytes()))
    with pytest.raises(RunbookError, match="no METADATA that can be read") as caught:
        unmet_needs([made])
    assert caught.value.code == "VD-BUILD-005"


@pytest.mark.parametrize("marker", ["python_version ~= 'x'", "extra ~= 'x'", "os_name ~= 'x'"])
def test_a_marker_without_a_result_is_named(tmp_path: Path, marker: str) -> None:
    made = [wheel(tmp_path, "a", "Requires-Dist: b[x]"), wheel(tmp_path, "b", f"Requires-Dist: a; {marker}")]
    with pytest.raises(RunbookError, match="a marker of its METADATA has no result") as caught:
        unmet_needs(made)
    assert (caught.value.code, caught.value.target) == ("VD-BUILD-005", "b")


def test_names_of_modules_cost_a_bounded_amount_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = wheel(tmp_path, "a")
    with zipfile.ZipFile(long.path, "a") as archive:
        archive.writestr("a/" * 32000 + "b.py", b"")
    with pytest.raises(RunbookError, match="a file's name has more than 1024 characters"):
        modules_of([long])
    many = wheel(tmp_path, "b")
    with zipfile.ZipFile(many.path, "a") as archive:
        archive.writestr("b/c.py", b"")
    monkeypatch.setattr(packages, "MAX_MODULE_CHARACTERS", len("bb.c"))
    assert modules_of([many]) == {"b", "b.c"}
    monkeypatch.setattr(packages, "MAX_MODULE_CHARACTERS", len("bb.c") - 1)
    with pytest.raises(RunbookError, match="too many characters: at most 3") as caught:
        modules_of([many])
    assert (caught.value.code, caught.value.target) == ("VD-BUILD-005", "b")
