"""publish_runbooks over the wire: what it leaves in the account, what it refuses, what it survives."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.automation import models as m

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError
from runbook_lib.release.artifacts import ArtifactBlob
from runbook_lib.release.files import ArtifactBlobs, blob_name
from runbooks import publish_runbooks
from tests.support import installed
from tests.support.automation import wheel
from tests.support.installed import PACKAGES_TYPE, SBOM_TYPE, Customer, sha256_of, wheels
from tests.support.runbook_run import QuickClock, Run, run
from tests.support.running_lab import LabUnderTest

PUBLISH = publish_runbooks.RUNBOOK
SCRIPTS = {"alpha": "print('alpha 1')\n", "beta": "print('béta 1')\n"}
PUT_PACKAGE = {"service": "arm", "method": "PUT", "path": "/packages/"}


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Customer]:
    with installed.customer(lab) as opened:
        yield opened


def arm_writes(done: Run) -> list[str]:
    """Return the last two parts of each path that ARM was asked to write, in order."""
    entries = [entry for entry in done.requests if entry["service"] == "arm" and entry["method"] in ("PUT", "POST")]
    return ["/".join(urlsplit(entry["path"]).path.split("/")[-2:]) for entry in entries]


def sha256(text: str) -> str:
    return sha256_of(text.encode())


# --- What it does -----------------------------------------------------------------------------------------------------


def test_everything_is_kept_imported_and_published_once(lab: LabUnderTest, customer: Customer) -> None:
    packages = wheels("one", "two", "three")
    release = customer.install(SCRIPTS, packages)
    first = run(lab, PUBLISH)
    # Files, listing, environment, packages, runbooks.
    assert (first.exit_code, first.status, first.result["changed"]) == (0, "succeeded", 6 + 1 + 3 + 2), first.text
    for name, text in SCRIPTS.items():
        assert customer.published(name) == ("Published", release.environment, text)
    assert customer.packages(release.environment) == dict.fromkeys(("one", "two", "three"), ("Succeeded", "1.0"))
    files = [*packages, *((f"{name}.py", text.encode()) for name, text in SCRIPTS.items())]
    kept = customer.artifacts()
    assert {f"{sha256_of(content)}/{name}": content for name, content in files}.items() <= kept.items()
    assert len(kept) == len(files) + 1

    again = run(lab, PUBLISH)
    assert (again.exit_code, again.status, again.result["unchanged"]) == (0, "unchanged", 12), again.text
    assert again.writes() == []
    assert len(again.requests) < 40


def test_documents_are_kept_with_the_release(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"), documents={"sbom": b'{"bomFormat":"CycloneDX"}'})
    done = run(lab, PUBLISH)
    assert done.status == "succeeded", done.text
    content = b'{"bomFormat":"CycloneDX"}'
    assert customer.artifacts()[f"{sha256_of(content)}/sbom.json"] == content
    assert run(lab, PUBLISH).status == "unchanged"


def test_packages_are_there_before_a_runbook_needs_them(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one", "two"))
    writes = arm_writes(run(lab, PUBLISH))
    kinds = [path.partition("/")[0] for path in writes]
    assert kinds[:3] == ["runtimeEnvironments", "packages", "packages"]
    assert "packages" not in kinds[3:]
    for name in SCRIPTS:
        own = [path for path in writes if name in path]
        assert own[0] == f"runbooks/{name}"
        assert own[-1] == f"{name}/publish"


def test_wheels_are_offered_by_a_link_that_reads_one_blob_and_ends_soon(lab: LabUnderTest, customer: Customer) -> None:
    (named, content) = wheels("one")[0]
    customer.install(SCRIPTS, [(named, content)])
    done = run(lab, PUBLISH)
    fetched = [entry for entry in done.requests if entry["client"].startswith("AzureAutomation")]
    assert len(fetched) == 1
    parts = urlsplit(fetched[0]["path"])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert parts.path.endswith(f"/artifacts/{sha256_of(content)}/{named}")
    assert (query["sp"], query["sr"], query["spr"]) == ("r", "b", "https")
    assert query["skoid"]  # signed by a user delegation key, not by the account's
    end = datetime.fromisoformat(query["se"].replace("Z", "+00:00"))
    assert end - datetime.now(timezone.utc) < timedelta(minutes=31)
    assert "sig=" not in done.text


def test_a_plan_writes_nothing(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    planned = run(lab, PUBLISH, plan_only=True)
    assert (planned.exit_code, planned.status, len(planned.result["changes"])) == (0, "planned", 8)
    assert planned.writes() == []
    assert customer.artifacts() == {}


def test_a_named_release_is_published_without_being_the_latest(lab: LabUnderTest, customer: Customer) -> None:
    old = customer.install({"alpha": "print('old')\n"}, wheels("one"), version="2026.10.0")
    customer.install({"alpha": "print('new')\n"}, wheels("one"))
    run(lab, PUBLISH, release_version="2026.10.0")
    assert customer.published("alpha") == ("Published", old.environment, "print('old')\n")
    absent = run(lab, PUBLISH, release_version="2026.9.0")
    assert absent.error_code == "VD-MANIFEST-010"
    assert "(2026.9.0): artifact storage holds 2026.11.0, 2026.10.0" in absent.result["error"]["message"]


def test_only_what_differs_is_touched(lab: LabUnderTest, customer: Customer) -> None:
    packages = wheels("one", "two")
    release = customer.install(SCRIPTS, packages)
    run(lab, PUBLISH)
    client, at = customer.automation.client, customer.automation.at
    client.package.delete(*at, release.environment, "two")
    client.runbook.delete(*at, "beta")
    mended = run(lab, PUBLISH)
    assert mended.outcomes() == {"package two": "done", "runbook beta": "done"}
    assert {path for path in arm_writes(mended) if "alpha" in path or "one" in path} == set()


# --- A new release ----------------------------------------------------------------------------------------------------


def test_a_new_release_replaces_without_a_gap_and_disturbs_no_job(lab: LabUnderTest, customer: Customer) -> None:
    old_text = "import one, time\ntime.sleep(6)\nprint(one.VERSION)\n"
    old = customer.install({"alpha": old_text}, wheels("one"))
    run(lab, PUBLISH)
    job = customer.automation.start(name="alpha")
    new_text = "import one\nprint('new', one.VERSION)\n"
    new = customer.install({"alpha": new_text}, wheels("one", version="2.0"), version="2026.12.0")
    seen: list[tuple[str, str | None]] = []
    done = threading.Event()

    def watch() -> None:
        client, at = customer.automation.client, customer.automation.at
        while not done.wait(0.05):
            text = client.runbook.get_content(*at, "alpha")
            properties = client.runbook.get(*at, "alpha").properties
            assert properties is not None
            seen.append((text, properties.runtime_environment))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        upgrade = run(lab, PUBLISH)
    finally:
        done.set()
        watcher.join()
    assert upgrade.status == "succeeded", upgrade.text
    # It was there all the time, and whole: the old text, then the new one, which never met the old packages.
    texts = [text for text, _ in seen]
    assert set(texts) <= {old_text, new_text}
    assert texts == sorted(texts, key=[old_text, new_text].index)
    assert seen[0] == (old_text, old.environment)
    assert {environment for text, environment in seen if text == new_text} <= {new.environment}
    assert customer.published("alpha") == ("Published", new.environment, new_text)
    # The old environment stays, with what runs in it.
    assert new.environment != old.environment
    assert customer.packages(old.environment) == {"one": ("Succeeded", "1.0")}
    ended = customer.automation.ended(job)
    assert ended.status == "Completed"
    assert customer.automation.output(job).strip() == "1.0"


# --- What others left in the account ----------------------------------------------------------------------------------


def put(customer: Customer, name: str, kind: str, *, environment: str | None = None, draft: str = "") -> None:
    client, at = customer.automation.client, customer.automation.at
    properties = m.RunbookCreateOrUpdateProperties(
        runbook_type=kind, runtime_environment=environment, draft=m.RunbookDraft()
    )
    body = m.RunbookCreateOrUpdateParameters(name=name, location="westeurope", properties=properties)
    client.runbook.create_or_update(*at, name, body)
    if draft:
        client.runbook_draft.begin_replace_content(*at, name, draft).result()


def test_runbooks_of_others_are_never_touched(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    put(customer, "alpha", "PowerShell", draft="Get-Date")
    put(customer, "beta", "Python3", draft="print('mine')")
    refused = run(lab, PUBLISH)
    assert refused.error_code == "VD-AUTOMATION-006", refused.text
    message = refused.result["error"]["message"]
    assert "alpha (of type PowerShell)" in message
    assert "beta (in no runtime environment)" in message
    assert refused.writes() == []


def test_a_draft_that_somebody_left_is_not_lost(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    run(lab, PUBLISH)
    draft = "print('half an idea')"
    client, at = customer.automation.client, customer.automation.at
    client.runbook_draft.begin_replace_content(*at, "alpha", draft).result()

    unchanged = run(lab, PUBLISH)
    assert (unchanged.status, unchanged.writes()) == ("unchanged", [])
    assert "WARNING: runbook alpha has a draft that nobody published; it is left alone" in unchanged.text

    customer.install({**SCRIPTS, "alpha": "print('alpha 2')\n"}, wheels("one"), version="2026.12.0")
    upgrade = run(lab, PUBLISH)
    kept = f"{sha256(draft)}/alpha.py"
    assert upgrade.status == "succeeded", upgrade.text
    assert f"WARNING: runbook alpha had a draft; it is kept as artifacts/{kept}, and replaced" in upgrade.text
    assert customer.artifacts()[kept] == draft.encode()
    assert customer.published("alpha")[2] == "print('alpha 2')\n"


def test_a_former_releases_runbook_is_left_and_named(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    run(lab, PUBLISH)
    customer.install({"alpha": SCRIPTS["alpha"]}, wheels("one"), version="2026.12.0")
    done = run(lab, PUBLISH)
    assert "WARNING: runbook beta is the suite's, but not of this release; it is left alone" in done.text
    assert customer.published("beta")[2] == SCRIPTS["beta"]


# --- Packages ---------------------------------------------------------------------------------------------------------


def test_imports_stay_within_the_accounts_limit(lab: LabUnderTest, customer: Customer) -> None:
    lab.latency(operation="packageImportWindow", seconds=1.0)
    release = customer.install(SCRIPTS, wheels(*(f"package{number}" for number in range(12))))
    done = run(lab, PUBLISH, clock=SYSTEM_CLOCK)
    assert done.status == "succeeded", done.text
    asked = [entry["status"] for entry in done.sent("arm", "PUT", "/packages/")]
    assert asked.count(201) == 12
    # Who is told to wait holds up the others: one refusal for each five imports, and no storm of them.
    assert asked.count(429) <= 4
    assert {state for state, _ in customer.packages(release.environment).values()} == {"Succeeded"}


def test_an_import_that_is_never_taken_ends(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one", "two"))
    lab.fault("throttle", times=0, seconds=30, match=PUT_PACKAGE)
    done = run(lab, PUBLISH, clock=QuickClock(1000))
    assert done.error_code == "VD-AUTOMATION-009", done.text
    assert set(done.codes().values()) == {"VD-AUTOMATION-009"}
    assert done.outcomes()["runbook alpha"] == "skipped"


def test_a_wheel_that_automation_does_not_take_is_named(lab: LabUnderTest, customer: Customer) -> None:
    foreign = wheel("foreign", {"foreign.py": ""}, tag="cp312-cp312-win_amd64")
    release = customer.install(SCRIPTS, [*wheels("one"), foreign])
    done = run(lab, PUBLISH)
    assert done.codes() == {"package foreign": "VD-AUTOMATION-002"}, done.text
    assert customer.packages(release.environment)["one"] == ("Succeeded", "1.0")
    # No runbook is published without its packages.
    with pytest.raises(ResourceNotFoundError):
        customer.published("alpha")


def test_an_import_that_never_ends_has_a_deadline(lab: LabUnderTest, customer: Customer) -> None:
    lab.latency(operation="packageImport", seconds=3600)
    customer.install(SCRIPTS, wheels("one"))
    done = run(lab, PUBLISH, clock=QuickClock(300))
    assert done.codes() == {"package one": "VD-AUTOMATION-003"}, done.text
    assert "RunningImportModuleRunbook" in done.text


# --- Bad artifacts ----------------------------------------------------------------------------------------------------


def repinned(customer: Customer, **runbook: str) -> None:
    """Install a release whose one runbook's pin differs from what the container registry has."""
    release = customer.install({"alpha": SCRIPTS["alpha"]}, wheels("one"), version="2026.12.0")
    document: dict[str, Any] = {**release.document, "version": "2026.12.1"}
    document["runbooks"] = [{**document["runbooks"][0], **runbook}]
    customer.put_manifest(document)


