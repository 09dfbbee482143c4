"""configure_gateway beside other writers, and writes that are slow, fail or get no answer."""

import threading
import time
from typing import Any

import pytest
from azure.mgmt.network.models import ApplicationGateway, TagsObject

from runbook_lib.application_gateway.arm import FIRST_PAUSE_SECONDS, LEAST_LOOK_SECONDS
from runbook_lib.tls_certificate.name import CERTIFICATE
from runbooks import configure_gateway
from tests.support.application_gateway import GATEWAY, POLICY
from tests.support.gateway_rig import LISTENER, POLICY_PUTS, PUTS, RULE, Rig, SleepingClock
from tests.support.runbook_run import QuickClock, run


def test_two_writers_at_once_lose_nothing(rig: Rig) -> None:
    """Another writer's change is in progress, and a second change comes between this run's read and its write."""
    rig.installed()
    rig.takes(1.0)
    poller = rig.put({"tags": {"first": "1"}}, wait=False)
    # This run waits for the change, because a write now would cancel it.
    assert rig.changed() == [LISTENER]
    poller.result()
    assert (rig.secret(), rig.gateway().tags) == (rig.wanted_secret(), {"first": "1"})


def test_a_change_between_this_run_s_read_and_its_write_is_kept(rig: Rig) -> None:
    """The run's first write is delayed. Meanwhile somebody else changes the gateway."""
    rig.installed()
    rig.lab.fault("delay", match=PUTS, times=1, seconds=3)

    def change_in_between() -> None:
        while not rig.lab.control("GET", "/faults")["faults"][0]["applied"]:
            time.sleep(0.05)
        rig.network.application_gateways.update_tags(rig.group, GATEWAY, {"tags": {"other": "writer"}})

    other = threading.Thread(target=change_in_between)
    other.start()
    made = rig.run()
    other.join()
    assert made.exit_code == 0, made.text
    assert [entry["status"] for entry in made.sent("arm", "PUT", "/applicationGateways/")] == [412, 200]
    assert (rig.secret(), rig.gateway().tags) == (rig.wanted_secret(), {"other": "writer"})


def test_a_change_of_somebody_else_that_never_ends_is_reported(rig: Rig) -> None:
    rig.takes(600.0)
    rig.put({"tags": {"first": "1"}}, wait=False)
    # A wait of half an hour takes a second.
    made = run(rig.lab, configure_gateway.RUNBOOK, clock=QuickClock(speed=2000.0))
    assert (made.error_code, made.writes()) == ("VD-GATEWAY-009", [])


def test_a_superseded_write_is_noticed_and_repeated(rig: Rig) -> None:
    """Another writer does not wait. It writes the gateway without this run's change, and ends this run's write."""
    rig.installed()
    before = rig.gateway().as_dict()
    rig.takes(2.0)
    others: list[Any] = []

    class Clock(QuickClock):
        def sleep(self, seconds: float) -> None:
            now = rig.gateway()
            if not others and now.properties.provisioning_state == "Updating":
                wanted = ApplicationGateway({**before, "tags": {"other": "writer"}})
                others.append(rig.network.application_gateways.begin_create_or_update(rig.group, GATEWAY, wanted))
            super().sleep(seconds)

    made = run(rig.lab, configure_gateway.RUNBOOK, clock=Clock())
    assert made.exit_code == 0, made.text
    others[0].result()
    assert len(made.sent("arm", "PUT", "/applicationGateways/")) == 3, "the run's two, and the other writer's one"
    assert (rig.secret(), rig.gateway().tags) == (rig.wanted_secret(), {"other": "writer"})
    assert rig.run().status == "unchanged"


@pytest.mark.parametrize("action", ["reset_after", "reset_before", "throttle"])
@pytest.mark.parametrize("match", [PUTS, POLICY_PUTS])
def test_a_lost_answer_or_a_throttled_write_ends_with_the_same_state(
    rig: Rig, match: dict[str, str], action: str
) -> None:
    rig.installed()
    rig.let_in(["203.0.113.0/24"])
    rig.lab.fault(action, match=match, times=1, **({"seconds": 1} if action == "throttle" else {}))
    assert rig.changed() == [RULE, LISTENER]
    assert (rig.secret(), rig.ranges()[0]) == (rig.wanted_secret(), ["203.0.113.0/24"])
    assert rig.run().status == "unchanged"


@pytest.mark.parametrize("match", [PUTS, POLICY_PUTS])
def test_a_write_after_a_faster_writer_is_repeated(rig: Rig, match: dict[str, str]) -> None:
    rig.installed()
    rig.let_in(["203.0.113.0/24"])
    rig.lab.fault("status", match=match, status=412, times=2)
    assert rig.changed() == [RULE, LISTENER]
    rig.let_in(["203.0.113.0/25"])
    rig.lab.fault("status", match=POLICY_PUTS, status=412, times=0)
    assert rig.refused() == "VD-GATEWAY-010"


