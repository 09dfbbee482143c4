"""`vibedata invoke`: parameters are compared before a job starts, and one start makes one job, whichever answer is
lost.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from oci.bundling.bundle import bundle
from oci.bundling.source_tree import read_sources
from runbook_lib.automation.jobs import JobState, start_job
from runbook_lib.errors import RunbookError
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.run.parameters import parameters_in
from tests.support.automation import Automation, automation, wait_for
from tests.support.fake_clock import FakeClock
from tests.support.probe_jobs import LONG, bring_to, impatient_account, probe, running
from tests.support.processes import heed_signals
from tests.support.running_lab import LabUnderTest, environment
from vibedata import cli
from vibedata.jobs.following import PASSING_SECONDS, follow
from vibedata.jobs.verdict import result_of

ROOT = Path(__file__).parents[3]
JOBS = {"service": "arm", "path": "/jobs/[^/]+$"}
PUT, GET = {**JOBS, "method": "PUT"}, {**JOBS, "method": "GET"}
ALL_ATTEMPTS = 4


@pytest.fixture
def account(lab: LabUnderTest) -> Iterator[Automation]:
    with automation(lab) as opened:
        opened.environment()
        yield opened


def built(name: str, change: Callable[[str], str] = lambda text: text) -> str:
    """A built runbook. `change` makes another release's text from each of its sources."""
    sources = {file: change(text) for file, text in read_sources(ROOT).items()}
    return bundle(name, sources=sources, version="2026.11.0").text


