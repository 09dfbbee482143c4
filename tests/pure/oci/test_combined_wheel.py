"""The combined wheel of small wheels: its content, that it is reproducible, and which wheels cannot be combined."""

import base64
import csv
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from oci.packages.combined_wheel import differs_from, write_combined_wheel
from oci.packages.facts import facts_of
from oci.packages.package_lock import LockedPackage
from oci.packages.raw_zip import RawZip
from oci.packages.wheels import LockedWheel
from runbook_lib.errors import RunbookError
from tests.support.automation import wheel
from tests.support.hostile_zips import HOSTILE_LISTS, with_broken_data


def locked(folder: Path, name: str, files: Mapping[str, str], *, version: str = "1.0") -> LockedWheel:
    """Return a wheel with these files, and the lock's entry for it."""
    file_name, content = wheel(name, files, version=version)
    (folder / file_name).write_bytes(content)
    return LockedWheel(LockedPackage(name, version, hashlib.sha256(content).hexdigest()), folder / file_name)


def combine(folder: Path, *wheels: LockedWheel) -> Path:
    folder.mkdir(exist_ok=True)
    return write_combined_wheel(wheels, facts_of(wheels), folder)


def refusal(folder: Path, *wheels: LockedWheel) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        combine(folder / "out", *wheels)
    return caught.value


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_holds_each_file_and_each_package_keeps_its_own_folder(tmp_path: Path) -> None:
    one = locked(tmp_path, "one", {"shared/__init__.py": "", "shared/one.py": "x = 1\n"})
    two = locked(tmp_path, "two", {"shared/__init__.py": "", "shared/zwei.py": "x = 'ü'\n", "two.dist-info.py": ""})
    path = combine(tmp_path / "out", one, two)
    name, version, _, tags = parse_wheel_filename(path.name)
    own = f"vibedata_runbook_packages-{version}"
    assert name == canonicalize_name("vibedata_runbook_packages")
    assert {str(tag) for tag in tags} == {"cp310-cp310-manylinux2014_x86_64", "cp310-cp310-manylinux_2_17_x86_64"}
    found = contents(path)
    moved = {}
    for part in (one, two):
        for file, content in contents(part.path).items():
            moved[f"{own}.data/platlib/{file}" if ".dist-info/" in file else file] = content
    assert {file: found[file] for file in moved} == moved
    assert list(found) == [*sorted(moved), *(f"{own}.dist-info/{file}" for file in ("METADATA", "WHEEL", "RECORD"))]
    metadata = found[f"{own}.dist-info/METADATA"].decode()
    assert "Requires-Dist" not in metadata
    assert f"one 1.0, licence NOASSERTION, one-1.0-py3-none-any.whl, SHA-256 {one.package.sha256}\n" in metadata
    assert "Root-Is-Purelib: false\nTag: cp310-cp310-manylinux2014" in found[f"{own}.dist-info/WHEEL"].decode()


def test_its_record_names_every_file_with_its_hash_and_size(tmp_path: Path) -> None:
    path = combine(tmp_path / "out", locked(tmp_path, "one", {"a,b.py": "x = 1\n", "ü.py": ""}))
    found = contents(path)
    record = next(name for name in found if name.endswith(".dist-info/RECORD") and ".data/" not in name)
    rows = list(csv.reader(io.StringIO(found[record].decode())))
    assert [row[0] for row in rows] == list(found)
    assert rows[-1] == [record, "", ""]
    for name, sha256, size in rows[:-1]:
        hashed = base64.urlsafe_b64encode(hashlib.sha256(found[name]).digest()).rstrip(b"=").decode()
        assert (sha256, size) == (f"sha256={hashed}", str(len(found[name])))


def test_the_same_wheels_give_the_same_bytes_and_others_another_version(tmp_path: Path) -> None:
    files = {"one.py": "x = 1\n" * 1000}
    one, two = locked(tmp_path, "one", files), locked(tmp_path, "two", {"two.py": ""})
    first, again = combine(tmp_path / "a", one, two), combine(tmp_path / "b", one, two)
    assert (first.name, first.read_bytes()) == (again.name, again.read_bytes())
    (tmp_path / "other").mkdir()
    others = (
        (one,),
        (locked(tmp_path / "other", "one", {"one.py": "x = 2\n"}), two),
        (locked(tmp_path, "one", files, version="1.1"), two),
    )
    names = [combine(tmp_path / f"c{number}", *each).name for number, each in enumerate(others)]
    assert len({first.name, *names}) == 4
    for name in (first.name, *names):
        _, version, _, _ = parse_wheel_filename(name)
        assert re.fullmatch(r"1\.\d{1,8}\.\d{1,8}", str(version))
        assert max(Version(str(version)).release) < 2**31


def test_no_zlib_of_this_machine_shows_in_it(tmp_path: Path) -> None:
    plain, packed = tmp_path / "one-1.0-py3-none-any.whl", tmp_path / "two-1.0-py3-none-any.whl"
    wheels = []
    for path, level in ((plain, 1), (packed, 9)):
        name = path.name.partition("-")[0]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
            archive.writestr(f"{name}.py", "".join(f"x{number} = {number % 7}\n" for number in range(2000)))
            archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        wheels.append(LockedWheel(LockedPackage(name, "1.0", sha256), path))
    out = combine(tmp_path / "out", *wheels)
    with zipfile.ZipFile(out) as combined:
        for each in wheels:
            with zipfile.ZipFile(each.path) as archive:
                member = archive.getinfo(f"{each.package.name}.py")
                assert combined.getinfo(member.filename).compress_size == member.compress_size


