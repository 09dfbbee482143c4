"""The sandbox of the lab's jobs: what a runbook finds there, what it may not do, and how it ends."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError

from lab.automation.python_environment import Interpreter, PythonEnvironments, probe
from lab.automation.wheels import Wheel
from tests.support import running_lab
from tests.support.automation import Automation, automation, installed_wheel, state, wait_for, wheel
from tests.support.running_lab import LabUnderTest

CFFI_TAG = "cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64"
PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def account(lab: LabUnderTest) -> Iterator[Automation]:
    with automation(lab) as opened:
        opened.environment()
        yield opened


def alive(pid: int) -> bool:
    """Tell whether a process runs. A process that has ended, but was not waited for, has no command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def test_environment_variables_and_folder(account: Automation) -> None:
    job, ended = account.run(
        "import json, os, sys\nprint(json.dumps([dict(os.environ), os.getcwd(), sys.version_info[:2], sys.path]))"
    )
    assert ended.status == "Completed", ended.exception
    environment, folder, version, path = json.loads(account.output(job))
    assert set(environment) == {
        "PATH",
        "LANG",
        "HOME",
        "TMPDIR",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "AUTOMATION_ASSET_ACCOUNTID",
        "AUTOMATION_ASSET_SANDBOX_ID",
        "LAB_AUTOMATION_ASSETS",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    }
    assert environment["IDENTITY_HEADER"] != account.lab.env["IDENTITY_HEADER"]
    assert environment["HOME"] == folder
    assert not Path(folder).exists()  # gone with the job
    assert str(account.record(job)["python_version"]).startswith(".".join(map(str, version)))
    assert not any(str(PROJECT) in entry for entry in path)


@pytest.mark.parametrize("module", ["runbook_lib", "lab", "requests", "azure", "pip", "pytest"])
def test_nothing_but_the_packages_is_importable(account: Automation, module: str) -> None:
    _, ended = account.run(f"import {module}")
    assert ended.status == "Failed"
    assert f"No module named '{module}'" in str(ended.exception)


def test_published_wheels_are_importable_and_deleted_ones_are_not(account: Automation) -> None:
    account.package(*wheel("first", {"family/first.py": "NAME = 'first'"}))
    account.package(*wheel("second", {"second-1.0.data/purelib/family/second.py": "NAME = 'second'"}))
    job, ended = account.run("from family import first, second\nprint(first.NAME, second.NAME)")
    assert ended.status == "Completed", ended.exception
    assert account.output(job) == "first second"
    account.client.package.delete(*account.at, "vibedata-python310", "second")
    assert account.ended(account.start()).status == "Failed"


def test_automation_variables_are_those_of_the_start(account: Automation) -> None:
    body = {"name": "Settings", "properties": {"value": '{"prefix": "x"}', "isEncrypted": True}}
    account.client.variable.create_or_update(*account.at, "Settings", body)  # type: ignore[call-overload]
    job, ended = account.run(
        "import automationassets as a\n"
        "print(a.get_automation_variable('settings')['prefix'])\n"
        "for get in (a.get_automation_variable, a.get_automation_credential):\n"
        "    try: get('absent')\n"
        "    except a.AutomationAssetNotFound as error: print(error)\n"
    )
    assert ended.status == "Completed", ended.exception
    first, *others = account.output(job).splitlines()
    assert first == "x"
    assert all("'absent' was not found" in line for line in others)
    assert len(others) == 2


