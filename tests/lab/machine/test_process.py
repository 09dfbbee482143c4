"""The lab as a process: `vibedata lab`, two labs at the same time, and no process that outlives its lab."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import release_signer, running_lab
from tests.support.processes import processes_below, wait_until_none
from tests.support.running_lab import LabUnderTest
from vibedata import lab_process

VIBEDATA = [sys.executable, "-m", "vibedata.cli"]
PROJECT = Path(__file__).resolve().parents[3]


def vibedata(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*VIBEDATA, *arguments], capture_output=True, text=True, timeout=300, cwd=PROJECT, check=False
    )


def result(*arguments: str) -> dict[str, Any]:
    done = vibedata(*arguments, "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "second"
    lab_process.stop(tmp_path / "second")


def test_up_status_reset_down(directory: Path) -> None:
    up = result("lab", "up", "--dir", str(directory), "--detach")
    assert up["status"] == "up"
    assert len(processes_below(directory)) == 6  # the lab, Azurite, two registries, Knot DNS, Pebble
    again = result("--output", "json", "lab", "up", "--dir", str(directory), "--detach")
    assert again["pid"] == up["pid"]
    assert Path(up["environment_file"]).read_text() == vibedata(
        "lab", "up", "--dir", str(directory), "--detach"
    ).stdout.replace("\r", "")
    status = result("lab", "status", "--dir", str(directory))
    assert set(status["services"]) > {"arm", "blob", "control"}
    assert result("lab", "reset", "--dir", str(directory))["status"] == "reset"
    down = result("lab", "down", "--dir", str(directory))
    assert down["pid"] == up["pid"]
    assert processes_below(directory) == []
    assert not (directory / "lab.env").exists()
    assert vibedata("lab", "status", "--dir", str(directory)).returncode == 1
    assert result("lab", "down", "--dir", str(directory))["pid"] is None


def test_a_shell_that_reads_the_environment_finds_the_command(lab: LabUnderTest) -> None:
    script = (
        "source lab.env && vibedata --version && vibedata instance show instance.json --output json && vibedata jobs"
    )
    shell = ["bash", "-c", script]
    done = subprocess.run(
        shell, cwd=lab.directory, env={"PATH": os.defpath}, capture_output=True, text=True, check=True, timeout=60
    )
    version, document, jobs = done.stdout.splitlines()
    assert version.startswith("vibedata ") and json.loads(document)["id"] == lab.env["VIBEDATA_SUBSCRIPTION_ID"]
    assert jobs == "no such jobs" and done.stderr.startswith("instance Lab customer (")


def test_up_in_the_foreground_ends_with_an_interrupt(directory: Path) -> None:
    command = [*VIBEDATA, "lab", "up", "--dir", str(directory), "--output", "json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=PROJECT
    ) as process:
        assert process.stdout is not None
        up = json.loads(process.stdout.readline())
        assert up["pid"] == process.pid
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0
    assert processes_below(directory) == []


def test_down_ends_a_lab_that_is_still_starting(directory: Path) -> None:
    command = lab_process.command(directory)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=PROJECT) as process:
        while not (directory / "lab.pid").exists():
            assert process.poll() is None
            time.sleep(0.005)
        assert lab_process.stop(directory) == process.pid
    assert processes_below(directory) == []


def test_down_removes_what_says_that_a_killed_lab_runs(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = running_lab.start(directory)
    os.kill(lab.pid, signal.SIGSTOP)  # it cannot end in an orderly way
    monkeypatch.setattr(lab_process, "STOP_SECONDS", 0.2)
    assert lab_process.stop(directory) == lab.pid
    assert [name for name in ("instance.json", "lab.env", "lab.pid") if (directory / name).exists()] == []
    wait_until_none(directory)


def test_a_second_lab_does_not_disturb_the_first(lab: LabUnderTest, directory: Path) -> None:
    before = lab.control("GET", "/status")
    second = running_lab.start(directory)
    assert not set(second.control("GET", "/status")["services"].values()) & set(before["services"].values())
    second.fault("status", status=500, times=0)
    requests.get(lab.env["IDENTITY_ENDPOINT"], timeout=60)
    assert [entry["status"] for entry in lab.journal()] == [401]
    assert second.journal() == []
    lab_process.stop(directory)
    assert lab.control("GET", "/status") == before


def test_folder_takes_one_lab_at_a_time(lab: LabUnderTest) -> None:
    done = subprocess.run(
        lab_process.command(lab.directory), capture_output=True, text=True, timeout=300, cwd=PROJECT, check=False
    )
    assert done.returncode == 1
    assert "vibedata lab down" in done.stderr
    assert "Traceback" not in done.stderr
    assert (lab.directory / "lab.env").exists()
    assert vibedata("lab", "up", "--dir", str(lab.directory)).returncode == 1


def test_authority_is_kept_from_start_to_start(directory: Path) -> None:
    running_lab.start(directory)
    authority = (directory / "ca.pem").read_bytes()
    lab_process.stop(directory)
    second = running_lab.start(directory)
    assert Path(second.env["SSL_CERT_FILE"]).read_bytes() == authority


def test_nothing_is_left_when_the_lab_is_killed(directory: Path) -> None:
    killed = running_lab.start(directory)
    os.kill(killed.pid, signal.SIGKILL)
    wait_until_none(directory)
    assert lab_process.find(directory) is None
    running_lab.start(directory)  # what the killed one left is in nobody's way


def test_lab_that_loses_a_real_server_ends_and_says_so(directory: Path) -> None:
    lab = running_lab.start(directory)
    servers = [pid for pid in processes_below(directory) if pid != lab.pid]
    os.kill(servers[0], signal.SIGKILL)
    wait_until_none(directory)
    assert "ended with -9" in (directory / "lab.log").read_text()


def test_start_that_fails_after_the_lab_is_up_leaves_none(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a lab that pins another identity than that of the tests' signer.
    monkeypatch.setattr(release_signer, "IDENTITY_VARIABLE", "VIBEDATA_LAB_CONTROL")
    with pytest.raises(AssertionError, match="one identity is pinned"):
        running_lab.start(directory)
    assert processes_below(directory) == []


def test_failed_start_shows_the_end_of_the_log(directory: Path) -> None:
    directory.mkdir()
    (directory / "ca.pem").mkdir()  # where the authority's certificate is to be written
    done = vibedata("lab", "up", "--dir", str(directory), "--detach")
    assert done.returncode == 1
    assert "IsADirectoryError" in done.stderr
    assert "what to do" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["lab", "--help"], ["lab", "up", "--help"]])
def test_help_has_examples(arguments: list[str]) -> None:
    done = vibedata(*arguments)
    assert done.returncode == 0
    assert "examples:" in done.stdout
