"""The decisions before and after a probe, without any connection."""

import ssl
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.component_registry.managed_resources import Availability
from runbook_lib.component_registry.registered import RegisteredComponent, registered_component
from runbook_lib.health.observability import ActionGroup, AlertRule, judge_groups, judge_rules
from runbook_lib.health.probes.choice import Group, judge_resource, probe_of
from runbook_lib.health.probes.http import HttpTarget, target_of
from runbook_lib.health.probes.many import NOT_REACHED, PROBE_SECONDS, Probe, run_probes
from runbook_lib.health.rules import Observation
from runbook_lib.network.deadline import Deadline

TRUST = ssl.create_default_context()
ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.App/containerApps/studio"
OWN = "https://studio.example.azurecontainerapps.io"
GROUP = Group(provisioning={ID.lower(): "Succeeded"}, endpoints={ID.lower(): OWN})


def component(**columns: object) -> RegisteredComponent:
    entity = {"PartitionKey": "application", "RowKey": "studio", "state": "registered", "resourceId": ID}
    return registered_component({**entity, "endpoint": OWN, "healthKind": "http", **columns})


def sight(found: Probe | Observation) -> tuple[str, str]:
    assert isinstance(found, Observation)
    return found.sight, found.reason


def test_a_component_is_probed_at_its_own_resources_address() -> None:
    assert isinstance(probe_of(component(), GROUP, TRUST), Probe)
    assert isinstance(probe_of(component(healthKind="tcp"), GROUP, TRUST), Probe)
    probe = probe_of(component(healthTimeoutSeconds=7), GROUP, TRUST)
    assert isinstance(probe, Probe) and probe.seconds == 7


@pytest.mark.parametrize("seconds", [0, -1, 301, 2**31 - 1, 1e300, "7", None, True])
def test_a_time_that_no_release_can_ask_for_is_not_given(seconds: object) -> None:
    probe = probe_of(component(healthTimeoutSeconds=seconds), GROUP, TRUST)
    assert isinstance(probe, Probe) and 1 <= probe.seconds <= PROBE_SECONDS


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://elsewhere.example",
        f"{OWN}.elsewhere.example",
        f"{OWN}:8443",
        "https://169.254.169.254",
        "",
        "http://studio.example.azurecontainerapps.io",
        "https://user@studio.example.azurecontainerapps.io",
        f"{OWN}/path",
        "https://[",
        f"{OWN}:99999",
    ],
)
def test_no_other_address_is_asked(endpoint: str) -> None:
    for kind in ("http", "tcp"):
        seen, reason = sight(probe_of(component(endpoint=endpoint, healthKind=kind), GROUP, TRUST))
        assert seen == "fails" and reason.startswith("not asked: ")


def test_the_address_must_be_that_of_the_components_own_resource() -> None:
    other = ID.replace("studio", "scheduler")
    group = Group(provisioning={ID.lower(): "Succeeded", other.lower(): "Succeeded"}, endpoints={other.lower(): OWN})
    assert sight(probe_of(component(), group, TRUST))[0] == "fails"
    assert sight(probe_of(component(resourceId=""), GROUP, TRUST))[0] == "fails"


def test_what_is_known_without_a_probe() -> None:
    assert sight(probe_of(component(), Group(provisioning={}), TRUST))[0] == "down"
    assert sight(probe_of(component(state="vanished"), GROUP, TRUST))[0] == "unprobed"
    assert sight(probe_of(component(healthKind="none"), GROUP, TRUST)) == ("unprobed", "it has no probe")
    assert sight(probe_of(component(healthKind="arm", resourceId=""), GROUP, TRUST))[0] == "fails"
    assert sight(probe_of(component(healthKind="arm"), GROUP, TRUST)) == ("answers", "")


@pytest.mark.parametrize(
    ("provisioning", "availability", "expected"),
    [
        ("Succeeded", None, "answers"),
        ("", None, "answers"),
        ("Succeeded", "Available", "answers"),
        ("Succeeded", "Unknown", "answers"),
        ("Failed", None, "fails"),
        ("Canceled", "Available", "fails"),
        ("Updating", None, "impaired"),
        ("Succeeded", "Degraded", "impaired"),
        ("Succeeded", "Unavailable", "down"),
        ("Deleting", None, "down"),
    ],
)
def test_what_arm_says(provisioning: str, availability: str | None, expected: str) -> None:
    platform = None if availability is None else Availability(availability, "words")
    assert judge_resource(provisioning, platform).sight == expected


