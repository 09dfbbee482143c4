"""check_health as a whole: its records, its reports, the failures that end it, and those that do not."""

import threading
from datetime import datetime, timedelta, timezone

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.health.components import MAX_REGISTERED
from tests.support.health_rig import Rig, report, transitions


def test_a_first_check_finds_all_well_and_records_it(three: Rig) -> None:
    result = three.check()
    assert (result.exit_code, result.status) == (0, "succeeded"), result.text
    assert report(result)["components"] == report(result)["healthy"] == 4
    entity = three.entity("control-panel")
    assert (entity["health"], entity["healthReason"], entity["healthStreak"]) == ("healthy", "", 1)
    assert abs(datetime.fromisoformat(entity["checkedAt"].replace("Z", "+00:00")) - datetime.now(timezone.utc)) < (
        timedelta(minutes=5)
    )
    # Columns that others wrote stay unchanged.
    assert (entity["version"], entity["healthPath"]) == ("2026.11.0", "/healthz")
    assert transitions(three.lab, result) == {
        "application/control-panel": ("healthy", ""),
        "application/api-service": ("healthy", ""),
        "application/api-gateway": ("healthy", ""),
        "infrastructure/vault": ("healthy", ""),
        "observability/operations-log": ("healthy", ""),
        "observability/alert-rules": ("healthy", ""),
        "observability/action-groups": ("healthy", ""),
        "observability/credentials": ("healthy", ""),
        "observability/reports": ("healthy", ""),
    }
    policy = three.tables.get_table_client("Policies").get_entity("policy", "healthPolicies")
    assert [policy[name] for name in ("failures_to_degraded", "failures_to_unhealthy", "successes_to_healthy")] == [
        1,
        3,
        2,
    ]


def test_every_check_says_when_it_was_and_only_changes_are_reported(three: Rig) -> None:
    three.check()
    before = three.entity("api-gateway")
    result = three.check()
    now = three.entity("api-gateway")
    assert now["checkedAt"] > before["checkedAt"] and now["healthStreak"] == 2
    assert transitions(three.lab, result) == {}
    assert report(result)["changed"] == []


def test_an_outage_its_way_through_the_dependants_and_its_end(three: Rig) -> None:
    three.check()
    three.ill("api-gateway", "status", status=503)
    first = three.check()
    assert (first.exit_code, first.status) == (0, "succeeded")
    assert transitions(three.lab, first) == {"application/api-gateway": ("degraded", "answers 503, not 200")}
    assert three.health("api-service") == "healthy"  # one failure does not affect the others
    three.check()
    third = three.check()
    assert third.exit_code == 0  # ill components do not fail the run: it looks for them
    assert transitions(three.lab, third) == {
        "application/api-gateway": ("unhealthy", "answers 503, not 200 (3 in a row)"),
        "application/api-service": ("degraded", "depends on application/api-gateway, which is unhealthy"),
        "application/control-panel": (
            "degraded",
            "depends on application/api-gateway, which is unhealthy (through application/api-service)",
        ),
    }
    counts = {name: report(third)[name] for name in ("healthy", "degraded", "unhealthy", "unknown")}
    assert counts == {"healthy": 1, "degraded": 2, "unhealthy": 1, "unknown": 0}
    assert "application/api-gateway is unhealthy: answers 503, not 200 (3 in a row)" in report(third)["ill"]
    three.ill("api-gateway", "healthy")
    fourth = three.check()
    assert three.health("api-gateway") == "unhealthy"
    assert three.reason("api-gateway") == "answers again (1 of 2 good checks in a row)"
    assert transitions(three.lab, fourth) == {}
    assert set(transitions(three.lab, three.check())) == {
        "application/api-gateway",
        "application/api-service",
        "application/control-panel",
    }
    assert {three.health(name) for name in ("api-gateway", "api-service", "control-panel")} == {"healthy"}


def test_one_slow_answer_is_no_outage(three: Rig) -> None:
    three.check()
    three.ill("api-gateway", "slow", seconds=30)
    three.check()
    assert (three.health("api-gateway"), three.health("api-service")) == ("degraded", "healthy")


def test_the_policys_thresholds_count(three: Rig) -> None:
    policy = {"failures_to_degraded": 2, "failures_to_unhealthy": 2, "successes_to_healthy": 1}
    entity = {"PartitionKey": "policy", "RowKey": "healthPolicies", **policy}
    three.tables.get_table_client("Policies").create_entity(entity)
    three.check()
    three.ill("api-gateway", "closed")
    three.check()
    assert three.health("api-gateway") == "healthy"
    three.check()
    assert three.health("api-gateway") == "unhealthy"
    three.ill("api-gateway", "healthy")
    three.check()
    assert three.health("api-gateway") == "healthy"
    kept = three.tables.get_table_client("Policies").get_entity("policy", "healthPolicies")
    assert {name: kept[name] for name in policy} == policy


