"""The rule of the gateway's firewall policy that lets in known addresses only. Pure.

The policy has other writers and other rules. A change replaces only this rule and keeps everything else.

Source: REST reference, Web Application Firewall Policies, 2025-09-01.
"""

from collections.abc import Mapping
from typing import Any

from runbook_lib.application_gateway.address_ranges import AddressRanges, in_order
from runbook_lib.application_gateway.gateway import FAILED, state_of
from runbook_lib.basics.strict_json import member
from runbook_lib.errors import azure

TYPE = "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies"
# The rule's name in infra/modules/gateway.bicep.
RULE = "OnlyKnownAddresses"
OTHER_FORM = "a rule of another form"


def policy_name(prefix: str) -> str:
    """Return the name of an instance's firewall policy."""
    return f"{prefix}-gateway-waf"


def rule_of(ranges: AddressRanges) -> Mapping[str, Any]:
    """Return the rule. It blocks an address that is in neither list: it matches only if both conditions hold."""
    return {
        "name": RULE,
        "priority": 1,
        "ruleType": "MatchRule",
        "action": "Block",
        "matchConditions": [_condition(ranges.customer), _condition(ranges.publisher)],
    }


def seen(policy: Mapping[str, Any]) -> str | None:
    """Return the text of the policy's rule for a plan, None if there is no such rule.

    If the text is the text of some ranges, the rule is exactly the result of `rule_of` for these ranges.

    Raises:
        RunbookError: VD-ARM-001 if the policy cannot be read.
    """
    found = next((each for each in _rules(policy) if each.get("name") == RULE), None)
    if found is None:
        return None
    conditions = found.get("matchConditions")
    if not isinstance(conditions, list) or len(conditions) != 2:
        return OTHER_FORM
    ranges = AddressRanges(customer=_values(conditions[0]), publisher=_values(conditions[1]))
    return str(ranges) if _form(found) == _form(rule_of(ranges)) else OTHER_FORM


def shown(policy: Mapping[str, Any]) -> str | None:
    """Return what `seen` returns, with a note if Azure could not apply the policy.

    ARM also shows the wanted rule in the state Failed. Then nobody knows which rule blocks.

    Raises:
        RunbookError: VD-ARM-001 if the policy cannot be read.
    """
    rule = seen(policy)
    return rule if rule is None or state_of(policy) != FAILED else f"{rule}, and the policy has failed"


def with_ranges(policy: Mapping[str, Any], ranges: AddressRanges) -> Mapping[str, Any]:
    """Return a policy with the rule for these ranges. It is the first rule, because the template reads it there."""
    rules = [rule_of(ranges), *(each for each in _rules(policy) if each.get("name") != RULE)]
    return {**policy, "properties": {**policy["properties"], "customRules": rules}}


def why_idle(policy: Mapping[str, Any]) -> str:
    """Return why the policy's rules block nobody, "" if they block."""
    state, mode = (str(member(policy, "properties", "policySettings", name) or "") for name in ("state", "mode"))
    if state.lower() == "disabled":
        return "the firewall policy is switched off: it blocks nobody"
    return "the firewall policy only detects: it blocks nobody" if mode.lower() == "detection" else ""


def _condition(values: tuple[str, ...]) -> Mapping[str, Any]:
    return {
        "matchVariables": [{"variableName": "RemoteAddr"}],
        "operator": "IPMatch",
        "negationConditon": True,  # Azure spells it like this
        "matchValues": list(values),
    }


def _form(rule: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the members of a rule that decide its effect, without the ranges.

    ARM adds other members, and writes values with other capital letters.
    """
    return (
        rule.get("priority"),
        *(str(rule.get(name, "")).lower() for name in ("ruleType", "action")),
        str(rule.get("state") or "Enabled").lower(),
        *(
            (
                str(each.get("operator", "")).lower(),
                each.get("negationConditon"),
                [str(member(one, "variableName")).lower() for one in each.get("matchVariables") or ()],
                list(each.get("transforms") or ()),
            )
            for each in rule.get("matchConditions", ())
        ),
    )


def _values(condition: object) -> tuple[str, ...]:
    values = member(condition, "matchValues")
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise azure.ARM_ANSWER_UNCLEAR.error(f"a condition of rule {RULE} has no ranges")
    return in_order(values)


def _rules(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rules = member(policy, "properties", "customRules")
    if rules is None:
        return []
    if not isinstance(rules, list) or not all(isinstance(each, Mapping) for each in rules):
        raise azure.ARM_ANSWER_UNCLEAR.error("customRules is no list", target=str(policy.get("name", "")))
    return rules
