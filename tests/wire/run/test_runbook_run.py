"""The common parts of all runbooks, over the wire: a run's order, requests, result and log, and an early end."""

import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from runbook_lib.run.parameters import encode
from runbook_lib.runbook import main
from runbook_lib.version import RUNBOOK_VERSION
from tests.support import running_lab
from tests.support.log_reader import spooled, table_rows
from tests.support.operations_chain import verify_chain
from tests.support.running_lab import LabUnderTest
from tests.support.sample_runbook import CANARY, CONTAINER, RUNBOOK

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 60
# Longer than any wait of a test. The test removes the latency after it has seen what it waits for.
HELD_SECONDS = 600
DEPLOYMENT = "0f8fad5b-d9cb-469f-a165-70867728950e"


def run(lab: LabUnderTest, **parameters: Any) -> tuple[int, dict[str, Any], list[str]]:
    """Run the sample runbook here. Return its exit code, its result and its earlier output."""
    stream = io.BytesIO()
    code = main(RUNBOOK, [encode(parameters)], lab.env, stream=stream)
    *lines, last = stream.getvalue().decode().splitlines()
    return code, json.loads(last), lines


def writes(lab: LabUnderTest) -> list[str]:
    entries = lab.journal()
    reading = ("GET", "HEAD")
    return [f"{entry['service']} {entry['method']}" for entry in entries if entry["method"] not in reading]


def events(lab: LabUnderTest) -> list[tuple[str, str, str, str]]:
    return [(row["Step"], row["Action"], row["Target"], row["Outcome"]) for row in table_rows(lab)]


def test_first_run_writes_ahead_changes_and_tells_what_was_seen(lab: LabUnderTest) -> None:
    code, result, lines = run(lab, blobs="a,b;c", correlation_id="deployment-7", started_by="ann@desk")
    assert code == 0
    assert (result["status"], result["changed"], result["unchanged"], result["error"]) == ("succeeded", 3, 0, None)
    assert (result["runbook"], result["correlation_id"]) == ("sample", "deployment-7")
    began = f"sample {RUNBOOK_VERSION}: run, started by ann@desk, run {result['run_id']}, correlation deployment-7"
    assert lines[0] == began

    rows = table_rows(lab)
    assert verify_chain(rows) == []
    assert {row["CorrelationId"] for row in rows} == {"deployment-7"}
    told = events(lab)
    assert told[:4] == [
        ("run", "start", "", "started"),
        ("plan", "write", "a", "planned"),
        ("plan", "write", "b", "planned"),
        ("plan", "write", "c", "planned"),
    ]
    assert sorted(told[4:6]) == [("apply", "write", "a", "done"), ("apply", "write", "b", "done")]
    assert told[6:] == [("apply", "write", "c", "done"), ("run", "finish", "", "succeeded")]
    first, *_, last = rows
    assert first["Message"] == f"sample {RUNBOOK_VERSION} began, started by ann@desk."
    assert last["Message"] == f"sample {RUNBOOK_VERSION} ended as succeeded. 3 changed, 0 were right."
    origin = {"Mode": "run", "StartedBy": "ann@desk"}.items()
    assert all(origin <= json.loads(row["Details"]).items() for row in (first, last))
    assert all(row["Message"] for row in rows)
    observed = {row["Target"]: json.loads(row["Details"])["Observed"] for row in rows if row["Step"] == "apply"}
    assert observed == {name: f"content of {name}" for name in "abc"}

    # The plan was in the table before the first blob was written.
    assert writes(lab)[:2] == ["logs POST", "blob PUT"]


def test_rerun_is_unchanged_and_writes_one_post_of_events(lab: LabUnderTest) -> None:
    run(lab, blobs="a,b;c")
    before = len(writes(lab))
    code, result, _ = run(lab, blobs="a,b;c")
    assert code == 0
    assert (result["status"], result["changed"], result["unchanged"], result["changes"]) == ("unchanged", 0, 3, [])
    assert writes(lab)[before:] == ["logs POST"]
    assert verify_chain(table_rows(lab)) == []