def typed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.main([*words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def jobs_of(account: Automation) -> list[str]:
    return [str(job.name) for job in account.client.job.list_by_automation_account(*account.at)]


class Watcher:
    """Observes a job. `act` is called at each look, with its number."""

    option = " --instance contoso1"

    def __init__(self, act: Callable[[int], None] = lambda _look: None) -> None:
        self._act = act
        self.looks = 0
        self.lines: list[str] = []

    def asked(self) -> None:
        raise AssertionError("nobody asked for a job")

    def seen(self, _state: JobState) -> None:
        self.looks += 1
        self._act(self.looks)

    def line(self, line: str) -> None:
        self.lines.append(line)


# --- Parameters -------------------------------------------------------------------------------------------------------


def test_a_parameter_that_is_given_twice_is_refused_before_any_request(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(lab.journal(service="arm"))
    words = ("--parameter", "release_version=1", "--parameter", "release_version=2")
    code, _, err = typed(capsys, "invoke", "probe", *words)
    assert code == 2 and "VD-PARAM-002" in err and "(release_version): it is given twice" in err
    assert len(lab.journal(service="arm")) == before


def test_parameters_are_compared_with_the_published_runbooks_before_a_job_starts(
    account: Automation, capsys: pytest.CaptureFixture[str]
) -> None:
    account.publish(built("import_manifest"), name="import_manifest")
    account.publish(built("rotate_hmac"), name="rotate_hmac")
    for runbook, pair, code, words in (
        ("import_manifest", "relaese_tag=latest", "VD-PARAM-001", "did you mean 'release_tag'?"),
        ("Import_Manifest", "relaese_tag=latest", "VD-PARAM-001", "did you mean 'release_tag'?"),
        ("IMPORT_MANIFEST", "release_tag=a b", "VD-PARAM-002", "takes a tag"),
        ("import_manifest", "allow_downgrade=maybe", "VD-PARAM-002", "takes true or false"),
        ("import_manifest", "release_tag=a b", "VD-PARAM-002", "takes a tag"),
        ("rotate_hmac", "phase=polish", "VD-PARAM-002", "takes one of"),
        ("rotate_hmac", "overlap_seconds=soon", "VD-PARAM-002", "takes a whole number"),
        ("rotate_hmac", "phase", "VD-PARAM-002", "takes NAME=VALUE"),
        ("rotate_hmac", f"phase={'[' * 5000}", "VD-PARAM-002", "phase"),
    ):
        exit_code, out, err = typed(capsys, "invoke", runbook, "--plan", "--parameter", pair)
        assert (exit_code, out) == (2, ""), pair
        assert f"{code}: " in err and words in err, pair
    assert jobs_of(account) == []


def test_a_runbook_of_another_release_gets_what_it_knows(
    account: Automation, capsys: pytest.CaptureFixture[str]
) -> None:
    def older(text: str) -> str:
        return re.sub(r"    started_by: str = field.*\n", "", text)

    def newer(text: str) -> str:
        return text.replace("    release_tag: str", '    colour: str = field(default="")\n    release_tag: str')

    for change, given, takes in ((older, {}, False), (newer, {"colour": "red"}, True)):
        account.publish(built("import_manifest", change), name="import_manifest")
        words = [word for name, value in given.items() for word in ("--parameter", f"{name}={value}")]
        before = set(jobs_of(account))
        typed(capsys, "invoke", "import_manifest", "--plan", *words)
        (job,) = set(jobs_of(account)) - before
        sent = parameters_in(account.ended(job).parameters["parameters"])  # type: ignore[index]
        assert {name: value for name, value in sent.items() if name != "started_by"} == {"plan_only": True, **given}
        assert ("started_by" in sent) is takes


# --- One start, one job -----------------------------------------------------------------------------------------------


def test_a_start_whose_answers_are_lost_starts_one_job(lab: LabUnderTest, account: Automation) -> None:
    account.publish(probe())
    access = impatient_account(lab.env)
    for action, times in (("reset_after", 1), ("reset_after", ALL_ATTEMPTS), ("reset_before", 1)):
        before = set(jobs_of(account))
        lab.fault(action, times=times, match=PUT)
        started = start_job(access, "probe", {"correlation_id": "good"})
        assert set(jobs_of(account)) - before == {started}, action


def test_a_start_that_was_not_carried_out_is_reported_as_such(lab: LabUnderTest, account: Automation) -> None:
    account.publish(probe())
    lab.fault("status", status=500, times=ALL_ATTEMPTS, match=PUT)
    with pytest.raises(HttpResponseError) as caught:
        start_job(impatient_account(lab.env), "probe", {})
    named = as_runbook_error(caught.value)
    assert named is not None and named.code == "VD-NET-002"
    assert jobs_of(account) == []


def test_a_start_of_which_nothing_is_known_says_how_to_look(
    lab: LabUnderTest, account: Automation, capsys: pytest.CaptureFixture[str]
) -> None:
    account.publish(probe())
    lab.fault("reset_after", times=ALL_ATTEMPTS, match=PUT)
    lab.fault("status", status=503, times=ALL_ATTEMPTS, match=GET)
    with pytest.raises(RunbookError) as caught:
        start_job(impatient_account(lab.env), "probe", {"correlation_id": "good"}, option=" --instance ./a.json")
    assert caught.value.code == "VD-AUTOMATION-022"
    assert "--follow --instance ./a.json`" in caught.value.remedy
    line = re.search(r"`vibedata (logs \S+ --follow) --instance ./a.json`", caught.value.remedy)
    assert line is not None
    code, out, _ = typed(capsys, *line[1].split())
    assert code == 0 and "probe: succeeded (job " in out


# --- How it ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["text", "json"])
def test_the_end_shows_result_code_and_remedy(
    account: Automation, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    account.publish(probe())
    assert typed(capsys, "invoke", "probe", "--output", output)[0] == 0
    code, out, err = typed(capsys, "invoke", "probe", "--parameter", "correlation_id=bad", "--output", output)
    assert code == 1
    if output == "json":
        result = json.loads(out)
        assert (result["error"]["code"], result["job_id"] in jobs_of(account)) == ("VD-PUBLISH-001", True)
    else:
        first = out.index("probe: failed (job ")
        assert [line.strip() for line in out[first:].splitlines()[1:]] == [
            "VD-PUBLISH-001: it broke",
            "cause: a test",
            "what to do: mend it",
            "rerun: run it again, nothing is lost",
        ]
    assert "Traceback" not in err


def test_a_changed_runbooks_result_replaces_nothing_that_the_command_knows(
    account: Automation, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = (
        '"runbook": "probe", "job_id": "00000000", "instance": {"id": "other"}, "mode": "plan", "started_by": "eve",'
    )
    account.publish(probe().replace('"runbook": "probe",', forged))
    _, out, _ = typed(capsys, "invoke", "probe", "--output", "json")
    invoked = json.loads(out)
    _, out, _ = typed(capsys, "logs", "probe", "--output", "json")
    looked_up = json.loads(out)
    assert [invoked["job_id"]] == [looked_up["job_id"]] == jobs_of(account)
    assert invoked["instance"] == looked_up["instance"] and invoked["instance"]["id"] != "other"
    assert (looked_up["mode"], looked_up["status"]) == ("run", "succeeded") and looked_up["started_by"] != "eve"


def test_each_end_has_its_own_message_and_none_is_waited_for_for_ever(lab: LabUnderTest, account: Automation) -> None:
    account.publish(LONG)
    access = impatient_account(lab.env)
    evicted = "The job was evicted and subsequently reached a Stopped state. The job cannot continue running."
    for status, exception, code in (
        ("Stopped", "", "VD-AUTOMATION-025"),
        ("Stopped", evicted, "VD-AUTOMATION-026"),
        ("Suspended", "The sandbox ran out of memory.", "VD-AUTOMATION-027"),
        ("Failed", "It could not start.", "VD-AUTOMATION-005"),
        ("Blocked", "", "VD-AUTOMATION-028"),
        ("Removing", "", "VD-AUTOMATION-028"),
        ("Disconnected", "", "VD-AUTOMATION-028"),
        ("Stopping", "", "VD-AUTOMATION-028"),
        ("Removed", "", "VD-AUTOMATION-029"),
    ):
        job, clock = account.start(), FakeClock()
        bring_to(account, job, status, exception)
        with pytest.raises(RunbookError) as caught:
            result_of(follow(access, job, Watcher(), clock=clock))
        assert (caught.value.code, job in str(caught.value)) == (code, True), status
        if code == "VD-AUTOMATION-028":
            assert f"`vibedata logs {job} --follow --instance contoso1`" in caught.value.remedy
        assert exception in caught.value.message
        assert sum(clock.slept) <= PASSING_SECONDS + 20


def test_a_job_that_is_stopped_and_comes_to_its_end_meanwhile_is_waited_for(
    lab: LabUnderTest, account: Automation
) -> None:
    account.publish(LONG)
    job, clock = running(account), FakeClock()
    steps = {2: "Disconnected", 5: "Running", 6: "Stopping", 9: "Stopped"}
    watcher = Watcher(lambda look: bring_to(account, job, steps[look]) if look in steps else None)
    assert follow(impatient_account(lab.env), job, watcher, clock=clock).status == "Stopped"
    assert watcher.lines == ["begun"]


def test_each_line_is_shown_once_although_the_second_page_cannot_be_read_for_some_time(
    lab: LabUnderTest, account: Automation
) -> None:
    account.publish("for number in range(250):\n    print('line', number)\n")
    job, clock = account.start(), FakeClock()
    account.ended(job)
    # The second page fails at one look, and the third at another one.
    for start in (100, 200):
        second = {"service": "arm", "path": rf"/streams\?.*skiptoken=({start})"}
        lab.fault("status", status=503, times=2 * ALL_ATTEMPTS, match=second)
    watcher = Watcher()
    follow(impatient_account(lab.env), job, watcher, clock=clock)
    assert watcher.looks > 2
    assert watcher.lines == [f"line {number}" for number in range(250)]


# --- How often Automation is asked ------------------------------------------------------------------------------------


def test_looks_become_fewer_and_throttling_ends_nothing(lab: LabUnderTest, account: Automation) -> None:
    account.publish(LONG)
    job, clock = running(account), FakeClock()

    def act(look: int) -> None:
        if look == 5:  # longer than the retries of one request take
            lab.fault("throttle", seconds=300, times=1, match=GET)
        if look == 45:
            bring_to(account, job, "Stopped")

    follow(impatient_account(lab.env), job, Watcher(act), clock=clock)
    assert clock.slept[0] == 1.0 and max(clock.slept[:3]) < 2.0
    assert 300.0 in clock.slept, "the server's Retry-After is honoured"
    assert clock.slept[-1] == 10.0
    assert all(seconds in (10.0, 300.0) for seconds in clock.slept if seconds >= 10.0)


# --- A run that is left -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_run_that_is_left_can_be_taken_up_again(
    lab: LabUnderTest, account: Automation, number: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    goes_on = tmp_path / "the-job-goes-on"
    waits = f"while not pathlib.Path({str(goes_on)!r}).exists():\n    time.sleep(0.05)\n"
    account.publish(f"import pathlib, time\n{waits}{probe()}")
    left = subprocess.Popen(
        [sys.executable, "-m", "vibedata.cli", "invoke", "probe", "--parameter", "correlation_id=bad", "--output=json"],
        cwd=ROOT,
        env=environment(lab),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_signals,  # noqa: PLW1509 - no threads that hold locks
    )
    (job,) = wait_for(lambda: jobs_of(account), bool)
    wait_for(lambda: account.status(job), lambda status: status == "Running")
    assert left.stderr is not None
    while f"job {job}" not in left.stderr.readline():
        pass
    os.kill(left.pid, number)
    out, err = left.communicate(timeout=60)
    assert left.returncode == 128 + number
    result: dict[str, Any] = json.loads(out)
    assert (result["status"], result["job_id"]) == ("interrupted", job)
    assert result["resume"] == f"vibedata logs {job} --follow"
    # This is the state at the command's last look, which may be older than the job's first line.
    left_behind = r"goes on in Azure \(last seen: (New|Activating|Running)\)\. "
    assert re.search(left_behind + re.escape(f"`{result['resume']}` follows it again."), err), err
    goes_on.touch()
    code, out, _ = typed(capsys, *result["resume"].split()[1:], "--output", "json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "VD-PUBLISH-001")