def test_the_gateway_shows_the_result_of_an_operation_that_nobody_may_read(rig: Rig) -> None:
    rig.installed()
    rig.lab.fault("status", match={"service": "arm", "path": "/locations/[^/]+/operations/"}, status=403, times=0)
    assert rig.changed() == [LISTENER]
    assert rig.secret() == rig.wanted_secret()


def test_a_failure_that_only_the_gateway_s_state_shows_ends_the_run_at_once(rig: Rig) -> None:
    rig.installed()
    rig.lab.fault("status", match={"service": "arm", "path": "/locations/[^/]+/operations/"}, status=403, times=0)
    rig.lab.fault("status", match={"service": "key_vault", "path": f"/secrets/{CERTIFICATE}"}, status=403, times=0)
    made = rig.run()
    assert made.codes() == {LISTENER: "VD-GATEWAY-011"}
    assert len(made.sent("arm", "PUT", "/applicationGateways/")) == 1


def test_a_firewall_policy_that_azure_did_not_apply_is_reported_and_written_again(rig: Rig) -> None:
    rig.let_in(["203.0.113.0/24"])
    rig.lab.control("POST", "/firewall", {"fails": 1})
    made = rig.run()
    assert made.codes() == {RULE: "VD-GATEWAY-011"}
    assert len(made.sent("arm", "PUT", POLICY)) == 1
    assert rig.ranges()[0] == ["203.0.113.0/24"], "ARM shows the wanted ranges"
    planned = rig.run(plan_only=True)
    assert (planned.outcomes(), planned.exit_code) == ({RULE: "planned"}, 0)
    assert "and the policy has failed" in planned.text
    assert rig.changed() == [RULE]
    assert rig.run().status == "unchanged"


@pytest.mark.parametrize("meanwhile", ["stopped", "given to a cluster"])
def test_a_gateway_that_changes_hands_after_the_plan_is_left_alone(rig: Rig, meanwhile: str) -> None:
    """The run's write of the policy is delayed. Meanwhile somebody stops the gateway, or gives it to a cluster."""
    rig.installed()
    rig.let_in(["203.0.113.0/24"])
    rig.lab.fault("delay", match=POLICY_PUTS, times=1, seconds=3)

    def change_in_between() -> None:
        while not rig.lab.control("GET", "/faults")["faults"][0]["applied"]:
            time.sleep(0.05)
        if meanwhile == "stopped":
            rig.network.application_gateways.begin_stop(rig.group, GATEWAY).wait()
        else:
            tags = TagsObject(tags={"managed-by-k8s-ingress": "1.7.2"})
            rig.network.application_gateways.update_tags(rig.group, GATEWAY, tags)

    other = threading.Thread(target=change_in_between)
    other.start()
    made = rig.run()
    other.join()
    assert made.codes() == {LISTENER: "VD-GATEWAY-003" if meanwhile == "stopped" else "VD-GATEWAY-005"}
    assert made.sent("arm", "PUT", "/applicationGateways/") == []


def test_a_plan_does_not_wait_for_a_change_of_somebody_else(rig: Rig) -> None:
    rig.installed()
    rig.takes(600.0)
    rig.put({"tags": {"first": "1"}}, wait=False)
    clock = SleepingClock()
    made = run(rig.lab, configure_gateway.RUNBOOK, clock=clock, plan_only=True)
    assert (made.outcomes(), clock.slept) == ({LISTENER: "planned"}, [])


def test_a_pause_comes_before_each_new_round(rig: Rig) -> None:
    """ARM refuses each write because of another operation, but shows the state Succeeded."""
    rig.installed()
    rig.lab.fault("status", match=PUTS, status=409, code="AnotherOperationInProgress", times=0)
    clock = SleepingClock()
    made = run(rig.lab, configure_gateway.RUNBOOK, clock=clock)
    assert made.codes() == {LISTENER: "VD-GATEWAY-010"}
    assert [each for each in clock.slept if each >= FIRST_PAUSE_SECONDS] == [5.0, 10.0, 20.0, 40.0]


def test_an_operation_that_may_be_asked_at_once_is_asked_after_a_pause(rig: Rig) -> None:
    rig.installed()
    operations = {"service": "arm", "path": "/locations/[^/]+/operations/"}
    rig.lab.fault("status", match=operations, status=202, seconds=0, times=3)
    clock = SleepingClock()
    assert run(rig.lab, configure_gateway.RUNBOOK, clock=clock).exit_code == 0
    assert len(clock.slept) >= 4
    assert min(clock.slept) >= LEAST_LOOK_SECONDS
