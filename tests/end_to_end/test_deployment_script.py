"""A deployment script deploys, started as Azure starts it: with the newest Python, again with the oldest one, and while
another deployment holds the lock.
"""

import base64
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci.deployment_script.other_pythons import CFFI_SHA256
from runbook_lib.deployment_lock.lock import holding
from runbooks import deploy_instance
from tests.end_to_end.deployed import Deployed, Release, wanted
from tests.support import deployment_script
from tests.support.deployment_script import encoded, path_with, settings_of
from tests.support.lock_rig import deployment, places
from tests.support.log_reader import table_rows
from tests.support.pythons import old_pythons, pythons, real

PARTS = [part.runbook.name for part in deploy_instance.RUNBOOK.parts]
ALWAYS = {"check_health": "succeeded"}


# The script supports these Pythons. The tests use the oldest and the newest one on this machine.
TAKEN = {"3.10", *(f"{major}.{minor}" for major, minor in CFFI_SHA256)}
OWN = "{}.{}".format(*sys.version_info[:2])
USABLE = {name: real(path) for name, path in pythons().items() if name in TAKEN} | {OWN: real(Path(sys.executable))}


def minor_of(version: str) -> int:
    return int(version.partition(".")[2])


OLD = old_pythons()


@pytest.fixture(scope="module")
def pushed(own_deployed: Deployed) -> Iterator[Release]:
    yield own_deployed.release()


@pytest.fixture
def script(pushed: Release) -> Path:
    return pushed.folder / "deployment-script" / "deploy_instance.sh"


def test_it_deploys_and_does_nothing_twice(
    own_deployed: Deployed, pushed: Release, script: Path, tmp_path: Path
) -> None:
    lab = own_deployed.lab
    newest, oldest = max(USABLE, key=minor_of), min(USABLE, key=minor_of)
    inputs = encoded(settings_of(lab), {"correlation_id": "attempt-1"})
    programs = path_with(tmp_path / "first", python3=USABLE[newest])
    first = deployment_script.run(script, inputs=inputs, scratch=tmp_path, programs=programs, lab=lab)
    assert first.exit_code == 0, first.text
    assert first.statuses() == dict.fromkeys(PARTS, "succeeded")
    assert (first.outputs["version"], first.outputs["correlation_id"]) == (pushed.version, "attempt-1")
    assert own_deployed.installed(pushed) == wanted(pushed)
    assert {row["Runbook"] for row in table_rows(lab) if row["CorrelationId"] == "attempt-1"} >= {"deploy_instance"}
    assert first.text.count("\n{") == 0, "the result belongs only to the outputs"

    inputs = encoded(settings_of(lab), {"correlation_id": "attempt-2"})
    programs = path_with(tmp_path / "second", python3=USABLE[oldest])
    again = deployment_script.run(script, inputs=inputs, scratch=tmp_path, programs=programs, lab=lab)
    assert again.exit_code == 0, again.text
    assert again.statuses() == {**dict.fromkeys(PARTS, "unchanged"), **ALWAYS}


def test_another_deployment_keeps_it_out_with_exit_code_3(own_deployed: Deployed, script: Path, tmp_path: Path) -> None:
    lab = own_deployed.lab
    inputs = encoded(settings_of(lab), {"wait_seconds": 0})
    programs = path_with(tmp_path / "path", python3=USABLE[OWN])
    with holding(deployment(lab.env, who="ada@desk"), places(lab.env), wait_seconds=0):
        ended = deployment_script.run(script, inputs=inputs, scratch=tmp_path, programs=programs, lab=lab)
    assert (ended.exit_code, ended.error_code) == (3, "VD-LOCK-001")
    assert "held by ada@desk" in ended.outputs["error"]["message"]


def test_another_instances_tables_keep_it_out(own_deployed: Deployed, script: Path, tmp_path: Path) -> None:
    lab = own_deployed.lab
    other = {**settings_of(lab), "resource_group": "another-group"}
    programs = path_with(tmp_path / "path", python3=USABLE[OWN])
    ended = deployment_script.run(script, inputs=encoded(other, {}), scratch=tmp_path, programs=programs, lab=lab)
    assert (ended.exit_code, ended.error_code) == (1, "VD-COMPONENT-008")


@pytest.mark.parametrize("version", OLD)
def test_a_python_that_is_too_old_is_named(script: Path, tmp_path: Path, version: str) -> None:
    programs = path_with(tmp_path / "path", python3=OLD[version])
    ended = deployment_script.run(script, inputs=encoded({}, {}), scratch=tmp_path, programs=programs)
    assert (ended.exit_code, ended.error_code) == (1, "VD-SCRIPT-001")
    assert f"found {version}." in ended.text


