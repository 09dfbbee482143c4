"""A deployment's plan as people and scripts read it."""

import pytest

from runbook_lib.change import ActionKind
from runbook_lib.release.manifest import parse
from runbook_lib.release.model import ReleaseManifest
from tests.support.release_maker import as_json, document
from vibedata.deployment.plan.difference import StepPlan, as_text, counts, detailed_exit_code, difference
from vibedata.deployment.plan.difference import as_json as plan_json
from vibedata.deployment.plan.steps import components_changed

IMPORT: ActionKind[str] = ActionKind("import", stage=1)
NEW = difference(IMPORT.change("", "vibedata/studio:1.2", None, "sha256:aa"), "vibedata/studio:1.2")
OTHER = difference(IMPORT.change("", "runbook check_health", "sha256:aa", "sha256:bb"), "runbook check_health")
GONE = difference(IMPORT.change("", "Components a", "1 rows", "1 rows"), "Components: a", sign="-")
PLANS = (
    StepPlan(step="preflight", each_time="looks for what would fail", unchanged=2),
    StepPlan(step="import_images", differences=(OTHER, NEW)),
    StepPlan(step="publish_runbooks", unchanged=3),
    StepPlan(step="bootstrap_registry", differences=(GONE,), not_known=("resources: later",)),
)


def test_people_read_signs_names_and_counts() -> None:
    assert as_text("plan", PLANS).splitlines() == [
        "plan",
        "",
        "preflight: looks for what would fail",
        "import_images",
        "  + vibedata/studio:1.2",
        "  ~ runbook check_health",
        "publish_runbooks: nothing to do",
        "bootstrap_registry",
        "  - Components: a",
        "  ? resources: later",
        "",
        "1 to add, 1 to change, 1 to remove; 5 already right; 1 not known yet",
    ]


def test_no_digest_is_shown_to_people_and_programs_get_all_of_it() -> None:
    assert "sha256:" not in as_text("plan", PLANS)
    (step,) = (each for each in plan_json(PLANS)["steps"] if each["step"] == "import_images")
    assert step["differences"][0] == {
        "sign": "~",
        "what": "runbook check_health",
        "action": "import",
        "target": "runbook check_health",
        "before": "sha256:aa",
        "after": "sha256:bb",
    }
    assert counts(PLANS) == {"add": 1, "change": 1, "take_away": 1, "unchanged": 5, "not_known": 1}


@pytest.mark.parametrize(
    ("plans", "code"),
    [((), 0), (PLANS[:1], 0), (PLANS[2:3], 0), (PLANS[1:2], 2), ((StepPlan(step="a", not_known=("b",)),), 2)],
)
def test_the_detailed_exit_code_is_0_only_where_it_is_known_that_nothing_is_to_be_done(
    plans: tuple[StepPlan, ...], code: int
) -> None:
    assert detailed_exit_code(plans) == code


def manifest() -> ReleaseManifest:
    return parse(as_json(document()))


def test_components_are_compared_by_their_versions() -> None:
    release = manifest()
    fresh = {each.target: each for each in components_changed(release, {})}
    assert {each.sign for each in fresh.values()} == {"+"}
    mandatory = {pin.name for pin in release.runbooks if pin.mandatory}
    assert {f"Components runbook {name}" for name in mandatory} <= set(fresh)
    assert {f"Components {each.type} {each.name}" for each in release.components} <= set(fresh)
    recorded = {(kind, name): each.after for each in fresh.values() for _, kind, name in [each.target.split(" ")]}
    assert list(components_changed(release, recorded)) == []
    key = sorted(recorded)[0]
    (other,) = components_changed(release, {**recorded, key: "0.0.1"})
    assert (other.sign, other.before, other.after) == ("~", "0.0.1", recorded[key])
    assert other.what.endswith(f"{key[1]} 0.0.1 -> {recorded[key]}")
    (gone,) = components_changed(release, {**recorded, ("agent", "former"): "1.0.0"})
    assert (gone.sign, gone.what) == ("-", "component agent former 1.0.0")