def test_a_script_that_is_not_the_artifacts_is_refused(lab: LabUnderTest, customer: Customer) -> None:
    other = "print('other')\n"
    customer.container_registry.push_blob("vibedata/runbooks/alpha", other.encode())
    repinned(customer, script_sha256=sha256(other))
    done = run(lab, PUBLISH)
    assert list(done.codes().values()) == ["VD-MANIFEST-011"], done.text
    assert done.outcomes()["runbook alpha"] == "skipped"


def test_an_artifact_that_is_not_there_is_named(lab: LabUnderTest, customer: Customer) -> None:
    repinned(customer, digest="sha256:" + "0" * 64, script_sha256="0" * 64)
    done = run(lab, PUBLISH)
    assert list(done.codes().values()) == ["VD-MANIFEST-012"], done.text


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        (SBOM_TYPE, [("a.json", b"{}"), ("b.json", b"[]")]),
        (SBOM_TYPE, [("a.json", b"")]),
        (PACKAGES_TYPE, [("a.json", b"{}")]),
    ],
)
def test_a_document_that_is_none_is_refused(
    lab: LabUnderTest, customer: Customer, kind: str, files: list[tuple[str, bytes]]
) -> None:
    release = customer.install(SCRIPTS, wheels("one"), documents={"sbom": b"{}"})
    pin = {**release.document["documents"][0], "digest": customer.push("vibedata/sbom", "other", kind, files)}
    customer.put_manifest({**release.document, "version": "2026.11.1", "documents": [pin]})
    done = run(lab, PUBLISH)
    assert (done.error_code, done.writes()) == ("VD-MANIFEST-011", []), done.text