def test_the_azure_clis_own_python_is_found(script: Path, tmp_path: Path) -> None:
    programs = path_with(tmp_path / "path")
    az = programs / "az"
    az.write_text(f"#!{programs}/bash\nprintf \"azure-cli 2.80.0\\n\\nPython location '{USABLE[OWN]}'\\n\"\n")
    az.chmod(0o755)
    ended = deployment_script.run(script, inputs="", scratch=tmp_path, programs=programs)
    assert (ended.exit_code, ended.error_code) == (2, "VD-SCRIPT-002")


# In the argument, each of these letters becomes an escape of six characters.
LONG = json.dumps({"parameters": {"correlation_id": "é" * 22_000}}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ("", "has 0 characters"),
        ("not base64!", "is not base64 of JSON"),
        ("e30=e30=", "is not base64 of JSON"),
        ("W10=", "takes an object with settings and parameters"),
        ("eyJ4IjogMX0=", "takes an object with settings and parameters"),
        (encoded({"prefix": 1}, {}), "settings takes an object of texts"),  # type: ignore[dict-item]
        (encoded({}, []), "parameters takes an object"),  # type: ignore[arg-type]
        (encoded({"prefx": "vd1"}, {}), "no setting is called 'prefx'"),
        (encoded({"prefix": "vd1\0"}, {}), "no environment can hold the value of setting 'prefix'"),
        (encoded({"prefix": "vd1\ud800"}, {}), "no environment can hold the value of setting 'prefix'"),
        (base64.b64encode(LONG).decode(), "cannot be started with it: Argument list too long"),
        ("A" * 70_000, "has 70000 characters"),
        (base64.b64encode(b"[" * 40_000).decode(), "is not base64 of JSON"),
    ],
)
def test_malformed_inputs_are_exit_code_2(script: Path, tmp_path: Path, inputs: str, told: str) -> None:
    programs = path_with(tmp_path / "path", python3=USABLE[OWN])
    ended = deployment_script.run(script, inputs=inputs, scratch=tmp_path, programs=programs)
    assert (ended.exit_code, ended.error_code) == (2, "VD-SCRIPT-002")
    assert told in ended.outputs["error"]["message"]


def test_the_runbooks_own_refusal_is_passed_on(script: Path, tmp_path: Path) -> None:
    programs = path_with(tmp_path / "path", python3=USABLE[OWN])
    ended = deployment_script.run(script, inputs=encoded({}, {"relase_tag": "x"}), scratch=tmp_path, programs=programs)
    assert (ended.exit_code, ended.error_code) == (2, "VD-PARAM-001")


def test_a_wheel_with_other_bytes_is_never_used(script: Path, tmp_path: Path) -> None:
    programs = path_with(tmp_path / "path", python3=USABLE[OWN])
    beside = tmp_path / "beside"
    shutil.copytree(script.parent, beside)
    wheel = next(beside.glob("vibedata_*.whl"))
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.write_bytes(content)
    ended = deployment_script.run(script, inputs=encoded({}, {}), scratch=tmp_path, programs=programs, beside=beside)
    assert (ended.exit_code, ended.error_code) == (1, "VD-SCRIPT-003")
    assert wheel.name in ended.outputs["error"]["message"]


def test_packages_that_this_python_cannot_use_are_named_before_anything_begins(script: Path, tmp_path: Path) -> None:
    # A release whose script needs a module that no package has.
    changed = tmp_path / "changed.sh"
    changed.write_bytes(script.read_bytes().replace(b'"modules": [', b'"modules": ["absent_module",', 1))
    programs = path_with(tmp_path / "path", python3=USABLE[OWN])
    ended = deployment_script.run(
        changed, inputs=encoded({}, {}), scratch=tmp_path, programs=programs, beside=script.parent
    )
    assert (ended.exit_code, ended.error_code) == (1, "VD-SCRIPT-004")
    assert "absent_module" in ended.outputs["error"]["message"]


def test_a_deployment_that_ends_without_a_result_is_no_success(script: Path, tmp_path: Path) -> None:
    # A runbook that succeeds, but prints no result.
    changed = tmp_path / "changed.sh"
    changed.write_bytes(script.read_bytes().replace(b"    sys.exit(main(RUNBOOK))\n", b"    sys.exit(0)\n"))
    programs = path_with(tmp_path / "path", python3=USABLE[OWN])
    ended = deployment_script.run(
        changed, inputs=encoded({}, {}), scratch=tmp_path, programs=programs, beside=script.parent
    )
    assert (ended.exit_code, ended.error_code) == (1, "VD-SCRIPT-005")
