"""publish_runbooks over the wire: what it leaves in the account, and what it does not touch."""

import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.automation import models as m

from runbook_lib.basics.clock import SYSTEM_CLOCK
from tests.support.automation import wheel
from tests.support.installed import Customer, sha256_of, wheels
from tests.support.publications import PUBLISH, PUT_PACKAGE, SCRIPTS, arm_writes, sha256
from tests.support.runbook_run import QuickClock, run
from tests.support.running_lab import LabUnderTest

# --- What it does -----------------------------------------------------------------------------------------------------


def test_everything_is_kept_imported_and_published_once(lab: LabUnderTest, customer: Customer) -> None:
    packages = wheels("one", "two", "three")
    release = customer.install(SCRIPTS, packages)
    first = run(lab, PUBLISH)
    # The changes are five files and their listing, one environment, three packages and two runbooks.
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
    # The runbook was always there and complete: first the old text, then the new one, which never ran with the old
    # packages.
    texts = [text for text, _ in seen]
    assert set(texts) <= {old_text, new_text}
    assert texts == sorted(texts, key=[old_text, new_text].index)
    assert seen[0] == (old_text, old.environment)
    assert {environment for text, environment in seen if text == new_text} <= {new.environment}
    assert customer.published("alpha") == ("Published", new.environment, new_text)
    # The old environment stays, and so do its running jobs.
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
    # A request that is told to wait delays the others: one refusal for each five imports, and no flood of them.
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