def test_two_packages_may_have_one_file_but_not_two(tmp_path: Path) -> None:
    one = locked(tmp_path, "one", {"shared/__init__.py": "x = 1\n"})
    error = refusal(tmp_path, one, locked(tmp_path, "two", {"shared/__init__.py": "x = 2\n"}))
    assert (error.code, error.target) == ("VD-BUILD-010", "two")
    assert error.detail == "one has the same file with other content: shared/__init__.py"


def test_files_for_other_folders_are_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, locked(tmp_path, "one", {"one-1.0.data/scripts/run": "#!python\n"}))
    assert (error.code, error.target) == ("VD-BUILD-010", "one")
    assert "one-1.0.data/scripts/run" in error.detail


def test_more_than_automation_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = locked(tmp_path, "one", {"one.py": "x" * 5000})
    monkeypatch.setattr("oci.packages.combined_wheel.MAX_WHEEL_BYTES", 5000)
    one = LockedWheel(one.package, _packed(one.path))
    error = refusal(tmp_path, LockedWheel(LockedPackage("one", "1.0", _sha256(one.path)), one.path))
    assert (error.code, "at most 5000" in error.detail) == ("VD-BUILD-010", True)


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_a_wheel_that_was_changed_after_it_was_collected_is_refused(tmp_path: Path, content: bytes) -> None:
    one = locked(tmp_path, "one", {"one.py": ""})
    facts = facts_of([one])
    one.path.write_bytes(content or one.path.read_bytes() + b"\0")
    with pytest.raises(RunbookError) as caught:
        write_combined_wheel([one], facts, tmp_path)
    assert (caught.value.code, caught.value.target) == ("VD-BUILD-005", "one")


def test_a_locked_wheel_with_a_damaged_file_is_refused(tmp_path: Path) -> None:
    one = locked(tmp_path, "one", {"one.py": "x = 1234567\n"})
    content = one.path.read_bytes().replace(b"x = 1234567\n", b"x = 7654321\n")
    one.path.write_bytes(content)
    error = refusal(tmp_path, LockedWheel(LockedPackage("one", "1.0", _sha256(one.path)), one.path))
    assert (error.code, error.target) == ("VD-BUILD-010", "one")
    assert "one.py" in error.detail


@pytest.mark.parametrize("hostile", HOSTILE_LISTS)
def test_a_hostile_list_of_files_is_named(tmp_path: Path, hostile: str) -> None:
    one = locked(tmp_path, "one", {"one.py": "x = 1\n"})
    path = combine(tmp_path / "out", one)
    assert differs_from(path, [one]) == ()
    path.write_bytes(HOSTILE_LISTS[hostile](path.read_bytes()))
    with pytest.raises(RunbookError) as caught:
        differs_from(path, [one])
    assert (caught.value.code, caught.value.target) == ("VD-BUILD-010", path.name)
    whole = combine(tmp_path / "again", one)
    one.path.write_bytes(HOSTILE_LISTS[hostile](one.path.read_bytes()))
    changed = LockedWheel(LockedPackage("one", "1.0", _sha256(one.path)), one.path)
    with pytest.raises(RunbookError) as caught:
        differs_from(whole, [changed])
    assert (caught.value.code, caught.value.target) == ("VD-BUILD-005", "one")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_file_that_cannot_be_unpacked_is_named(tmp_path: Path, method: int) -> None:
    one = locked(tmp_path, "one", {})
    with zipfile.ZipFile(one.path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(one.path, "w") as archive:
        archive.writestr("one.py", b"x = 1\n" * 100, compress_type=method)
        for name, content in files.items():
            archive.writestr(name, content)
    content = one.path.read_bytes()
    end = content.index(b"PK\3\4", 4)
    one.path.write_bytes(with_broken_data(content[:end] + b"PK\1\2")[:end] + content[end:])
    error = refusal(tmp_path, LockedWheel(LockedPackage("one", "1.0", _sha256(one.path)), one.path))
    assert (error.code, error.target) == ("VD-BUILD-010", "one")


@given(st.dictionaries(st.text("abü/_.", min_size=1, max_size=8), st.binary(max_size=2000), max_size=8))
def test_a_raw_zip_holds_what_was_copied_into_it(files: Mapping[str, bytes]) -> None:
    source, target = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=len(name) % 2 * zipfile.ZIP_DEFLATED)
    written = RawZip(target)
    with zipfile.ZipFile(source) as archive:
        members = archive.infolist()
        for info in members:
            written.copy(f"x/{info.filename}", source, info)
    written.add("last", b"added")
    written.finish()
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        found = {info.filename: archive.read(info) for info in archive.infolist()}
    assert found == {f"x/{info.filename}": files[info.filename] for info in members} | {"last": b"added"}


def test_a_raw_zip_takes_no_member_that_it_cannot_copy() -> None:
    source = io.BytesIO()
    with zipfile.ZipFile(source, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"x" * 100)
    with zipfile.ZipFile(source) as archive:
        (info,) = archive.infolist()
    with pytest.raises(ValueError, match="neither stored nor deflated"):
        RawZip(io.BytesIO()).copy("a", source, info)
    info.compress_type = zipfile.ZIP_STORED
    with pytest.raises(ValueError, match="ends too early"):
        RawZip(io.BytesIO()).copy("a", io.BytesIO(source.getvalue()[:40]), info)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _packed(path: Path) -> Path:
    """Compress a wheel's files, so that it is smaller than they are."""
    files = contents(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=zlib.Z_BEST_COMPRESSION) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
