"""A deployment as its users see it: the command, the jobs, their results, and their requests to Azure."""

import json
import re
import uuid
from typing import Any

from tests.end_to_end.deployed import Deployed, EndedJob, Release, is_write, wanted
from vibedata.deployment.chain import STEPS

# The members in docs/design.md#running-a-runbook, in the same order.
RESULT = [
    *("runbook", "version", "status", "correlation_id", "run_id", "changed", "unchanged", "changes", "error"),
    "duration_ms",
]
ERROR = {"code": str, "message": str, "cause": str, "remedy": str, "retryable": bool}
STREAM_LIMIT_BYTES = 1024 * 1024
MANIFEST_CHANGES = 6  # two tags, the signature, three blobs
IMPORTS = ("import_manifest", "import_images")
NAMES = [*STEPS, "report"]


def assert_shape(job: EndedJob) -> dict[str, Any]:
    """Check that the last line of a job's output is a result as the design describes it, and that it is the only
    JSON.
    """
    result = job.result
    assert list(result) == RESULT
    kinds = {name: type(result[name]) for name in RESULT if name != "error"}
    assert kinds == dict.fromkeys(("runbook", "version", "status", "correlation_id", "run_id"), str) | dict.fromkeys(
        ("changed", "unchanged", "duration_ms"), int
    ) | {"changes": list}
    assert str(uuid.UUID(result["run_id"])) == result["run_id"]
    assert result["status"] in ("succeeded", "unchanged", "planned", "failed")
    if result["error"] is not None:
        assert {name: type(value) for name, value in result["error"].items()} == ERROR
    for change in result["changes"]:
        assert list(change) == ["action", "target", "before", "after", "outcome", "error"]
        if change["error"] is not None:
            assert set(change["error"]) == {"code", "message"}
    assert sum(len(text.encode()) for _, text in job.streams) < STREAM_LIMIT_BYTES
    assert [line for line in job.output.splitlines() if line.startswith("{")] == job.output.splitlines()[-1:]
    return result


def log_posts(job: EndedJob) -> list[str]:
    return [write for write in job.writes if write.startswith("logs POST /dataCollectionRules/")]


