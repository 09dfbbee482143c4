"""What is reported about credentials that expire: a function of their states."""

from datetime import datetime, timedelta, timezone

import pytest

from runbook_lib.health.credentials import EXPIRES_SOON_DAYS, judge_credentials
from runbook_lib.health.rules import Observation
from runbook_lib.vault.credential_states import CredentialState, SecretState

NOW = datetime(2026, 11, 29, tzinfo=timezone.utc)
WELL = Observation("answers")


def token(state: SecretState = "enabled", expires: datetime | None = None) -> CredentialState:
    return CredentialState(kind="registry-token", id="publisher-acr-token", state=state, expires=expires)


def key(state: SecretState = "enabled", expires: datetime | None = None) -> CredentialState:
    return CredentialState(kind="hmac-key", id="hmac-key", state=state, expires=expires)


@pytest.mark.parametrize("state", ["absent", "disabled", "expired", "not yet valid"])
def test_what_does_not_work_is_down_and_all_of_it_is_named(state: SecretState) -> None:
    assert judge_credentials([token(state), key()], NOW) == Observation("down", f"publisher-acr-token is {state}")
    both = judge_credentials([token(state), key(state)], NOW)
    assert both == Observation("down", f"publisher-acr-token is {state}; hmac-key is {state}")


def test_what_ends_within_the_days_is_told_before_it_ends() -> None:
    last = NOW + timedelta(days=EXPIRES_SOON_DAYS)
    assert judge_credentials([token(expires=last), key()], NOW) == WELL
    soon = judge_credentials([token(expires=last - timedelta(seconds=1)), key()], NOW)
    assert soon == Observation("impaired", "publisher-acr-token ends on 2026-12-28")


def test_a_key_that_is_not_provisioned_yet_and_a_credential_without_an_end_are_well() -> None:
    assert judge_credentials([token(), key("not provisioned")], NOW) == WELL
