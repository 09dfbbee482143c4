"""The lock of a deployment as its users see it: the command in separate processes, with real jobs."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runbook_lib.deployment_lock.content import LockContent, read_content
from tests.end_to_end.deployed import ROOT, Deployed, Release
from tests.support import running_lab
from tests.support.lock_rig import SHORT_SECONDS, break_lease, content, holder, lease_state, places
from tests.support.processes import heed_signals

WAIT_SECONDS = 120.0
HELD_SECONDS = 600.0


@contextmanager
def deploying(deployed: Deployed, release: Release, *options: str) -> "Iterator[subprocess.Popen[str]]":
    """Run the command as a process. It is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "vibedata.cli", "deploy", str(release.folder), "--output", "json", *options],
        cwd=ROOT,
        env=running_lab.environment(deployed.lab),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,  # noqa: PLW1509 - no threads that hold locks
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(deployed: Deployed) -> LockContent | None:
    """Return the content of the instance's lock."""
    return read_content(content(places(deployed.lab.env)[1]))


def wait_until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def jobs(deployed: Deployed, since: int) -> list[str]:
    """Return the runbooks of the jobs that were started since a request, in their order."""
    entries = deployed.lab.journal(since=since, service="arm")
    ids = [e["path"].partition("/jobs/")[2][:36] for e in entries if e["method"] == "PUT" and "/jobs/" in e["path"]]
    return [str(deployed.record(job_id)["runbook"]) for job_id in ids]


def test_a_second_command_is_refused_or_waits_if_it_is_told_to(deployed: Deployed) -> None:
    release = deployed.release()
    with holder(deployed.lab, lease_seconds=SHORT_SECONDS) as other:
        assert other.take() == "held"
        refused = deployed.vibedata("deploy", str(release.folder))
        assert refused.returncode == 3, refused.stderr
        assert (
            "VD-LOCK-001: another deployment holds the lock (the lock of the subscription): held by" in refused.stderr
        )
        with deploying(deployed, release, "--wait") as waiting:
            assert waiting.stderr is not None
            assert waiting.stderr.readline().startswith("subscription ")  # the line that names the instance
            assert waiting.stderr.readline() == "lock: begins\n"
            line = waiting.stderr.readline()
            assert line.startswith(
                "lock: waiting for the lock of the subscription, 0 s of 60 min 00 s: held by process"
            )
            other.process.kill()
            out, err = waiting.communicate(timeout=2 * WAIT_SECONDS)
    assert waiting.returncode == 0, err
    first, *_ = json.loads(out)["steps"]
    assert (first["name"], first["status"]) == ("lock", "succeeded")
    assert first["seconds"] > 1


def test_a_command_that_loses_the_lock_in_a_step_begins_no_further_step(deployed: Deployed) -> None:
    release = deployed.release()
    since = deployed.last_request()
    # The job waits for this answer until the next deployment waits for the job.
    deployed.lab.fault("delay", seconds=HELD_SECONDS, match={"service": "arm", "path": "importImage"})
    with deploying(deployed, release) as process:
        wait_until(lambda: (now := told(deployed)) is not None and now.step == "import_manifest" and not now.ended)
        break_lease(places(deployed.lab.env)[0])
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1, err
    error = json.loads(out)["error"]
    assert (error["code"], error["retryable"]) == ("VD-LOCK-002", True)
    assert "the lock of the subscription" in error["message"]
    # The preflight's job is the first, and import_manifest's is the last. A job of a first token may be between them.
    started = jobs(deployed, since)
    assert (started[0], started[-1], started.count("import_manifest")) == ("preflight", "import_manifest", 1)
    assert all(lease_state(place) != "leased" for place in places(deployed.lab.env))


def test_ctrl_c_gives_the_lock_back_and_the_next_one_waits_for_the_job_that_goes_on(deployed: Deployed) -> None:
    release = deployed.release()
    deployed.lab.fault("delay", seconds=8, match={"service": "arm", "path": "importImage"})
    with deploying(deployed, release) as process:
        wait_until(lambda: "import_manifest" in [job["runbook"] for job in running(deployed)])
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert [lease_state(place) for place in places(deployed.lab.env)] == ["available", "available"]
    (job,) = running(deployed)
    with deploying(deployed, release) as again:
        assert again.stderr is not None
        assert again.stderr.readline().startswith("subscription ")
        assert again.stderr.readline() == "lock: begins\n"
        line = again.stderr.readline()
        assert line.startswith(f"lock: waiting for the end of import_manifest (Running, job {job['id']})")
        deployed.lab.control("DELETE", "/faults")
        wait_until(lambda: (now := told(deployed)) is not None and now.step == "preflight")
        assert deployed.record(job["id"])["status"] == "Completed"
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=WAIT_SECONDS)
    assert again.returncode == 130


def test_a_deployment_that_can_no_longer_see_its_job_leaves_it_to_the_next_one(deployed: Deployed) -> None:
    release = deployed.release()
    # The job waits for this answer until it is stopped.
    deployed.lab.fault("delay", seconds=HELD_SECONDS, match={"service": "arm", "path": "importImage"})
    with deploying(deployed, release) as process:
        wait_until(lambda: "import_manifest" in [job["runbook"] for job in running(deployed)])
        look = {"service": "arm", "method": "GET", "path": "/jobs/[^/]+$"}
        deployed.lab.fault("status", status=400, match=look)
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1, err
    assert "The job goes on without you" in json.loads(out)["error"]["remedy"]
    left = told(deployed)
    assert left is not None
    assert (left.ended, left.jobs.correlation_id) == (False, json.loads(out)["correlation_id"])
    assert [lease_state(place) for place in places(deployed.lab.env)] == ["available", "available"]
    (job,) = running(deployed)
    with deploying(deployed, release, "--take-over", "--yes") as again:
        assert again.stderr is not None
        assert again.stderr.readline().startswith("subscription ")
        assert again.stderr.readline() == "lock: begins\n"
        line = again.stderr.readline()
        assert line.startswith(f"lock: stopping import_manifest (Running, job {job['id']})")
        wait_until(lambda: (now := told(deployed)) is not None and now.step == "preflight")
        assert deployed.record(job["id"])["status"] == "Stopped"
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=WAIT_SECONDS)


def test_a_first_credential_begins_no_further_job_after_the_lock_is_lost(own_deployed: Deployed) -> None:
    release = own_deployed.release()
    env = own_deployed.lab.env
    own_deployed.purge_secret("publisher-acr-token")
    since = own_deployed.last_request()
    with deploying(own_deployed, release, "--only", "first_registry_token") as process:
        wait_until(lambda: "rotate_acr_token" in [job["runbook"] for job in running(own_deployed)])
        break_lease(places(env)[0])
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1, err
    assert json.loads(out)["error"]["code"] == "VD-LOCK-002"
    # A rotation has three jobs.
    assert jobs(own_deployed, since) == ["rotate_acr_token"]


def running(deployed: Deployed) -> list[dict[str, str]]:
    return [job for job in deployed.lab.control("GET", "/jobs")["jobs"] if job["status"] == "Running"]