def test_the_command_deploys_a_release_and_does_nothing_twice(deployed: Deployed) -> None:
    release = deployed.release()
    before = deployed.installed(release)
    since = deployed.last_request()
    planned = deployed.vibedata_json("deploy", str(release.folder), "--plan", "--detailed-exitcode", code=2)
    assert (planned["status"], planned["release"]["digest"]) == ("planned", release.digest)
    assert [step["step"] for step in planned["steps"]] == NAMES
    assert [entry for entry in deployed.lab.journal(since=since) if is_write(entry)] == []
    assert deployed.installed(release) == before

    former = set(job_ids(deployed))
    first = deployed.vibedata_json("deploy", str(release.folder))
    assert_portal_shows_no_failure(deployed, [job for job in job_ids(deployed) if job not in former])
    assert list(first) == ["instance", "release", "status", "correlation_id", "steps", "seconds", "error"]
    assert (first["status"], first["error"]) == ("succeeded", None)
    assert [step["name"] for step in first["steps"]] == ["lock", *NAMES]
    changed = {step["name"]: (step["status"], step["changed"]) for step in first["steps"]}
    assert changed["import_manifest"] == ("succeeded", MANIFEST_CHANGES)
    assert changed["import_images"] == ("succeeded", len(release.pins))
    assert deployed.installed(release) == wanted(release)
    assert_done_as_planned(planned, changed, release)

    since = deployed.last_request()
    planned = deployed.vibedata_json("deploy", release.version, "--plan", "--detailed-exitcode")
    assert planned["counts"] == {**dict.fromkeys(planned["counts"], 0), "unchanged": planned["counts"]["unchanged"]}
    assert planned["counts"]["unchanged"] > len(release.pins)
    shown = deployed.vibedata("deploy", release.version, "--plan").stdout.splitlines()
    assert shown[0] == f"plan for release {release.version}: nothing was changed"
    assert "import_images: nothing to do" in shown
    assert shown[-1].startswith("0 to add, 0 to change, 0 to remove; ")
    # A person who may not read the customer's vault learns that something is not known. Nothing is guessed.
    deployed.lab.fault("status", status=403, times=0, match={"service": "key_vault"})
    blind = deployed.vibedata_json("deploy", release.version, "--plan", "--detailed-exitcode", code=2)
    deployed.lab.clear_faults()
    assert {name: count for name, count in blind["counts"].items() if name != "unchanged" and count} == {"not_known": 3}
    token, recording, changing = [words for step in blind["steps"] for words in step["not_known"]]
    assert token.startswith("whether the customer has a token")
    assert recording.startswith("what it will record cannot be seen from here: VD-")
    assert changing.startswith("what it will change cannot be seen from here: VD-")
    assert [entry for entry in deployed.lab.journal(since=since) if is_write(entry)] == []

    since = deployed.last_request()
    again = deployed.vibedata_json("deploy", release.version)  # from the publisher's container registry
    assert again["status"] == "succeeded"
    changed = {step["name"]: (step["status"], step["changed"]) for step in again["steps"]}
    idle = [name for name in NAMES if name not in ("check_health", "report")]
    assert {name: changed[name] for name in idle} == dict.fromkeys(idle, ("unchanged", 0))
    # The command starts only two jobs, and does the lock and the report. A step with nothing to do starts no job.
    assert jobs_since(deployed, since) == ["preflight", "check_health"]
    writes = [entry for entry in deployed.lab.journal(since=since) if is_write(entry)]
    others = ("/vibedatapublisher/", "/vibedatastorage/locks/")
    own = [e for e in writes if e["job_id"] is None and not e["path"].startswith(others)]
    assert [(entry["method"], "/jobs/" in entry["path"]) for entry in own] == [("PUT", True)] * 2

    # A job sees what the operator cannot see.
    since = deployed.last_request()
    repository = next(name for name in release.pins if "runbooks" not in name).partition(":")[0]
    unreadable = {"service": "customer_registry", "path": f"/v2/{repository}/manifests/"}
    deployed.lab.fault("status", status=403, match=unreadable)
    unseen = deployed.vibedata_json("deploy", release.version, "--only", "import_images")
    assert [step["status"] for step in unseen["steps"] if step["name"] == "import_images"] == ["unchanged"]
    assert jobs_since(deployed, since) == ["import_images"]


def job_ids(deployed: Deployed) -> list[str]:
    return [job["id"] for job in deployed.lab.control("GET", "/jobs")["jobs"]]


def assert_portal_shows_no_failure(deployed: Deployed, jobs: list[str]) -> None:
    """Check that no job of a deployment, trials included, has failed or has written to the stream of errors."""
    assert len(jobs) > len(IMPORTS)
    for job in map(deployed.wait, jobs):
        assert job.status == "Completed", job.text
        assert [text for kind, text in job.streams if kind == "Error"] == []


def jobs_since(deployed: Deployed, since: int) -> list[str]:
    """Return the runbooks of the jobs that were started since a request, in their order."""
    names = {job["id"]: job["runbook"] for job in deployed.lab.control("GET", "/jobs")["jobs"]}
    starts = [entry["path"] for entry in deployed.lab.journal(since=since) if entry["method"] == "PUT"]
    return [names[found[1]] for path in starts if (found := re.search(r"/jobs/([0-9a-f-]{36})\?", path))]


def assert_done_as_planned(planned: dict[str, Any], changed: dict[str, tuple[str, int]], release: Release) -> None:
    """Check, step by step, that the deployment did exactly what was planned."""
    plans = {step["step"]: step for step in planned["steps"]}
    for name in ("preflight", "first_runbooks", *IMPORTS, "publish_runbooks", "first_hmac_key", "dns_record"):
        assert (name, len(plans[name]["differences"])) == (name, changed.get(name, ("", 0))[1])
    # Before the earlier steps have run, only the components of its records are known.
    recorded = plans["bootstrap_registry"]
    components = {(each["sign"], each["target"], each["after"]) for each in recorded["differences"]}
    assert components >= {("+", f"Components runbook {name}", release.version) for name in IMPORTS} or components >= {
        ("~", f"Components runbook {name}", release.version) for name in IMPORTS
    }
    later = [*recorded["not_known"], *plans["configure_gateway"]["not_known"]]
    assert planned["counts"]["not_known"] == len(later) == 1 + bool(plans["first_certificate"]["differences"])


