"""The output of a deployment for a person: on a real terminal, in a log, after Ctrl-C, and with a closed pipe."""

import itertools
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from tests.end_to_end.deployed import ROOT, STRICT, Deployed, Release
from tests.support import running_lab
from tests.support.lock_rig import lease_state, places
from tests.support.processes import heed_signals
from tests.support.screen_reader import shown
from tests.support.terminal_process import CTRL_C, on_terminal
from vibedata.progress_view.writer import NOBODY_READS

WAIT_SECONDS = 240.0
AT_LEAST_EVERY_SECONDS = 15.0
COMBINED = "vibedata_runbook_packages"
SLEEPER = "sleeper"
SLEEPS = "import time\nprint('up', flush=True)\ntime.sleep(600)"
# The quota of a pay-as-you-go account (lab/automation/jobs.py).
CONCURRENT_JOBS = 10


def command(release: Release, *options: str) -> list[str]:
    return [sys.executable, *STRICT, "-m", "vibedata.cli", "deploy", str(release.folder), *options]


@pytest.fixture(scope="module")
def release(own_deployed: Deployed) -> Release:
    made = own_deployed.release()
    assert own_deployed.vibedata_json("deploy", str(made.folder))["status"] == "succeeded"
    return made


class Piped:
    """A command without a terminal. Each line of standard output and error has the time when it came."""

    def __init__(self, deployed: Deployed, release: Release, *options: str) -> None:
        self.lines: list[tuple[float, str]] = []
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            command(release, *options),
            cwd=ROOT,
            env=running_lab.environment(deployed.lab),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_signals,  # noqa: PLW1509 - no threads here
        )
        self._threads = [Thread(target=self._read_out), Thread(target=self._read_err)]
        for thread in self._threads:
            thread.start()

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip("\n")))

    def _read_err(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors.append(line.rstrip("\n"))

    def line(self, pattern: str) -> "re.Match[str]":
        """Wait for the first line of standard output that matches, and return it."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            found = next((match for _, line in self.lines if (match := re.search(pattern, line))), None)
            if found is not None:
                return found
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)

    def ended(self) -> int:
        """Return the exit code."""
        code = self.process.wait(WAIT_SECONDS)
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    def longest_silence(self) -> float:
        """Return the longest time between two lines.

        The view begins with the first line. Before that, the process starts, and reads the release and the installed
        one.
        """
        times = [at for at, _ in self.lines]
        return max(after - before for before, after in itertools.pairwise(times))

    @property
    def text(self) -> str:
        return "\n".join([*(line for _, line in self.lines), *self.errors])


@contextmanager
def piped(deployed: Deployed, release: Release, *options: str) -> Iterator[Piped]:
    made = Piped(deployed, release, *options)
    try:
        yield made
    finally:
        made.process.kill()
        made.ended()


@contextmanager
def account_without_a_free_place(deployed: Deployed) -> Iterator[None]:
    """Run as many jobs as the account allows. The next job waits in the queue."""
    deployed.automation.publish(SLEEPS, name=SLEEPER, environment=environment_of_release(deployed))
    jobs = [deployed.automation.start(name=SLEEPER) for _ in range(CONCURRENT_JOBS)]
    until(lambda: all(deployed.record(job)["status"] == "Running" for job in jobs))
    try:
        yield
    finally:
        for job in jobs:
            deployed.automation.client.job.stop(*deployed.automation.at, job)


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_on_a_terminal_one_block_is_drawn_over_until_the_verdict(
    own_deployed: Deployed, release: Release, columns: int
) -> None:
    environ = running_lab.environment(own_deployed.lab)
    asked = command(release, "--only", "check_health")
    with on_terminal(asked, columns=columns, environ=environ, cwd=ROOT) as terminal:
        terminal.read_until(lambda text: "> check_health" in text, seconds=WAIT_SECONDS)
        during = shown(terminal.written, columns=columns)
        assert terminal.to_the_end(seconds=WAIT_SECONDS) == 0
    assert len([line for line in during if line.startswith(f"deploying {release.version} at ")]) == 1
    row = next(line for line in during if line.startswith("> check_health"))
    assert re.fullmatch(r"> check_health +\d+ s of about 90 s", row)
    after = shown(terminal.written, columns=columns)
    assert not [line for line in after if line.startswith(("> ", "deploying "))], "the block is gone"
    assert [line for line in after if line.startswith("deployment succeeded after ")]
    assert [line for line in after if re.match(r" +check_health +(succeeded|unchanged) ", line)]
    assert after[-3:-1] == ["what to do next:", "  vibedata status"]


@pytest.mark.parametrize(
    ("state", "tells"),
    [
        ("", r"packages: 0 of 1; an import takes about a minute; about \d+ s \(step: "),
        ("failed", r"packages: \d+ of 29; Automation takes 5 in 30 s; about \d+ "),
    ],
    ids=["combined", "single"],
)
def test_the_import_of_packages_is_never_silent(
    own_deployed: Deployed, release: Release, state: str, tells: str
) -> None:
    """One wheel takes long, or Automation accepts 29 wheels a few at a time. A line appears at least every 15 s."""
    lab = own_deployed.lab
    remove_packages(own_deployed)
    lab.latency(operation="packageImport", seconds=26)
    lab.latency(operation="packageImportWindow", seconds=5)
    if state:
        lab.control("POST", "/packages", {"name": COMBINED, "state": state})
    try:
        with piped(own_deployed, release, "--only", "first_runbooks") as deploying:
            code = deploying.ended()
    finally:
        lab.control("DELETE", "/latency")
        lab.latency(operation="packageImportWindow", seconds=0.1)
    assert code == 0, deploying.text
    assert deploying.longest_silence() < AT_LEAST_EVERY_SECONDS, deploying.text
    told = [line for _, line in deploying.lines]
    assert [line for line in told if re.search(tells, line)], told
    assert [line for line in told if re.search(r"\(step: .* of about .*; whole: .* of about .*\)", line)], told


def remove_packages(deployed: Deployed) -> None:
    """Remove the runtime environment of the release's packages, so that the next publication imports them."""
    deployed.automation.client.runtime_environments.delete(*deployed.automation.at, environment_of_release(deployed))


def environment_of_release(deployed: Deployed) -> str:
    properties = deployed.automation.client.runbook.get(*deployed.automation.at, "check_health").properties
    assert properties is not None
    return str(properties.runtime_environment)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_an_interrupted_deployment_says_which_job_goes_on_and_what_to_type(
    own_deployed: Deployed, release: Release, number: signal.Signals, code: int
) -> None:
    with (
        account_without_a_free_place(own_deployed),
        piped(own_deployed, release, "--from", "check_health") as deploying,
    ):
        job = deploying.line(r"check_health: job ([0-9a-f-]{36})$")[1]
        deploying.line(r"check_health: job New for \d+ s; Automation starts jobs within about a minute \(step: ")
        deploying.process.send_signal(number)
        assert deploying.ended() == code, deploying.text
        assert own_deployed.record(job)["status"] == "New"
    told = [line for _, line in deploying.lines]
    assert [line for line in told if line.startswith("deployment interrupted at check_health after ")]
    assert f"Job {job} of check_health goes on in Azure (last seen: New)." in deploying.text
    assert told[-2:] == ["to go on, type:", f"  vibedata deploy {release.folder} --from check_health"]
    assert [lease_state(place) for place in places(own_deployed.lab.env)] == ["available", "available"]
    assert deploying.longest_silence() < AT_LEAST_EVERY_SECONDS
    until(lambda: own_deployed.record(job)["status"] == "Completed")


def test_ctrl_c_on_a_terminal(own_deployed: Deployed, release: Release) -> None:
    environ = running_lab.environment(own_deployed.lab)
    with account_without_a_free_place(own_deployed):
        asked = command(release, "--only", "check_health")
        with on_terminal(asked, columns=80, environ=environ, cwd=ROOT) as terminal:
            terminal.read_until(lambda text: "job New for" in text, seconds=WAIT_SECONDS)
            terminal.type(CTRL_C)
            assert terminal.to_the_end(seconds=WAIT_SECONDS) == 130
    lines = shown(terminal.written, columns=80)
    assert [line for line in lines if line.startswith("deployment interrupted at check_health after ")]
    assert "".join(lines).count("goes on in Azure (last seen: New)") == 1  # the terminal has wrapped it
    assert f"  vibedata deploy {release.folder} --only check_health" in "".join(lines[-4:])
    assert not [line for line in lines if line.startswith("> ")]


def test_ctrl_c_names_the_job_that_was_invoked(own_deployed: Deployed, release: Release) -> None:  # noqa: ARG001
    environ = running_lab.environment(own_deployed.lab)
    asked = [sys.executable, "-m", "vibedata.cli", "invoke", "check_health", "--plan"]
    with (
        account_without_a_free_place(own_deployed),
        on_terminal(asked, columns=200, environ=environ, cwd=ROOT) as terminal,
    ):
        terminal.read_until(lambda text: "job New for" in text, seconds=WAIT_SECONDS)
        terminal.type(CTRL_C)
        assert terminal.to_the_end(seconds=WAIT_SECONDS) == 130
    lines = shown(terminal.written, columns=200)
    goes_on = r"interrupted\. Job [0-9a-f-]{36} of check_health goes on in Azure \(last seen: New\)\."
    told = goes_on + r" `vibedata logs [0-9a-f-]{36} --follow[^`]*` follows it again\."
    assert [line for line in lines if re.fullmatch(told, line)], lines


def test_a_program_gets_the_interruption_as_json(own_deployed: Deployed, release: Release) -> None:
    with (
        account_without_a_free_place(own_deployed),
        piped(own_deployed, release, "--only", "check_health", "--output", "json") as deploying,
    ):
        until(lambda: any(line.startswith("check_health: job ") for line in deploying.errors))
        deploying.process.send_signal(signal.SIGTERM)
        assert deploying.ended() == 143
    ((_, line),) = deploying.lines
    result = json.loads(line)
    assert (result["status"], result["step"]) == ("interrupted", "check_health")
    assert (result["job"]["runbook"], result["job"]["status"]) == ("check_health", "New")
    assert result["resume"] == f"vibedata deploy {release.folder} --only check_health"


def test_a_deployment_whose_output_nobody_reads_goes_on_and_writes_the_rest_to_stderr(
    own_deployed: Deployed, release: Release
) -> None:
    words = shlex.join(command(release, "--only", "check_health"))
    done = subprocess.run(
        ["bash", "-c", f"{words} | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        env=running_lab.environment(own_deployed.lab),
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "lock: begins\n"
    assert NOBODY_READS in done.stderr.splitlines()
    assert "deployment succeeded after " in done.stderr
    assert re.search(r"check_health +(succeeded|unchanged) ", done.stderr)