def test_plan_only_shows_the_changes_and_writes_nothing(lab: LabUnderTest) -> None:
    run(lab, blobs="a")
    before = len(writes(lab))
    code, result, lines = run(lab, blobs="a,b;c", plan_only=True)
    assert code == 0
    assert (result["status"], result["changed"], result["unchanged"]) == ("planned", 0, 1)
    assert [(entry["target"], entry["outcome"]) for entry in result["changes"]] == [("b", "planned"), ("c", "planned")]
    assert f"{RUNBOOK_VERSION}: plan, started by a schedule or a person who did not say, run " in lines[0]
    assert "would write b: nothing -> content of b" in lines
    assert "leaves a: holds it already" in lines
    assert writes(lab)[before:] == []


def test_a_trial_says_that_it_is_one(lab: LabUnderTest) -> None:
    _, result, lines = run(lab, blobs="a", plan_only=True, trial=True, started_by="validate_runbooks")
    assert (result["status"], f"{RUNBOOK_VERSION}: trial, started by validate_runbooks, run " in lines[0]) == (
        "planned",
        True,
    )


def test_failures_are_all_reported_and_leave_the_others_done(lab: LabUnderTest) -> None:
    for name in ("b", "d"):
        lab.fault("status", status=403, times=0, match={"service": "blob", "method": "PUT", "path": f"/{name}"})
    code, result, lines = run(lab, blobs="a,b,c,d;e")
    assert code == 1
    assert (result["status"], result["changed"]) == ("failed", 2)
    outcomes = {entry["target"]: entry["outcome"] for entry in result["changes"]}
    assert outcomes == {"a": "done", "b": "failed", "c": "done", "d": "failed", "e": "skipped"}
    assert result["error"]["code"] == "VD-NET-003"
    assert "2 of 5 changes failed, the first: write b" in result["error"]["message"]
    assert sum(line.startswith(("ERROR: write b:", "ERROR: write d:")) for line in lines) == 2
    rows = {row["Target"]: row for row in table_rows(lab) if row["Step"] == "apply"}
    assert {name: row["Outcome"] for name, row in rows.items()} == outcomes
    assert rows["b"]["ErrorCode"] == "VD-NET-003"

    lab.clear_faults()
    code, result, _ = run(lab, blobs="a,b,c,d;e")
    assert (code, result["status"], result["changed"], result["unchanged"]) == (0, "succeeded", 3, 2)


def test_lost_answers_are_overcome(lab: LabUnderTest) -> None:
    lab.fault("reset_after", match={"service": "blob", "method": "PUT", "path": f"/{CONTAINER}/a"})
    lab.fault("reset_before", match={"service": "blob", "method": "PUT", "path": f"/{CONTAINER}/b"})
    code, result, _ = run(lab, blobs="a,b")
    assert (code, result["status"], result["changed"]) == (0, "succeeded", 2)


def test_a_secret_in_an_exception_is_nowhere(lab: LabUnderTest, capfd: pytest.CaptureFixture[str]) -> None:
    lab.fault("status", status=500, times=0, match={"service": "logs"})
    code, result, lines = run(lab, blobs=f"leaky,{CANARY}")
    assert code == 1
    assert result["error"]["code"] == "VD-ENGINE-900"
    assert "LookupError" in result["error"]["message"]
    assert any(line.startswith("VERBOSE: LookupError: with ***") for line in lines)
    assert any(line.startswith("VERBOSE:   File ") and "sample_runbook" in line for line in lines)
    blobs = spooled(lab)
    assert blobs
    for text in (str(result), "\n".join(lines), str(blobs), *capfd.readouterr()):
        assert CANARY not in text


def test_no_identity_is_a_result_with_a_code(lab: LabUnderTest) -> None:
    stream = io.BytesIO()
    sandbox = {name: value for name, value in lab.env.items() if not name.startswith("IDENTITY_")}
    code = main(RUNBOOK, [], sandbox | {"AUTOMATION_ASSET_ACCOUNTID": "x"}, stream=stream)
    assert code == 1
    assert json.loads(stream.getvalue().splitlines()[-1])["error"]["code"] == "VD-IDENTITY-001"


def test_an_unreadable_component_registry_leaves_the_default_policy(lab: LabUnderTest) -> None:
    lab.fault("status", status=403, times=0, match={"service": "table"})
    code, result, lines = run(lab, blobs="a")
    assert (code, result["status"]) == (0, "succeeded")
    assert any(line.startswith("WARNING: the network retry policy cannot be read") for line in lines)