def test_the_jobs_results_and_what_they_write(deployed: Deployed) -> None:
    release = deployed.release()
    correlation = "deployment-4711"

    planned = deployed.succeed("import_manifest", plan_only=True, correlation_id=correlation)
    result = assert_shape(planned)
    assert (result["status"], result["changed"], result["correlation_id"]) == ("planned", 0, correlation)
    assert {change["outcome"] for change in result["changes"]} == {"planned"}
    assert planned.writes == []
    assert f"would import vibedata/release-manifest:{release.version}: nothing -> {release.digest}" in planned.output

    first = deployed.succeed("import_manifest", release_tag="latest", correlation_id=correlation)
    result = assert_shape(first)
    assert (result["status"], result["changed"], result["unchanged"]) == ("succeeded", MANIFEST_CHANGES, 0)
    assert {(change["outcome"], change["error"]) for change in result["changes"]} == {("done", None)}

    planned = deployed.succeed("import_images", plan_only=True)
    result = assert_shape(planned)
    assert (result["status"], len(result["changes"])) == ("planned", len(release.pins))
    assert {change["target"]: change["after"] for change in result["changes"]} == release.pins
    assert planned.writes == []

    second = deployed.succeed("import_images")
    result = assert_shape(second)
    assert (result["status"], result["changed"]) == ("succeeded", len(release.pins))
    assert result["correlation_id"] != result["run_id"]
    assert deployed.installed(release) == wanted(release)
    # All writes are imports, writes to immutable storage, or writes to the log.
    imports = [write for write in (*first.writes, *second.writes) if "/importImage?" in write]
    stored = [write for write in first.writes if write.startswith("blob PUT /vibedatastorage/release-manifests/")]
    assert (len(imports), len(stored)) == (3 + len(release.pins), 3)
    others = {*first.writes, *second.writes} - {*imports, *stored, *log_posts(first), *log_posts(second)}
    assert others == set()

    for runbook, count in (("import_manifest", MANIFEST_CHANGES), ("import_images", len(release.pins))):
        again = deployed.succeed(runbook)
        result = assert_shape(again)
        assert (result["status"], result["changed"], result["unchanged"]) == ("unchanged", 0, count)
        assert result["changes"] == []
        assert again.writes == log_posts(again)
        assert len(log_posts(again)) == 1


def test_a_failed_job_says_so_in_its_result_and_its_status(deployed: Deployed) -> None:
    deployed.release()
    deployed.lab.fault("status", status=403, times=0, match={"service": "arm", "path": "importImage"})
    failed = deployed.run("import_manifest")
    result = assert_shape(failed)
    assert (failed.status, result["status"], result["error"]["code"]) == ("Failed", "failed", "VD-REGISTRY-003")
    assert deployed.record(failed.id)["exit_code"] == 1
    assert {change["outcome"] for change in result["changes"]} == {"done", "failed", "skipped"}
    errors = [text for kind, text in failed.streams if kind == "Error"]
    assert any("VD-REGISTRY-003" in text for text in errors)

    wrong = deployed.run("import_manifest", relase_tag="latest")
    result = assert_shape(wrong)
    assert (wrong.status, result["error"]["code"]) == ("Failed", "VD-PARAM-001")
    assert deployed.record(wrong.id)["exit_code"] == 2
    assert "release_tag" in result["error"]["message"]
    assert wrong.requests == []


def test_the_command_shows_a_failed_step_with_its_remedy(deployed: Deployed) -> None:
    release = deployed.release()
    deployed.lab.fault("status", status=403, times=0, match={"service": "arm", "path": "importImage"})
    failed = deployed.vibedata("deploy", str(release.folder))
    assert failed.returncode == 1
    assert "import_manifest failed: VD-REGISTRY-003" in failed.stdout
    assert "what to do: Check the role assignment" in failed.stdout
    assert "import_images" not in failed.stdout.partition("deployment failed")[2]
    invoked = deployed.vibedata("invoke", "import_manifest", "--output", "json")
    assert (invoked.returncode, json.loads(invoked.stdout)["error"]["code"]) == (1, "VD-REGISTRY-003")