@pytest.mark.parametrize("kind", [PACKAGES_TYPE, "application/vnd.example.other"])
def test_a_package_set_that_is_none_is_refused(lab: LabUnderTest, customer: Customer, kind: str) -> None:
    release = customer.install(SCRIPTS, wheels("one"))
    digest = customer.push("vibedata/python-packages", "other", kind, [("readme.txt", b"no wheel")])
    pin = {**release.document["python_packages"], "digest": digest}
    customer.put_manifest({**release.document, "version": "2026.11.1", "python_packages": pin})
    done = run(lab, PUBLISH)
    assert (done.error_code, done.writes()) == ("VD-MANIFEST-011", []), done.text


def test_a_kept_file_that_is_another_is_refused(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    name = f"{sha256(SCRIPTS['alpha'])}/alpha.py"
    customer.blobs.get_blob_client("artifacts", name).upload_blob(b"print('evil')\n")
    done = run(lab, PUBLISH)
    assert (done.error_code, done.writes()) == ("VD-STORAGE-003", []), done.text
    assert customer.artifacts()[name] == b"print('evil')\n"


@pytest.mark.parametrize("imported", [True, False])
def test_a_kept_wheel_of_the_same_length_is_refused_and_no_link_to_it_given(
    lab: LabUnderTest, customer: Customer, imported: bool
) -> None:
    (named, content) = wheels("one")[0]
    customer.install(SCRIPTS, [(named, content)])
    name = f"{sha256_of(content)}/{named}"
    if imported:
        run(lab, PUBLISH)
    customer.blobs.get_blob_client("artifacts", name).upload_blob(bytes(len(content)), overwrite=True)
    done = run(lab, PUBLISH)
    assert (done.error_code, arm_writes(done)) == ("VD-STORAGE-003", []), done.text
    assert name in done.text
    assert [entry for entry in done.requests if entry["client"].startswith("AzureAutomation")] == []


def test_a_link_is_given_only_to_bytes_that_are_compared(customer: Customer) -> None:
    """Whatever was seen before: the wheel is replaced while its import waits for its turn."""
    content = b"the wheel's bytes"
    blob = ArtifactBlob(filename="one.whl", sha256=sha256_of(content), size=len(content))
    blobs = ArtifactBlobs(blob_service=customer.blobs, clock=SYSTEM_CLOCK, learn_secret=lambda _: None)
    with pytest.raises(RunbookError, match=r"VD-STORAGE-003.*it is gone"):
        blobs.link(blob)
    blobs.put_once(blob, content)
    assert "sig=" in blobs.link(blob)
    customer.blobs.get_blob_client("artifacts", blob_name(blob)).upload_blob(bytes(len(content)), overwrite=True)
    with pytest.raises(RunbookError, match="VD-STORAGE-003"):
        blobs.link(blob)


# --- Failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "method", "path"),
    [
        ("arm", "PUT", "/runtimeEnvironments/[^/]*[?]"),
        ("arm", "PUT", "/packages/"),
        ("arm", "PUT", "/runbooks/alpha[?]"),
        ("arm", "PUT", "/draft/content"),
        ("arm", "POST", "/publish"),
        ("blob", "PUT", "/artifacts/"),
    ],
)
def test_a_lost_answer_is_overcome(lab: LabUnderTest, customer: Customer, service: str, method: str, path: str) -> None:
    release = customer.install(SCRIPTS, wheels("one"))
    lab.fault("reset_after", match={"service": service, "method": method, "path": path})
    done = run(lab, PUBLISH)
    assert done.status == "succeeded", done.text
    assert customer.published("alpha") == ("Published", release.environment, SCRIPTS["alpha"])
    assert run(lab, PUBLISH).status == "unchanged"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 403, "code": "QuotaExceeded"}, "VD-AUTOMATION-007"),
        ({"status": 409, "code": "Conflict"}, "VD-AUTOMATION-008"),
        ({"status": 403}, "VD-NET-003"),
        ({"status": 500}, "VD-NET-002"),
    ],
)
def test_what_the_account_refuses_is_named(
    lab: LabUnderTest, customer: Customer, fault: dict[str, Any], code: str
) -> None:
    customer.install(SCRIPTS, wheels("one"))
    lab.fault("status", times=0, match={"service": "arm", "method": "PUT", "path": "/runtimeEnvironments/"}, **fault)
    done = run(lab, PUBLISH)
    assert list(done.codes().values()) == [code], done.text
    assert done.outcomes()["package one"] == "skipped"


