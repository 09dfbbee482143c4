"""Check the PUT of a firewall policy, and read the custom rules that are in force. Pure.

Faithful: at most 100 custom rules, and at most 600 addresses in one condition; a rule matches if all of its conditions
hold; rules are asked in the order of their priorities. The lab knows only rules about the client's address
(`RemoteAddr`, `IPMatch`) and refuses all others. It does not apply the managed rules. Not documented, so chosen here:
the codes of the refusals, and that an empty list and a malformed address are refused.

Sources: learn rest/api/application-gateway "web application firewall policies"; web-application-firewall/ag
"custom-waf-rules-overview"; includes/application-gateway-limits; infra/types (property names).
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.arm.requests import ArmRefusal, only_fields
from lab.arm.resources import Resource

FIELDS = {"id", "name", "type", "etag", "location", "tags", "properties"}
READ_ONLY = {"provisioningState", "resourceState", "applicationGateways", "httpListeners", "pathBasedRules"}
VALUES = {"policySettings", "customRules", "managedRules"}
RULE_FIELDS = {"name", "etag", "priority", "state", "ruleType", "matchConditions", "action"}
CONDITION_FIELDS = {"matchVariables", "operator", "negationConditon", "matchValues", "transforms"}
MAX_RULES, MAX_ADDRESSES = 100, 600
ALLOW = "Allow"
ACTIONS = (ALLOW, "Block")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition. It holds if the client's address is in one of `ranges`. A negated one holds if it is in none."""

    ranges: tuple[str, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. It acts if all of its conditions hold: it lets a request in (`allows`), or blocks it."""

    allows: bool
    conditions: tuple[Condition, ...]


def replaced(found: Resource, body: Mapping[str, Any], *, etag: str, state: str) -> Resource:
    """Return the policy that a PUT's body asks for in place of `found`; ArmRefusal 400 if it is invalid.

    state: how the PUT ends.
    """
    sent = only_fields(body.get("properties"), {*READ_ONLY, *VALUES}, "'properties'")
    if not (sent.get("managedRules") or {}).get("managedRuleSets"):
        raise _invalid("A policy needs at least one managed rule set.")
    rules = [_rule(one) for one in sent.get("customRules") or []]
    if len(rules) > MAX_RULES:
        raise _invalid(f"The policy has {len(rules)} custom rules; at most {MAX_RULES} are allowed.")
    for field in ("name", "priority"):
        if len({rule[field] for rule in rules}) != len(rules):
            raise _invalid(f"Two custom rules have the same {field}.")
    kept = {name: value for name, value in found["properties"].items() if name in READ_ONLY}
    settings = {"state": "Enabled", "mode": "Detection", "requestBodyCheck": True, **(sent.get("policySettings") or {})}
    kept["provisioningState"] = state
    properties = {**kept, "policySettings": settings, "customRules": rules, "managedRules": sent["managedRules"]}
    return {**found, "tags": dict(body.get("tags") or {}), "etag": etag, "properties": properties}


def rules_in_force(policy: Resource) -> list[Rule]:
    """Return the rules that act, in the order in which they are asked. If the policy only detects, no rule acts."""
    settings: Mapping[str, Any] = policy["properties"]["policySettings"]
    if settings["state"] != "Enabled" or settings["mode"] != "Prevention":
        return []
    listed: Sequence[Mapping[str, Any]] = policy["properties"]["customRules"]
    enabled = [rule for rule in listed if rule["state"] == "Enabled"]
    return [_in_force(rule) for rule in sorted(enabled, key=lambda rule: int(rule["priority"]))]


def _in_force(rule: Mapping[str, Any]) -> Rule:
    conditions = [
        Condition(tuple(one["matchValues"]), bool(one["negationConditon"])) for one in rule["matchConditions"]
    ]
    return Rule(rule["action"] == ALLOW, tuple(conditions))


def _rule(value: object) -> dict[str, Any]:
    rule = only_fields(value, RULE_FIELDS, "'customRules'")
    name, priority, action = rule.get("name"), rule.get("priority"), rule.get("action")
    state = rule.get("state", "Enabled")
    if not isinstance(name, str) or type(priority) is not int or not 1 <= priority <= MAX_RULES:
        raise _invalid(f"A custom rule has a name, and a priority from 1 to {MAX_RULES}.")
    if rule.get("ruleType") != "MatchRule" or action not in ACTIONS or state not in ("Enabled", "Disabled"):
        raise _invalid(f"The lab knows no such custom rule as '{name}'.")
    conditions = [_condition(one, name) for one in rule.get("matchConditions") or []]
    if not conditions:
        raise _invalid(f"Custom rule '{name}' has no condition.")
    made = {"name": name, "priority": priority, "ruleType": "MatchRule", "action": action}
    return {**made, "matchConditions": conditions, "state": state}


def _condition(value: object, rule: str) -> dict[str, Any]:
    condition = only_fields(value, CONDITION_FIELDS, f"a condition of '{rule}'")
    variables = condition.get("matchVariables")
    if variables != [{"variableName": "RemoteAddr"}] or condition.get("operator") != "IPMatch":
        raise _invalid(f"The lab knows only conditions on the client's address; '{rule}' has another one.")
    if condition.get("transforms"):
        raise _invalid(f"Custom rule '{rule}' transforms an address.")
    values = condition.get("matchValues") or []
    if not 1 <= len(values) <= MAX_ADDRESSES:
        message = f"A condition of custom rule '{rule}' has {len(values)} addresses; 1 to {MAX_ADDRESSES} are allowed."
        raise ArmRefusal(400, "ApplicationGatewayFirewallMatchValuesLimit", message)
    for one in values:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError as error:
            raise _invalid(f"'{one}' in custom rule '{rule}' is no address.") from error
    return {
        "matchVariables": variables,
        "operator": "IPMatch",
        "negationConditon": bool(condition.get("negationConditon", False)),
        "matchValues": list(values),
        "transforms": [],
    }


def _invalid(message: str) -> ArmRefusal:
    return ArmRefusal(400, "InvalidRequestContent", message)
