"""The plan of configure_gateway, a pure function of facts."""

from dataclasses import replace

import pytest

from runbook_lib.application_gateway.address_ranges import AddressRanges
from runbook_lib.application_gateway.gateway import Gateway, read_gateway
from runbook_lib.application_gateway.rules import ALLOW, CONNECT, REFRESH, Wanted, check_gateway, plan_gateway
from runbook_lib.errors import RunbookError
from tests.support.gateway_resources import PLACEHOLDER, POLICY_ID, gateway_resource

SECRET = "https://vibedata-kv.vault.azure.net/secrets/vibedata-tls"
RANGES = AddressRanges(customer=("203.0.113.0/24",), publisher=("198.51.100.0/24",))
EVERYTHING = Wanted(secret_id=SECRET, ranges=RANGES)
GATEWAY: Gateway = read_gateway(gateway_resource())


def kinds(wanted: Wanted, gateway: Gateway, rule: str | None) -> list[str]:
    return [change.action for change in plan_gateway(wanted, gateway, rule).changes]


def test_a_new_instance_gets_its_ranges_first_and_then_its_certificate() -> None:
    made = plan_gateway(EVERYTHING, GATEWAY, None)
    assert [(c.action, c.stage, c.before, c.after) for c in made.changes] == [
        ("allow", ALLOW.stage, None, str(RANGES)),
        ("connect", CONNECT.stage, PLACEHOLDER, SECRET),
    ]
    assert ALLOW.stage < CONNECT.stage


def test_there_is_nothing_to_do_if_all_is_right() -> None:
    made = plan_gateway(EVERYTHING, replace(GATEWAY, secret_id=f"{SECRET}/"), str(RANGES))
    assert made.changes == ()
    assert len(made.unchanged) == 2


@pytest.mark.parametrize("found", ["", f"{SECRET}/0123", SECRET.replace("/secrets/", "/certificates/")])
def test_an_address_that_is_never_renewed_is_replaced(found: str) -> None:
    assert kinds(EVERYTHING, replace(GATEWAY, secret_id=found), str(RANGES)) == ["connect"]


def test_without_a_certificate_in_the_vault_the_listener_keeps_its_placeholder() -> None:
    made = plan_gateway(Wanted(secret_id="", ranges=RANGES), GATEWAY, str(RANGES))
    assert made.changes == ()
    assert f"it keeps {PLACEHOLDER}" in made.unchanged[1].why


def test_without_known_ranges_the_rule_stays() -> None:
    assert kinds(Wanted(secret_id=SECRET, ranges=None), GATEWAY, "a rule of another form") == ["connect"]


@pytest.mark.parametrize("rule", [None, "a rule of another form", "1 of the customer"])
def test_another_rule_is_replaced(rule: str | None) -> None:
    assert kinds(EVERYTHING, replace(GATEWAY, secret_id=SECRET), rule) == ["allow"]


def test_the_vault_is_read_again_on_request_and_only_once() -> None:
    asked = replace(EVERYTHING, read_again=True)
    made = plan_gateway(asked, replace(GATEWAY, secret_id=SECRET), str(RANGES))
    assert [(change.action, change.subject) for change in made.changes] == [(REFRESH.name, GATEWAY.etag)]
    assert kinds(asked, GATEWAY, str(RANGES)) == ["connect"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"stopped": True}, "VD-GATEWAY-003"),
        ({"state": "failed"}, "VD-GATEWAY-004"),
        ({"of_cluster": ("managed-by-k8s-ingress",)}, "VD-GATEWAY-005"),
        ({"firewall_policy": ""}, "VD-GATEWAY-002"),
        ({"firewall_policy": POLICY_ID.replace("-waf", "-other")}, "VD-GATEWAY-002"),
    ],
)
def test_each_gateway_that_this_run_must_not_write_has_its_own_error(changed: dict[str, object], code: str) -> None:
    check_gateway(GATEWAY, policy_id=POLICY_ID.upper(), read_again=False)
    with pytest.raises(RunbookError) as caught:
        check_gateway(replace(GATEWAY, **changed), policy_id=POLICY_ID, read_again=False)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_a_failed_gateway_is_written_on_request() -> None:
    check_gateway(replace(GATEWAY, state="failed"), policy_id=POLICY_ID, read_again=True)
    with pytest.raises(RunbookError, match="VD-GATEWAY-003"):
        check_gateway(replace(GATEWAY, stopped=True), policy_id=POLICY_ID, read_again=True)