def test_managed_identity_works_and_requests_are_laid_to_the_job(account: Automation) -> None:
    text = (
        "import json, os, urllib.request\n"
        "url = os.environ['IDENTITY_ENDPOINT'] + '?api-version=2019-08-01&resource=https://management.azure.com'\n"
        f"url += '&client_id={account.lab.env['VIBEDATA_UAMI_CLIENT_ID']}'\n"
        "headers = {'X-IDENTITY-HEADER': os.environ['IDENTITY_HEADER'], 'Metadata': 'True'}\n"
        "token = json.load(urllib.request.urlopen(urllib.request.Request(url, headers=headers)))['access_token']\n"
        f"arm = '{account.lab.env['VIBEDATA_ARM_ENDPOINT']}/subscriptions/'"
        f" + '{account.lab.env['VIBEDATA_SUBSCRIPTION_ID']}/resourceGroups/{account.group}?api-version=2021-04-01'\n"
        "request = urllib.request.Request(arm, headers={'Authorization': 'Bearer ' + token})\n"
        "print(json.load(urllib.request.urlopen(request))['name'])\n"
    )
    job, ended = account.run(text)
    assert ended.status == "Completed", ended.exception
    assert account.output(job) == account.group
    assert [entry["service"] for entry in account.lab.journal(job_id=job)] == ["identity", "arm"]
    assert all(entry["job_id"] is None for entry in account.lab.journal(service="arm", method="PUT"))
    record = account.record(job)
    assert 0 < float(str(record["cpu_seconds_to_first_request"])) <= float(str(record["cpu_seconds"])) + 0.02


def test_memory_above_400_mb_ends_the_job(account: Automation) -> None:
    job, ended = account.run("import time\nheld = bytearray(410 * 1024 * 1024)\ntime.sleep(600)")
    assert ended.status == "Failed"
    assert "400 MB of memory" in str(ended.exception)
    assert int(str(account.record(job)["peak_memory_bytes"])) > 400 * 1024 * 1024


def test_memory_that_is_merely_reserved_does_not_count(account: Automation) -> None:
    _, ended = account.run("import mmap, time\nheld = mmap.mmap(-1, 2 * 1024 ** 3)\ntime.sleep(0.5)")
    assert ended.status == "Completed", ended.exception


@pytest.mark.parametrize("text", ["while True: print('x' * 100)", "print('x' * 1_048_577, flush=True)"])
def test_streams_above_1_mib_end_the_job(account: Automation, text: str) -> None:
    _, ended = account.run(text + "\nimport time\ntime.sleep(600)")
    assert ended.status == "Failed"
    assert "job stream being larger than 1MB" in str(ended.exception)


def test_streams_of_1_mib_are_kept(account: Automation) -> None:
    job, ended = account.run("for _ in range(1024): print('x' * 1024)")
    assert ended.status == "Completed", ended.exception
    assert len(account.output(job)) == 1024 * 1025 - 1


def test_three_hours_by_the_labs_clock_stop_the_job(account: Automation) -> None:
    account.publish("import time\nprint('up', flush=True)\ntime.sleep(600)")
    job = account.start()
    wait_for(lambda: account.output(job), lambda output: output == "up")
    account.lab.control("POST", "/clock", {"advance_seconds": 3 * 3600 + 1})
    properties = account.ended(job)
    assert properties.status == "Stopped"
    assert "evicted" in str(properties.exception)


def test_a_job_queues_for_as_long_as_a_latency_says(account: Automation) -> None:
    account.lab.latency(operation="jobQueue", seconds=3600)
    account.publish("print('up')")
    waiting, stopped = account.start(), account.start()
    account.client.job.stop(*account.at, stopped)
    assert account.ended(stopped).status == "Stopped"
    assert (account.status(waiting), account.record(waiting)["started"]) == ("New", None)
    account.lab.control("DELETE", "/latency")
    assert account.ended(waiting).status == "Completed"
    assert account.record(stopped)["started"] is None


def test_kill_job_fault_fails_the_job_that_made_the_request(account: Automation) -> None:
    account.lab.fault("kill_job", match={"service": "identity"})
    text = "import os, urllib.request\nurllib.request.urlopen(os.environ['IDENTITY_ENDPOINT'])\n"
    job, ended = account.run(text)
    assert ended.status == "Failed"
    assert "killed" in str(ended.exception)
    assert account.record(job)["exit_code"] == -9