def start(lab: LabUnderTest, arguments: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.sample_runbook", *arguments],
        cwd=ROOT,
        env=running_lab.environment(lab),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def read_until(stream: IO[str], words: str) -> str:
    """Return the lines of a stream up to the first that has the words."""
    read = ""
    while words not in read:
        line = stream.readline()
        assert line, f"it ended without {words!r}: {read}"
        read += line
    return read


def stop(job: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """Tell a job to stop, and return when it has noticed this."""
    job.send_signal(number)
    status = Path(f"/proc/{job.pid}/status")
    asked = 1 << (number - 1)
    wait_for(lambda: int(re.findall(r"ShdPnd:\s*(\w+)", status.read_text())[0], 16) & asked == 0)
    time.sleep(1)  # a received signal is handled between two instructions of the main thread


# Automation sends SIGTERM. A closed terminal sends SIGHUP to a runbook in a shell.
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_stop_ends_what_is_under_way_and_flushes_the_log(lab: LabUnderTest, number: signal.Signals) -> None:
    lab.latency(service="blob", method="PUT", path="/a$|/a[?]", seconds=HELD_SECONDS)
    with start(lab, ["--blobs", "a;b", "--correlation-id", DEPLOYMENT]) as job:
        assert job.stdout is not None and job.stderr is not None
        wait_for(lambda: len(lab.journal(service="logs")) == 1)
        output = read_until(job.stdout, " in flight, 0 failed")  # the changes in flight are reported every few seconds
        # From here on it has STOP_GRACE_SECONDS for its change. A busy machine needs some of them.
        stop(job, number)
        lab.control("DELETE", "/latency")
        output, errors = output + job.stdout.read(), job.stderr.read()
    assert (job.returncode, errors) == (1, "")
    result = json.loads(output.splitlines()[-1])
    assert (result["status"], result["error"]["code"]) == ("failed", "VD-ENGINE-002")
    assert "1 of 2 changes were not begun" in result["error"]["message"]
    assert [entry["outcome"] for entry in result["changes"]] == ["done", "skipped"]
    assert verify_chain(table_rows(lab)) == []
    # A stop does not wait for the publisher. The report is kept, and not even the signing key is read. The secret that
    # proves a waiting blob is read.
    assert events(lab)[-2:] == [("run", "callback", "deployment", "kept"), ("run", "finish", "", "failed")]
    assert {entry["path"].split("?")[0].split("/")[2] for entry in lab.journal(service="key_vault")} == {
        "publisher-acr-token"
    }
    assert lab.journal(service="publisher_api") == []


def test_a_stop_while_looking_changes_nothing(lab: LabUnderTest) -> None:
    lab.latency(service="blob", method="GET", path=f"/{CONTAINER}/a", seconds=HELD_SECONDS)
    with start(lab, ["--blobs", "a"]) as job:
        # First the instance's identity and the retry policy, then the look.
        wait_for(lambda: len(lab.journal(service="table")) == 2)
        job.send_signal(signal.SIGTERM)
        time.sleep(1)  # the signal must arrive before the look ends
        lab.control("DELETE", "/latency")
        output, errors = job.communicate(timeout=PATIENCE_SECONDS)
    assert (job.returncode, errors) == (1, "")
    assert json.loads(output.splitlines()[-1])["error"]["code"] == "VD-ENGINE-002"
    assert not any(entry.startswith("blob") for entry in writes(lab))


def test_a_killed_job_leaves_a_trace_and_the_next_goes_on(lab: LabUnderTest) -> None:
    lab.latency(service="blob", method="PUT", path="/b$|/b[?]", seconds=HELD_SECONDS)
    with start(lab, ["--blobs", "a;b"]) as job:
        wait_for(lambda: len(lab.journal(service="logs")) == 2)
        job.kill()
        output, _ = job.communicate(timeout=PATIENCE_SECONDS)
    assert not output.rstrip().endswith("}")
    rows = table_rows(lab)
    assert [problem.kind for problem in verify_chain(rows)] == ["open"]
    assert [row["Target"] for row in rows if row["Outcome"] == "planned"] == ["a", "b"]
    assert [row["Target"] for row in rows if row["Outcome"] == "done"] == ["a"]

    lab.control("DELETE", "/latency")
    code, result, _ = run(lab, blobs="a;b")
    # The killed job's last request may still have been carried out.
    assert (code, result["status"]) in ((0, "succeeded"), (0, "unchanged"))
    assert result["changed"] + result["unchanged"] == 2