@given(st.text(), st.integers(100, 599))
def test_no_path_breaks_out_of_the_request(path: str, status: int) -> None:
    request = HttpTarget(host="studio.example", port=443, path=f"/{path}", expected_status=status).request
    assert request.count(b"\r\n") == 7 and request.endswith(b"\r\n\r\n")
    assert request.startswith(b"GET /") and request.split(b"\r\n")[0].count(b" ") == 2
    assert b"\r\nHost: studio.example\r\n" in request


def test_an_address_with_a_port_and_one_of_ipv6() -> None:
    assert target_of("https://studio.example:8443") == HttpTarget(host="studio.example", port=8443)
    target = target_of("https://[2001:db8::1]:8443")
    assert target is not None and b"Host: [2001:db8::1]:8443" in target.request


def test_a_probe_that_never_comes_back_is_left_behind_and_its_place_taken() -> None:
    for_ever = threading.Event()
    begun: list[int] = []

    def hang(_deadline: Deadline) -> Observation:
        for_ever.wait()
        return Observation("answers")

    def answer(_deadline: Deadline) -> Observation:
        begun.append(1)
        return Observation("answers")

    probes = [Probe(seconds=0.01, look=hang), *[Probe(seconds=5, look=answer)] * 5]
    seen = run_probes(probes, clock=SYSTEM_CLOCK, on_progress=lambda _: None, at_once=1)
    for_ever.set()
    assert seen == [Observation("fails", "no whole answer within 0.01 s"), *[Observation("answers")] * 5]
    assert len(begun) == 5


def test_after_the_time_for_all_nothing_begins() -> None:
    probes = [Probe(seconds=1, look=lambda _: Observation("answers"))] * 3
    assert (
        run_probes(probes, clock=SYSTEM_CLOCK, on_progress=lambda _: None, at_once=0, all_seconds=0.01)
        == [NOT_REACHED] * 3
    )


def test_a_probe_that_fails_by_itself_says_so() -> None:
    def broken(_deadline: Deadline) -> Observation:
        raise ZeroDivisionError

    (seen,) = run_probes([Probe(seconds=1, look=broken)], clock=SYSTEM_CLOCK, on_progress=lambda _: None)
    assert seen == Observation("fails", "the probe itself failed: ZeroDivisionError")


def test_no_component_no_probe() -> None:
    assert run_probes([], clock=SYSTEM_CLOCK, on_progress=lambda _: None) == []


def rule(name: str, *groups: str, enabled: bool = True) -> AlertRule:
    return AlertRule(name=name, enabled=enabled, groups=frozenset(groups))


def group(name: str = "operators", *, enabled: bool = True, receivers: int = 1) -> ActionGroup:
    return ActionGroup(group_id=f"/{name}", name=name, enabled=enabled, receivers=receivers)


def test_alert_rules_must_be_there_be_on_and_lead_to_somebody() -> None:
    groups = [group(), group("asleep", receivers=0)]
    assert judge_rules([], groups).sight == "down"
    assert judge_rules([rule("a", "/operators"), rule("b", "/asleep", "/operators")], groups) == Observation("answers")
    assert judge_rules([rule("a", "/operators", enabled=False)], groups) == Observation("down", "switched off: a")
    assert judge_rules([rule("a", "/operators"), rule("b")], groups) == Observation(
        "impaired", "nobody gets the alerts of: b"
    )
    assert judge_rules([rule("a", "/asleep")], groups).sight == "down"
    assert judge_rules([rule("a", "/unknown")], groups).sight == "down"


def test_an_action_group_must_be_on_and_reach_somebody() -> None:
    assert judge_groups([]).sight == "down"
    assert judge_groups([group()]) == Observation("answers")
    assert judge_groups([group(enabled=False)]) == Observation("down", "operators (switched off)")
    assert judge_groups([group(), group("asleep", receivers=0)]) == Observation(
        "impaired", "asleep (nobody receives it)"
    )
