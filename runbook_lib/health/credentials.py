"""Decide whether the credentials will go on working: one that ends unnoticed stops imports and reports. Pure.

The result is recorded like a component's health, in partition OBSERVABILITY of table Components, so that an alert rule
on the operations log tells somebody.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from runbook_lib.health.rules import Observation
from runbook_lib.vault.credential_states import CredentialState

WORKING = "credentials"
# Time enough for a renewal that somebody must approve.
EXPIRES_SOON_DAYS = 30


def judge_credentials(states: Sequence[CredentialState], now: datetime) -> Observation:
    """Return whether each credential works, and will for EXPIRES_SOON_DAYS.

    One that is not provisioned yet is expected later, and no illness.
    """
    useless = [f"{each.id} is {each.state}" for each in states if each.state not in ("enabled", "not provisioned")]
    if useless:
        return Observation("down", "; ".join(useless))
    soon = now + timedelta(days=EXPIRES_SOON_DAYS)
    ending = [
        f"{each.id} ends on {each.expires:%Y-%m-%d}"
        for each in states
        if each.state == "enabled" and each.expires is not None and each.expires < soon
    ]
    return Observation("impaired", "; ".join(ending)) if ending else Observation("answers")
