"""The Automation account: its tier, its identity and its used minutes, through the official client."""

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from tests.support.automation import automation
from tests.support.running_lab import LabUnderTest


def test_the_free_tier_counts_minutes_and_the_basic_tier_has_no_limit(lab: LabUnderTest) -> None:
    def limits() -> dict[str, tuple[float | None, int | None]]:
        listed = client.usages.list_by_automation_account(*at)
        return {str(one.name and one.name.value): (one.current_value, one.limit) for one in listed}

    with automation(lab) as account:
        client, at = account.client, account.at
        assert limits() == {"AccountUsage": (0, -1), "SubscriptionUsage": (0, -1), "DscSubscriptionUsage": (0, 5)}
        lab.control("POST", "/automation/minutes", {"used": 500})
        assert limits()["AccountUsage"] == (500, 500)
        client.automation_account.update(*at, {"properties": {"sku": {"name": "Basic"}}})
        assert limits()["AccountUsage"] == (500, -1)
        with pytest.raises(HttpResponseError, match="BadRequest"):
            client.automation_account.update(*at, {"properties": {"sku": {"name": "Premium"}}})
        lab.control("POST", "/automation/minutes", {"used": "many"}, status=400)


def test_an_identity_is_taken_and_given(lab: LabUnderTest) -> None:
    with automation(lab) as account:
        client, at = account.client, account.at
        held = client.automation_account.get(*at).identity
        assert held is not None and held.user_assigned_identities
        (uami,) = held.user_assigned_identities
        made = client.automation_account.update(*at, {"identity": {"type": "None"}})
        assert made.identity is not None and not made.identity.user_assigned_identities
        given: Any = {"type": "UserAssigned", "userAssignedIdentities": {uami: {}}}
        made = client.automation_account.update(*at, {"identity": given})
        assert made.identity is not None and list(made.identity.user_assigned_identities or {}) == [uami]
        with pytest.raises(HttpResponseError, match="BadRequest"):
            client.automation_account.update(*at, {"identity": {"type": "Nobody"}})
