"""The account itself: changes of its tier and its identity, and the job minutes that it counts.

Faithful: PATCH of `sku` and `identity`; the three usages of learn rest/api/automation, usages, with the limit of the
free tier, which is 500 minutes for all accounts of a subscription. The Basic tier has no limit. Left out: an account
over its limit suspends jobs. Every other change is refused.

The control API: `POST /automation/minutes {"used": 500}` puts the account into the free tier, with 500 minutes used.
"""

from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, only_fields
from lab.arm.resources import of_provider
from lab.automation.account import AutomationAccount
from lab.front.faults import InvalidFaultError

NAMESPACE, API_VERSIONS = "Microsoft.Automation", ("2024-10-23", "2023-11-01")
FREE, BASIC = "Free", "Basic"
FREE_MINUTES = 500
IDENTITIES = ("None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned")
# Usages: their names and units. Nodes belong to another service.
USAGES = (("AccountUsage", "Minute"), ("SubscriptionUsage", "Minute"), ("DscSubscriptionUsage", "Count"))


def register(arm: Arm, account: AutomationAccount) -> None:
    """Serve the changes and the usages."""
    used = {"minutes": 0.0}

    async def reset() -> None:
        used["minutes"] = 0.0

    def tier(name: str) -> None:
        found = arm.managed.get(account.arm_id)
        if found is None:
            raise InvalidFaultError("the account is deleted")
        arm.managed.add([{**found, "properties": {**found["properties"], "sku": {"name": name}}}])

    async def use(body: object) -> object:
        if not isinstance(body, dict) or set(body) != {"used"} or not isinstance(body["used"], int):
            raise InvalidFaultError("minutes are {used}, a whole number")
        used["minutes"] = float(body["used"])
        tier(FREE)
        return body

    async def patch(request: web.Request, _names: Names) -> web.Response:
        sent = await json_body(request, {"properties", "identity"})
        properties = only_fields(sent.get("properties", {}), {"sku"}, "properties")
        sku = only_fields(properties.get("sku", {"name": BASIC}), {"name"}, "sku")
        if sku.get("name") not in (FREE, BASIC):
            raise ArmRefusal(400, "BadRequest", f"The sku '{sku.get('name')}' is not one of {FREE}, {BASIC}.")
        if "sku" in properties:
            tier(str(sku["name"]))
        found = arm.managed.get(account.arm_id) or {}
        if "identity" in sent:
            arm.managed.add([{**found, "identity": _identity(sent["identity"])}])
        return web.json_response(of_provider(arm.managed.get(account.arm_id) or {}))

    async def usages(_request: web.Request, _names: Names) -> web.Response:
        found = arm.managed.get(account.arm_id) or {}
        limited = found["properties"]["sku"]["name"] == FREE
        return web.json_response({"value": [_usage(name, unit, used["minutes"], limited) for name, unit in USAGES]})

    arm.lab.on_reset.append(reset)
    arm.lab.controls["POST", "/automation/minutes"] = use
    arm.provider(NAMESPACE, "automationAccounts/{account}", API_VERSIONS, {"PATCH": patch})
    arm.provider(NAMESPACE, "automationAccounts/{account}/usages", API_VERSIONS, {"GET": usages})


def _identity(sent: object) -> dict[str, Any]:
    identity = only_fields(sent, {"type", "userAssignedIdentities"}, "identity")
    assigned = identity.get("userAssignedIdentities", {})
    if identity.get("type") not in IDENTITIES or not isinstance(assigned, dict):
        raise ArmRefusal(400, "BadRequest", f"An identity's type is one of {', '.join(IDENTITIES)}.")
    return identity


def _usage(name: str, unit: str, minutes: float, limited: bool) -> dict[str, Any]:
    of_jobs = unit == "Minute"
    return {
        "name": {"value": name, "localizedValue": name},
        "unit": unit,
        "currentValue": minutes if of_jobs else 0.0,
        "limit": (FREE_MINUTES if limited else -1) if of_jobs else 5,
        "throttleStatus": "NotThrottled",
    }
