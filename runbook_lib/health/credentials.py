"""Decide whether the credentials will go on working. If one expires unnoticed, imports or reports stop. Pure.

The result is recorded like a component's health, in partition OBSERVABILITY of table Components, so that an alert rule
on the operations log notifies somebody.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from runbook_lib.health.rules import Observation
from runbook_lib.vault.credential_states import CredentialState

WORKING = "credentials"
# Enough time for a renewal that somebody must approve.
EXPIRES_SOON_DAYS = 30


def judge_credentials(states: Sequence[CredentialState], now: datetime) -> Observation:
    """Return whether each credential works, and will still work in EXPIRES_SOON_DAYS days.

    A credential that is not provisioned yet will come later. It does not count as ill.
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