def test_reset_ends_running_jobs(account: Automation) -> None:
    account.publish("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
    job = account.start()
    pid = int(wait_for(lambda: account.output(job), bool))
    account.lab.reset()
    assert not alive(pid)
    assert account.lab.control("GET", "/jobs")["jobs"] == []
    assert list((account.lab.directory / "jobs").iterdir()) == []


def test_what_a_job_started_ends_with_it(account: Automation) -> None:
    text = "import subprocess, sys\nprint(subprocess.Popen(['sleep', '600']).pid)\n"
    job, ended = account.run(text)
    assert ended.status == "Completed", ended.exception
    wait_for(lambda: alive(int(account.output(job))), lambda still: not still)


def test_environments_are_cached_and_never_mixed(account: Automation) -> None:
    account.package(*wheel("tiny", {"tiny.py": "X = 1"}))
    print_file = "import tiny\nprint(tiny.__file__, tiny.X)"
    first, _ = account.run(print_file)
    again = account.start()
    account.ended(again)
    assert account.output(again) == account.output(first)
    account.package(*wheel("tiny", {"tiny.py": "X = 2"}, version="2.0"))
    other = account.start()
    account.ended(other)
    assert account.output(other).split()[1] == "2"
    assert account.output(other).split()[0] != account.output(first).split()[0]


def test_probe_tells_a_cpython_from_what_does_not_start(tmp_path: Path) -> None:
    own = probe(Path(sys.executable))
    assert own is not None
    assert own.series == sys.version_info[:2]
    broken = tmp_path / "python3.10"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    assert probe(broken) is None
    assert probe(tmp_path / "absent") is None


def test_binary_wheel_works(account: Automation) -> None:
    assert state(account.package(*installed_wheel("pycparser", "py3-none-any"))) == "Succeeded"
    assert state(account.package(*installed_wheel("cffi", CFFI_TAG))) == "Succeeded"
    job, ended = account.run("import cffi\nprint(cffi.FFI().sizeof('int64_t'))")
    assert ended.status == "Completed", ended.exception
    assert account.output(job) == "8"


def test_another_python_says_so_and_borrows_what_does_not_fit(tmp_path: Path) -> None:
    """If the interpreter is not Python 3.10, the lab's own package replaces a binary wheel."""
    other = Interpreter(executable=Path(sys.executable), version="3.99.0")
    assert "No CPython 3.10 was found" in str(other.warning)
    environments = PythonEnvironments(directory=tmp_path / "python", interpreter=other)

    async def add(version: str) -> Wheel:
        file_name, content = wheel("cffi", {}, version=version, tag=CFFI_TAG)
        file = tmp_path / file_name
        file.write_bytes(content)
        return await environments.add_wheel(file_name, file)

    borrowed = asyncio.run(add(metadata.version("cffi")))
    assert list(borrowed.files.glob("_cffi_backend*.so"))
    # Some packages have no version for both Pythons. Then the lab's own package is good enough.
    assert list(asyncio.run(add("0.1")).files.glob("_cffi_backend*.so"))


def test_a_job_comes_to_the_state_that_is_asked_for(lab: LabUnderTest, account: Automation) -> None:
    account.publish("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
    job = account.start()
    pid = int(wait_for(lambda: account.output(job), bool))
    lab.control("POST", "/jobs", {"id": job, "status": "Suspended", "exception": "no memory"})
    found = account.ended(job, wait=False)
    assert (found.status, found.exception, found.end_time is not None) == ("Suspended", "no memory", True)
    wait_for(lambda: alive(pid), lambda still: not still)
    lab.control("POST", "/jobs", {"id": job, "status": "Blocked"})
    assert account.status(job) == "Blocked"
    wrong: list[object] = [{"id": job}, {"id": job, "status": "Happy"}, {"id": "x", "status": "New"}, {"x": 1}, []]
    for body in wrong:
        lab.control("POST", "/jobs", body, status=400)
    lab.control("POST", "/jobs", {"id": job, "status": "Removed"})
    with pytest.raises(ResourceNotFoundError):
        account.status(job)


def test_jobs_die_with_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_lab.running(tmp_path) as own:
        for name, value in own.env.items():
            monkeypatch.setenv(name, value)
        with automation(own) as account:
            account.environment()
            account.publish("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
            job = account.start()
            pid = int(wait_for(lambda: account.output(job), bool))
            os.kill(own.pid, signal.SIGKILL)
            wait_for(lambda: alive(pid), lambda still: not still)
