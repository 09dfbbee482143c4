"""Make a deployment script: texts in, bytes out."""

import base64
import json
from pathlib import Path

import pytest

from oci.bundling.bundle import Bundle
from oci.bundling.source_tree import LOCK_FILE
from oci.deployment_script import start
from oci.deployment_script.other_pythons import CFFI, CFFI_SHA256, CFFI_VERSION, locked_cffi
from oci.deployment_script.script import START_FILE, ScriptWheel, deployment_script
from oci.packages import package_lock
from oci.packages.package_lock import LockedPackage
from runbook_lib.errors import RunbookError

ROOT = Path(__file__).parents[3]
WHEEL = ScriptWheel(name="one-1.0-py3-none-any.whl", sha256="ab" * 32, size=7)


def made(text: str = "print('é')\n", *, version: str = "2026.11.0") -> bytes:
    built = Bundle(
        name="deploy_instance", text=text, files=(), foreign=frozenset({"os", "automationassets", "one.two"})
    )
    return deployment_script(built, version=version, wheels=[WHEEL], sources={START_FILE: "start\n"})


def test_it_holds_the_runbook_as_it_stands_and_what_the_start_needs_to_know() -> None:
    text = made().decode()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "<<'END_OF_DEPLOY_INSTANCE_PY'\nprint('é')\nEND_OF_DEPLOY_INSTANCE_PY\n" in text
    assert f'"sha256": "{WHEEL.sha256}"' in text
    # Modules of Python itself or of the sandbox are not checked.
    assert '"modules": [\n  "one.two"\n ]' in text
    assert made() == made()


@pytest.mark.parametrize("text", ["no end", "a\nEND_OF_DEPLOY_INSTANCE_PY\nb\n"])
def test_a_text_that_would_end_too_early_is_refused(text: str) -> None:
    with pytest.raises(RunbookError) as caught:
        made(text)
    assert caught.value.code == "VD-BUILD-002"


def test_what_the_shell_would_read_is_refused() -> None:
    with pytest.raises(RunbookError) as caught:
        made(version="1'; rm -rf /; '")
    assert caught.value.code == "VD-BUILD-002"


def test_cffi_has_the_version_of_the_package_set() -> None:
    locked = package_lock.parse((ROOT / LOCK_FILE).read_text())
    version = next(each.version for each in locked if each.name == CFFI)
    assert version == CFFI_VERSION, (
        f"for each Python: pip download --no-deps --only-binary=:all: --python-version=3.12 --abi=cp312"
        f" --platform=manylinux2014_x86_64 cffi=={version}; then put the digests into oci/deployment_script"
    )
    assert set(locked_cffi(locked)) == set(CFFI_SHA256)
    with pytest.raises(RunbookError) as caught:
        locked_cffi((LockedPackage(CFFI, "0.1", "ab" * 32),))
    assert caught.value.code == "VD-BUILD-005"


@pytest.mark.parametrize("value", ["vd1\0", "\ud800", "vd1\udc80"])
def test_a_setting_that_no_environment_can_hold_is_refused(value: str) -> None:
    given = {"settings": {"zone": "é", "prefix": value}, "parameters": {}}
    with pytest.raises(start.Refused, match="the value of setting 'prefix'") as caught:
        start.inputs(base64.b64encode(json.dumps(given).encode()).decode(), ["prefix", "zone"])
    assert caught.value.code == "VD-SCRIPT-002"