@pytest.mark.parametrize("value", [0, 101, "3", 2.5])
def test_a_policy_out_of_bounds_is_reported_and_the_default_holds(three: Rig, value: object) -> None:
    entity = {"PartitionKey": "policy", "RowKey": "healthPolicies", "failures_to_unhealthy": value}
    three.tables.get_table_client("Policies").create_entity(
        {**entity, "failures_to_degraded": 1, "successes_to_healthy": 1}
    )
    result = three.check()
    assert result.exit_code == 0
    assert "WARNING: policy healthPolicies in table Policies is out of bounds; the default is used" in result.text


def test_arm_gives_the_health_of_a_component_that_cannot_be_probed(three: Rig) -> None:
    three.check()
    three.lab.control("POST", "/resources", {"provisioningState": {"vibedata-kv": "Updating"}})
    three.check()
    assert three.reason("vault", "infrastructure") == "its provisioning state is Updating"
    three.lab.control("POST", "/resources", {"availabilityState": {"vibedata-kv": "Unavailable"}})
    three.check()
    assert three.health("vault", "infrastructure") == "unhealthy"
    assert three.reason("vault", "infrastructure").startswith("Azure says that it is unavailable: We're sorry")


def test_without_resource_health_the_provisioning_state_counts(three: Rig) -> None:
    three.lab.fault("status", status=403, match={"path": "availabilityStatuses"}, times=0)
    result = three.check()
    assert (result.exit_code, three.health("vault", "infrastructure")) == (0, "healthy")
    assert "WARNING: resource health cannot be read" in result.text


def test_a_resource_that_is_gone(three: Rig) -> None:
    three.check()
    three.lab.control("POST", "/resources", {"delete": ["api-gateway"]})
    before = len(three.asked("api-gateway"))
    three.check()
    assert three.health("api-gateway") == "unhealthy"
    assert three.reason("api-gateway") == "its resource is gone from the managed resource group"
    assert len(three.asked("api-gateway")) == before


def test_an_address_that_is_not_the_resources_own_is_not_asked(three: Rig) -> None:
    three.change("api-gateway", endpoint=three.addresses["scheduler"])
    three.change("api-service", endpoint="https://elsewhere.example")
    three.check()
    assert three.reason("api-gateway").startswith("not asked: its resource does not name https://127.0.0.1:")
    assert three.reason("api-service").startswith("not asked: its resource does not name https://elsewhere.example")
    assert three.asked("scheduler") == three.asked("api-gateway") == []


def test_what_has_no_probe_is_unknown_and_what_has_left_is_not_asked(three: Rig) -> None:
    three.register("planner-agent", kind="none", component_type="agent")
    three.register("studio", state="vanished")
    three.check()
    assert (three.health("planner-agent", "agent"), three.health("studio")) == ("unknown", "unknown")
    assert three.reason("planner-agent", "agent") == "it has no probe"
    assert three.asked("studio") == []


def test_components_of_every_kind_with_nonsense_in_their_rows(three: Rig) -> None:
    three.change("api-gateway", dependsOn="{", health="excellent", healthStreak="many", checkedAt="yesterday")
    three.change("api-service", dependsOn='["api-service", "nobody", 7]', healthPath="no slash\r\nX: y")
    result = three.check()
    assert result.exit_code == 0, result.text
    assert (three.health("api-gateway"), three.entity("api-gateway")["healthStreak"]) == ("healthy", 1)
    assert three.health("api-service") == "degraded"


def test_a_clock_that_jumps_makes_nothing_ill(three: Rig) -> None:
    three.check()
    three.change("api-gateway", checkedAt="2199-01-01T00:00:00.000000Z")
    three.change("api-service", checkedAt="1970-01-01T00:00:00.000000Z")

    class Jumping:
        """A clock that jumps years ahead at every look. Measuring times still works."""

        looks = 0

        def now(self) -> datetime:
            self.looks += 1
            return datetime.now(timezone.utc) + timedelta(days=400 * (-1) ** self.looks)

        def monotonic(self) -> float:
            return SYSTEM_CLOCK.monotonic()

        def sleep(self, seconds: float) -> None:
            SYSTEM_CLOCK.sleep(seconds)

    result = three.check(clock=Jumping())
    assert result.exit_code == 0, result.text
    assert {three.health(name) for name in ("api-gateway", "api-service", "control-panel")} == {"healthy"}
    assert three.entity("api-gateway")["healthStreak"] == 2
    assert three.check().exit_code == 0
    assert three.entity("api-gateway")["checkedAt"] < "2199"


