"""The facts of a gateway and of its firewall policy, and the one member of each that a change replaces."""

import copy
from typing import Any

import pytest

from runbook_lib.application_gateway import firewall
from runbook_lib.application_gateway.address_ranges import AddressRanges
from runbook_lib.application_gateway.gateway import read_gateway, with_secret
from runbook_lib.application_gateway.listener import is_same_secret
from runbook_lib.errors import RunbookError
from tests.support.gateway_resources import PLACEHOLDER, gateway_resource, policy_resource

WANTED = "https://vibedata-kv.vault.azure.net/secrets/vibedata-tls"
RANGES = AddressRanges(customer=("203.0.113.0/24", "2001:db8::/32"), publisher=("198.51.100.17/32",))
OTHER = {"name": "NoRobots", "priority": 7, "ruleType": "MatchRule", "action": "Block", "matchConditions": []}


def without(resource: dict[str, Any], *path: str) -> dict[str, Any]:
    changed = copy.deepcopy(resource)
    at = changed
    for name in path[:-1]:
        at = at[name]
    del at[path[-1]]
    return changed


def test_the_facts_of_a_gateway() -> None:
    found = read_gateway(gateway_resource())
    assert (found.name, found.etag, found.state) == ("vibedata-gateway", 'W/"1"', "succeeded")
    assert (found.secret_id, found.stopped, found.of_cluster) == (PLACEHOLDER, False, ())
    assert read_gateway(gateway_resource(operationalState="Stopped")).stopped
    assert read_gateway(gateway_resource(operationalState="Stopping")).stopped
    owned = {**gateway_resource(), "tags": {"managed-by-k8s-ingress": "1.5.3"}}
    assert read_gateway(owned).of_cluster == ("managed-by-k8s-ingress",)
    assert read_gateway(without(gateway_resource(), "tags")).of_cluster == ()


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (without(gateway_resource(), "properties", "httpListeners"), "VD-GATEWAY-006"),
        (without(gateway_resource(), "properties", "sslCertificates"), "VD-GATEWAY-006"),
        (gateway_resource(httpListeners=[{"name": "https", "properties": {}}]), "VD-GATEWAY-006"),
        (gateway_resource(httpListeners=["https"]), "VD-ARM-001"),
        (gateway_resource(sslCertificates={"name": "listener"}), "VD-ARM-001"),
    ],
)
def test_a_gateway_without_the_listener_is_refused(resource: dict[str, Any], code: str) -> None:
    with pytest.raises(RunbookError) as caught:
        read_gateway(resource)
    assert caught.value.code == code


def test_only_the_listeners_certificate_changes() -> None:
    before = gateway_resource(backendAddressPools=[{"name": "theirs", "properties": {"unknown": [1, None]}}])
    kept = copy.deepcopy(before)
    after = with_secret(before, WANTED)
    assert before == kept
    theirs, ours = after["properties"]["sslCertificates"]
    assert ours == {"name": "listener", "properties": {"keyVaultSecretId": WANTED}}
    assert theirs == kept["properties"]["sslCertificates"][0]
    rest = {name: value for name, value in after["properties"].items() if name != "sslCertificates"}
    assert rest == {name: value for name, value in kept["properties"].items() if name != "sslCertificates"}
    assert {**after, "properties": 0} == {**kept, "properties": 0}
    assert read_gateway(after).secret_id == WANTED


@pytest.mark.parametrize(
    "never_renewed",
    ["", f"{WANTED}/0123456789abcdef0123456789abcdef", WANTED.replace("/secrets/", "/certificates/"), PLACEHOLDER],
)
def test_an_address_that_is_never_renewed_is_another_one(never_renewed: str) -> None:
    assert not is_same_secret(WANTED, never_renewed)
    assert is_same_secret(WANTED, f"{WANTED}/")


def test_the_same_secret_in_other_letters() -> None:
    assert is_same_secret(WANTED, "https://VIBEDATA-KV.vault.azure.net/secrets/Vibedata-TLS/")
    assert not is_same_secret(WANTED, "https://other-kv.vault.azure.net/secrets/vibedata-tls")


def test_the_rule_is_seen_as_it_was_written() -> None:
    assert firewall.seen(policy_resource()) is None
    assert firewall.seen(policy_resource(firewall.rule_of(RANGES))) == str(RANGES)
    shown = copy.deepcopy(dict(firewall.rule_of(RANGES)))
    shown |= {"state": "Enabled", "action": "block"}  # as ARM shows it
    for condition in shown["matchConditions"]:
        condition["transforms"] = []
        condition["matchValues"].reverse()
    assert firewall.seen(policy_resource(OTHER, shown)) == str(RANGES)


def test_a_rule_of_a_policy_that_failed_is_not_the_wanted_one() -> None:
    policy = policy_resource(firewall.rule_of(RANGES))
    assert firewall.shown(policy) == str(RANGES)
    policy["properties"]["provisioningState"] = "Failed"
    assert firewall.shown(policy) == f"{RANGES}, and the policy has failed"
    without = policy_resource()
    without["properties"]["provisioningState"] = "Failed"
    assert firewall.shown(without) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"action": "Allow"},
        {"action": "Log"},
        {"state": "Disabled"},
        {"ruleType": "RateLimitRule"},
        {"priority": 2},
        {"matchConditions": firewall.rule_of(RANGES)["matchConditions"][:1]},
        {
            "matchConditions": [
                {**each, "negationConditon": False} for each in firewall.rule_of(RANGES)["matchConditions"]
            ]
        },
        {"matchConditions": [{**each, "operator": "Any"} for each in firewall.rule_of(RANGES)["matchConditions"]]},
        {
            "matchConditions": [
                {**each, "matchVariables": [{"variableName": "RequestUri"}]}
                for each in firewall.rule_of(RANGES)["matchConditions"]
            ]
        },
    ],
)
def test_a_rule_that_blocks_others_is_no_longer_the_wanted_one(changed: dict[str, Any]) -> None:
    assert firewall.seen(policy_resource({**firewall.rule_of(RANGES), **changed})) == firewall.OTHER_FORM


def test_only_the_rule_changes_and_it_comes_first() -> None:
    first = AddressRanges(customer=("192.0.2.0/24",), publisher=RANGES.publisher)
    for before in (policy_resource(OTHER), policy_resource(OTHER, firewall.rule_of(first))):
        after = firewall.with_ranges(before, RANGES)
        assert after["properties"]["customRules"] == [firewall.rule_of(RANGES), OTHER]
        assert after["properties"]["managedRules"] == before["properties"]["managedRules"]
        assert firewall.seen(after) == str(RANGES)


def test_a_policy_that_blocks_nobody() -> None:
    policy = policy_resource()
    assert firewall.why_idle(policy) == ""
    policy["properties"]["policySettings"]["mode"] = "Detection"
    assert "only detects" in firewall.why_idle(policy)
    policy["properties"]["policySettings"]["state"] = "Disabled"
    assert "switched off" in firewall.why_idle(policy)


@pytest.mark.parametrize(
    "rules", [{"name": firewall.RULE}, ["text"], [{"name": firewall.RULE, "matchConditions": [1, 2]}]]
)
def test_an_unreadable_policy_is_refused(rules: Any) -> None:
    policy = policy_resource()
    policy["properties"]["customRules"] = rules
    with pytest.raises(RunbookError) as caught:
        firewall.seen(policy)
    assert caught.value.code == "VD-ARM-001"
