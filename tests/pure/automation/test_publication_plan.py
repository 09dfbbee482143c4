"""The plan of a publication for each state of the account; the rules of a package set; the meaning of a trial's end."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.automation.account import HeldPackage, HeldRunbook, environment_of
from runbook_lib.automation.jobs import JobResult
from runbook_lib.automation.publication import Facts, Wanted, notices, plan
from runbook_lib.automation.states import runbook_state
from runbook_lib.automation.trial import shortcoming_of
from runbook_lib.change import Plan
from runbook_lib.errors import RunbookError
from runbook_lib.release.artifacts import (
    COMBINED_WHEEL_TYPE,
    PACKAGES_TYPE,
    SINGLE_PACKAGES_TYPE,
    TITLE,
    PackageSet,
    read_package_set,
    script_of,
)
from vibedata.deployment import first_publication as bootstrap

DIGEST = "sha256:" + "ab" * 32
ENVIRONMENT = "vibedata-abababababab"
OLD_ENVIRONMENT = "vibedata-000000000000"


def layer(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "mediaType": SINGLE_PACKAGES_TYPE,
        "digest": "sha256:" + name.encode().hex().ljust(64, "0")[:64],
        "size": 100,
        "annotations": {TITLE: name},
        **fields,
    }


def listing(*layers: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"artifactType": SINGLE_PACKAGES_TYPE, "layers": layers, **fields}).encode()


def package_set(*names: str) -> PackageSet:
    return read_package_set(listing(*(layer(f"{name}-1.0-py3-none-any.whl") for name in names)), DIGEST)


def combined(name: str = "combined-1.2.3-cp310-cp310-manylinux2014_x86_64.whl", **fields: Any) -> dict[str, Any]:
    return layer(name, **{"mediaType": COMBINED_WHEEL_TYPE, **fields})


def combined_listing(*layers: dict[str, Any]) -> bytes:
    return listing(*layers, artifactType=PACKAGES_TYPE)


def single(name: str) -> dict[str, Any]:
    return layer(f"{name}-1.0-py3-none-any.whl", mediaType=PACKAGES_TYPE)


WANTED = Wanted(
    packages=package_set("azure_core", "requests"), scripts=(script_of("alpha", "1" * 64), script_of("beta", "2" * 64))
)
EMPTY = Facts(wanted=WANTED, environment=None, kept={}, packages={}, runbooks={"alpha": None, "beta": None}, own=())


def held(sha256: str | None, **fields: Any) -> HeldRunbook:
    given = {"kind": "Python3", "environment": ENVIRONMENT, "in_edit": False, "ours": True, **fields}
    return HeldRunbook(sha256=sha256, **given)


FULL = Facts(
    wanted=WANTED,
    environment="Python 3.10",
    kept={f"{blob.sha256}/{blob.filename}": f"sha256:{blob.sha256}" for blob in WANTED.blobs(WANTED.packages.wheels)},
    packages={name: HeldPackage(state="Succeeded", version="1.0", error="") for name in ("azure_core", "requests")},
    runbooks={"alpha": held("1" * 64), "beta": held("2" * 64)},
    own=("alpha", "beta"),
)


def actions(planned: Plan) -> dict[str, tuple[int, str]]:
    return {change.target: (change.stage, change.action) for change in planned.changes}


def refusal(facts: Facts) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        plan(facts)
    return caught.value


def test_an_empty_account_gets_everything_packages_before_runbooks() -> None:
    planned = plan(EMPTY)
    assert planned.unchanged == ()
    stages = {(action, stage) for stage, action in actions(planned).values()}
    assert stages == {("keep", 0), ("create", 0), ("import", 1), ("publish", 2)}
    assert len(planned.changes) == 5 + 1 + 2 + 2


def test_nothing_is_planned_where_all_is_as_it_should_be() -> None:
    planned = plan(FULL)
    assert planned.changes == ()
    assert len(planned.unchanged) == 10
    assert notices(FULL) == []


@pytest.mark.parametrize(
    ("state", "version", "planned"),
    [
        ("Succeeded", "1.0", False),
        ("Succeeded", None, False),  # Automation may not return the version; the environment's name shows it
        ("Succeeded", "0.9", True),
        ("Failed", "1.0", True),
        ("Creating", "1.0", True),
        ("ModuleImportRunbookComplete", None, True),
    ],
)
def test_a_package_is_imported_unless_it_is_provisioned(state: str, version: str | None, planned: bool) -> None:
    packages = {**FULL.packages, "requests": HeldPackage(state=state, version=version, error="")}
    assert ("package requests" in actions(plan(replace(FULL, packages=packages)))) is planned


@pytest.mark.parametrize(
    ("found", "before"),
    [
        (held("9" * 64), f"sha256:{'9' * 64} in {ENVIRONMENT}"),
        (held("1" * 64, environment=OLD_ENVIRONMENT), f"sha256:{'1' * 64} in {OLD_ENVIRONMENT}"),
        (held("1" * 64, environment=None, ours=False), f"sha256:{'1' * 64} in None"),  # replaced: it is the same one
        (held(None, in_edit=True), None),
        (None, None),
    ],
)
def test_a_runbook_is_published_unless_text_and_environment_are_right(
    found: HeldRunbook | None, before: str | None
) -> None:
    (change,) = plan(replace(FULL, runbooks={**FULL.runbooks, "alpha": found})).changes
    assert (change.target, change.before) == ("runbook alpha", before)
    assert change.after == f"sha256:{'1' * 64} in {ENVIRONMENT}"


def test_every_runbook_that_stands_in_the_way_is_named_at_once() -> None:
    runbooks = {
        "alpha": held(None, kind="PowerShell"),
        "beta": held("9" * 64, environment="theirs", ours=False),
    }
    error = refusal(replace(FULL, runbooks=runbooks))
    assert error.code == "VD-AUTOMATION-006"
    assert error.detail == "alpha (of type PowerShell), beta (in theirs)"
    # A runbook of another type is refused even if the suite made it, because its type can never be changed.
    assert refusal(replace(FULL, runbooks={**FULL.runbooks, "alpha": held("1" * 64, kind="Graph")})).code == error.code


def test_an_environment_of_another_language_is_refused() -> None:
    assert refusal(replace(FULL, environment="PowerShell 7.2")).code == "VD-AUTOMATION-011"


def test_a_kept_file_that_is_another_is_refused() -> None:
    for name, seen in FULL.kept.items():
        for another in ("99999 bytes", "100 bytes", f"sha256:{'f' * 64}"):
            assert another != seen
            error = refusal(replace(FULL, kept={**FULL.kept, name: another}))
            assert (error.code, error.target, error.detail) == (
                "VD-STORAGE-003",
                f"artifacts/{name}",
                f"its content has {another}",
            )


def test_a_plan_says_of_a_kept_file_what_was_seen_of_it() -> None:
    told = {item.target: item.why for item in plan(FULL).unchanged if item.target.startswith("artifacts/")}
    assert told == {f"artifacts/{name}": f"is {seen}" for name, seen in FULL.kept.items()}
    for wheel in WANTED.packages.wheels:
        assert told[f"artifacts/{wheel.blob.sha256}/{wheel.blob.filename}"] == f"is sha256:{wheel.blob.sha256}"
    assert told[f"artifacts/{'1' * 64}/alpha.py"] == f"is sha256:{'1' * 64}"


def test_what_is_left_alone_is_said() -> None:
    extra = HeldPackage(state="Succeeded", version="3", error="")
    facts = replace(
        FULL,
        own=("alpha", "beta", "gone"),
        packages={**FULL.packages, "numpy": extra},
        runbooks={"alpha": held("1" * 64, in_edit=True), "beta": held("9" * 64, in_edit=True)},
    )
    assert notices(facts) == [
        "runbook alpha has a draft that nobody published; it is left alone",
        "runbook gone is the suite's, but not of this release; it is left alone",
        f"package numpy in {ENVIRONMENT} is not of this release; it is left alone",
    ]


@given(
    st.builds(
        Facts,
        wanted=st.just(WANTED),
        environment=st.sampled_from([None, "Python 3.10"]),
        kept=st.sampled_from([EMPTY.kept, FULL.kept]),
        packages=st.sampled_from([EMPTY.packages, FULL.packages]),
        runbooks=st.fixed_dictionaries(
            {
                name: st.sampled_from([None, held(None), held("1" * 64), held("2" * 64, environment=OLD_ENVIRONMENT)])
                for name in ("alpha", "beta")
            }
        ),
        own=st.just(()),
    )
)
def test_a_plan_covers_every_target_once_and_no_change_is_empty(facts: Facts) -> None:
    planned = plan(facts)
    targets = [change.target for change in planned.changes] + [item.target for item in planned.unchanged]
    assert sorted(targets) == sorted(change.target for change in plan(EMPTY).changes)
    assert all(change.before != change.after for change in planned.changes)
    for name, found in facts.runbooks.items():
        changed = f"runbook {name}" in actions(planned)
        assert changed == (runbook_state(found) != runbook_state(FULL.runbooks[name]))


# --- The combined wheel -----------------------------------------------------------------------------------------------

COMBINED = replace(
    WANTED,
    packages=read_package_set(combined_listing(combined(), single("azure_core"), single("requests")), DIGEST),
)


def imports(packages: dict[str, HeldPackage]) -> list[tuple[str, str]]:
    """Return the targets of the packages, in order, each with its change, None for no change."""
    planned = plan(replace(EMPTY, wanted=COMBINED, packages=packages))
    changes = [(change.target, change.action) for change in planned.changes if change.target.startswith("package ")]
    return changes + [(item.target, "none") for item in planned.unchanged if item.target.startswith("package ")]


def package(state: str, version: str | None = "1.0") -> HeldPackage:
    return HeldPackage(state=state, version=version, error="")


@pytest.mark.parametrize("state", [None, "Creating", "ContentDownloaded"])
def test_one_wheel_is_imported_where_the_release_has_one(state: str | None) -> None:
    held_now = {} if state is None else {"combined": package(state, None)}
    assert imports(held_now) == [("package combined", "import")]


def test_one_wheel_that_is_there_is_enough() -> None:
    assert imports({"combined": package("Succeeded", "1.2.3")}) == [("package combined", "none")]
    assert imports({"combined": package("Succeeded", None)}) == [("package combined", "none")]
    assert imports({"combined": package("Succeeded", "9.9.9")}) == [("package combined", "import")]


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_one_wheel_that_was_refused_is_remembered_by_its_state(state: str) -> None:
    wanted = [("package azure_core", "import"), ("package requests", "import")]
    assert imports({"combined": package(state, None)}) == wanted


def test_single_wheels_that_were_begun_are_completed() -> None:
    begun = {"azure_core": package("Succeeded"), "combined": package("Creating", None)}
    assert imports(begun) == [("package requests", "import"), ("package azure_core", "none")]
    assert imports({"requests": package("Failed")}) == [
        ("package azure_core", "import"),
        ("package requests", "import"),
    ]


def test_the_wheels_that_are_imported_are_kept_and_no_others() -> None:
    ways = {
        (): ["combined-1.2.3-cp310-cp310-manylinux2014_x86_64.whl"],
        ("combined",): ["azure_core-1.0-py3-none-any.whl", "requests-1.0-py3-none-any.whl"],
    }
    for failed, wheels in ways.items():
        packages = dict.fromkeys(failed, package("Failed", None))
        planned = plan(replace(EMPTY, wanted=COMBINED, packages=packages))
        kept = [change.target.rpartition("/")[2] for change in planned.changes if change.action == "keep"]
        assert [name for name in kept if name.endswith(".whl")] == wheels


def test_no_wheel_of_the_release_is_called_foreign() -> None:
    both = {"combined": package("Failed", None), "azure_core": package("Succeeded"), "requests": package("Succeeded")}
    assert notices(replace(EMPTY, wanted=COMBINED, packages=both)) == []


def test_the_bootstrap_adds_the_settings_variable() -> None:
    unset = bootstrap.Facts(held=FULL, variable=None, wanted="sha256:1")
    (change,) = bootstrap.plan(unset).changes
    assert (change.stage, change.action, change.target) == (2, "set", "variable vibedata-settings")
    assert bootstrap.plan(replace(unset, variable="sha256:1")).changes == ()


# --- The package set --------------------------------------------------------------------------------------------------


def test_a_package_set_is_read() -> None:
    wheels = package_set("azure_core", "cffi").wheels
    assert [(wheel.distribution, wheel.version) for wheel in wheels] == [("azure_core", "1.0"), ("cffi", "1.0")]
    assert environment_of(DIGEST) == ENVIRONMENT


@pytest.mark.parametrize(
    "content",
    [
        b"no json",
        b"[]",
        listing(),
        listing(layer("one-1.0-py3-none-any.whl"), artifactType="application/other"),
        listing(layer("one-1.0-py3-none-any.whl", mediaType="application/other")),
        listing(layer("one-1.0-py3-none-any.whl", digest="sha512:00")),
        listing(layer("one-1.0-py3-none-any.whl", digest=7)),
        listing(layer("one-1.0-py3-none-any.whl", size="100")),
        listing(layer("one-1.0-py3-none-any.whl", size=0)),
        listing(layer("one-1.0-py3-none-any.whl", size=100 * 1024 * 1024 + 1)),
        listing(layer("one-1.0-py3-none-any.whl", annotations=None)),
        listing(layer("one-1.0.tar.gz")),
        listing(layer("../one-1.0-py3-none-any.whl")),
        listing(layer("one?sig=x-1.0-py3-none-any.whl")),
        listing(layer(f"{'o' * 237}-1-py3-none-any.whl")),
        listing(layer("one-1.0-py3-none-any.whl"), layer("One-2.0-py3-none-any.whl")),
        listing(*(layer(f"p{number}-1-py3-none-any.whl") for number in range(501))),
        combined_listing(combined()),
        combined_listing(single("one")),
        combined_listing(single("one"), combined()),
        combined_listing(combined(), combined("two-1-py3-none-any.whl"), single("one")),
        combined_listing(combined(), layer("one-1.0-py3-none-any.whl")),
        combined_listing(combined("one-1.0-py3-none-any.whl"), single("one")),
        combined_listing(combined(size=100 * 1024 * 1024 + 1), single("one")),
        listing(combined(), layer("one-1.0-py3-none-any.whl")),
    ],
)
def test_a_package_set_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(RunbookError) as caught:
        read_package_set(content, DIGEST)
    assert caught.value.code == "VD-MANIFEST-011"
    assert len(caught.value.detail) <= 200


def test_a_wheel_may_have_the_longest_file_name() -> None:
    name = f"{'o' * 236}-1-py3-none-any.whl"
    assert len(name) == 255
    assert read_package_set(listing(layer(name)), DIGEST).wheels[0].blob.filename == name


# --- Trials -----------------------------------------------------------------------------------------------------------


def ended(code: str | None, *, status: str = "Failed", exception: str = "") -> JobResult:
    error = None if code is None else {"code": code, "message": "what was seen"}
    return JobResult(job_id="1", status=status, exception=exception, result={"error": error})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("VD-NET-003", "role"),
        ("VD-IDENTITY-001", "role"),
        ("VD-REGISTRY-002", "role"),
        ("VD-REGISTRY-007", "endpoint"),
        ("VD-NET-001", "endpoint"),
        ("VD-SETTINGS-001", "name"),
        ("VD-MANIFEST-010", "name"),
        ("VD-STORAGE-003", "other"),
        ("VD-NOWHERE-001", "other"),
    ],
)
def test_a_lack_is_told_by_its_code(code: str, kind: str) -> None:
    lack = shortcoming_of(ended(code), ())
    assert lack is not None
    assert (lack.kind, lack.what) == (kind, f"{code}: what was seen")


def test_a_missing_module_is_a_missing_package_wherever_it_shows() -> None:
    words = "ModuleNotFoundError: No module named 'azure.mgmt'"
    for job, lines in (
        (ended("VD-ENGINE-900"), [f"VERBOSE: {words}"]),
        (replace(ended(None), result=None, exception=words), []),
    ):
        lack = shortcoming_of(job, lines)
        assert lack is not None
        assert (lack.kind, lack.what) == ("package", "no module azure.mgmt")


def test_a_job_that_was_killed_lacks_something_unknown() -> None:
    lack = shortcoming_of(replace(ended(None), result=None, exception="Traceback\nkilled"), ())
    assert lack is not None
    assert lack.what == "the job is Failed: killed"


def test_nothing_is_lacking_where_the_runbook_says_so() -> None:
    assert shortcoming_of(ended(None, status="Completed"), ()) is None
    assert shortcoming_of(ended("VD-MANIFEST-007"), ()) is None