def test_an_account_that_is_not_there_is_named(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    done = run(lab, PUBLISH, settings={"automation_account": "nowhere"})
    assert (done.error_code, done.writes()) == ("VD-AUTOMATION-001", []), done.text


def test_a_run_that_was_cut_off_is_taken_up(lab: LabUnderTest, customer: Customer) -> None:
    release = customer.install(SCRIPTS, wheels("one", "two"))
    lab.fault("status", status=400, times=0, match={"service": "arm", "method": "POST", "path": "/publish"})
    assert run(lab, PUBLISH).error_code == "VD-AUTOMATION-008"
    lab.control("DELETE", "/faults")
    rest = run(lab, PUBLISH)
    assert rest.outcomes() == {"runbook alpha": "done", "runbook beta": "done"}
    assert "had a draft" not in rest.text  # its own
    assert customer.published("beta") == ("Published", release.environment, SCRIPTS["beta"])


def test_two_runs_at_once_leave_one_whole_publication(lab: LabUnderTest, customer: Customer) -> None:
    release = customer.install(SCRIPTS, wheels("one"))
    with ThreadPoolExecutor(2) as runs:
        ended = list(runs.map(lambda _: run(lab, PUBLISH), range(2)))
    assert {done.status for done in ended} == {"succeeded"}, "\n".join(done.text for done in ended)
    for name, text in SCRIPTS.items():
        assert customer.published(name) == ("Published", release.environment, text)
    assert run(lab, PUBLISH).status == "unchanged"


def test_a_storage_account_without_the_container_is_named(lab: LabUnderTest, customer: Customer) -> None:
    customer.install(SCRIPTS, wheels("one"))
    customer.blobs.delete_container("artifacts")
    done = run(lab, PUBLISH)
    assert (done.error_code, done.writes()) == ("VD-STORAGE-004", []), done.text