def test_only_planned_it_writes_nothing(three: Rig) -> None:
    result = three.check(plan_only=True)
    assert (result.exit_code, result.status) == (0, "planned")
    assert result.writes() == []
    assert three.health("api-gateway") == "unknown"
    assert report(result)["healthy"] == 4


def test_without_components_there_is_nothing_to_check(ready: Rig) -> None:
    assert (ready.check().exit_code, ready.check().error_code) == (1, "VD-HEALTH-001")
    ready.tables.create_table("Components")
    assert ready.check().error_code == "VD-HEALTH-001"


def test_a_trial_before_the_first_bootstrap_is_no_failed_job(ready: Rig) -> None:
    for _ in range(2):
        tried = ready.check(plan_only=True, trial=True)
        assert (tried.exit_code, tried.status, tried.writes()) == (0, "planned", []), tried.text
        ready.tables.create_table_if_not_exists("Components")  # it is empty


def test_without_arm_the_check_fails(three: Rig) -> None:
    three.check()
    three.lab.fault("status", status=403, match={"service": "arm", "path": "/resources\\?"}, times=0)
    result = three.check()
    assert (result.exit_code, result.error_code) == (1, "VD-NET-003")
    assert three.health("api-gateway") == "healthy"


def test_without_its_tables_the_check_fails(three: Rig) -> None:
    three.lab.fault("status", status=503, match={"service": "table", "method": "POST", "path": "batch"}, times=0)
    policy = three.tables.get_table_client("Policies")
    policy.create_entity(
        {"PartitionKey": "policy", "RowKey": "networkRetryPolicies", "max_retries": 1, "delay_seconds": 0.1}
    )
    result = three.check()
    assert (result.exit_code, result.error_code) == (1, "VD-NET-002")
    assert transitions(three.lab, result) == {}  # a change that is not recorded does not count


def test_a_write_whose_answer_is_lost(three: Rig) -> None:
    three.lab.fault("reset_after", match={"service": "table", "method": "POST", "path": "batch"}, times=2)
    assert three.check().exit_code == 0
    assert three.health("api-gateway") == "healthy"


def test_another_run_that_writes_meanwhile_loses_nothing(three: Rig) -> None:
    """The component's row changes between the listing and the write: its ETag says so."""
    three.check()
    stale = three.entity("api-gateway").metadata["etag"]  # type: ignore[attr-defined]
    three.ill("api-gateway", "slow", seconds=1)
    changed = threading.Timer(0.8, three.change, ("api-gateway",), {"version": "2026.12.0"})
    changed.start()
    result = three.check()
    changed.join()
    assert result.exit_code == 0, result.text
    entity = three.entity("api-gateway")
    assert entity.metadata["etag"] != stale  # type: ignore[attr-defined]
    assert (entity["version"], entity["healthStreak"]) == ("2026.12.0", 2)


def test_hundreds_of_components_of_which_some_hang(ready: Rig) -> None:
    ready.lab.control(
        "POST", "/resources", {"count": 250, "type": "Microsoft.App/containerApps", "application": "studio"}
    )
    for number in range(1, 251):
        ready.register(f"synthetic-{number:05}", endpoint=ready.addresses["studio"])
    ready.register("scheduler")
    ready.ill("scheduler", "hang")
    result = ready.check()
    assert result.exit_code == 0
    assert (report(result)["healthy"], report(result)["degraded"]) == (250, 1)
    records = [change["target"] for change in result.result["changes"] if " application " in change["target"]]
    assert records == [f"Components application {number}/3" for number in (1, 2, 3)]
    arm = [entry for entry in result.requests if entry["service"] == "arm" and entry["method"] == "GET"]
    assert len(arm) < 12  # not one for each component


def test_more_rows_than_a_check_reads_end_it_with_a_clear_error(three: Rig) -> None:
    table = three.tables.get_table_client("Components")
    for start in range(0, MAX_REGISTERED, 100):
        rows = [{"PartitionKey": "agent", "RowKey": f"a{start + number}"} for number in range(100)]
        table.submit_transaction([("create", row) for row in rows])
    result = three.check()
    assert (result.exit_code, result.error_code) == (1, "VD-STORAGE-005"), result.text
    assert f"more than {MAX_REGISTERED}" in result.text
