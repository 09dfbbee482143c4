"""The publisher's keys: their records in table HmacKeys, and their bytes in the vault."""

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.keyvault.keys import JsonWebKey, KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

from publisher.custody.key_records import KeyRecord, KeyState
from publisher.custody.key_secrets import secret_name
from publisher.custody.wrapping import wrap
from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import RunbookError
from runbook_lib.network.retry import may_have_been_carried_out
from runbook_lib.vault.hmac_key import KEY_BYTES
from tests.support.publisher_side import PublisherSide, publisher_side
from tests.support.running_lab import LabUnderTest

INSTANCE = "customer-1"
KEY_ID = "hmac-0123456789abcdef"
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc)
RECORD = KeyRecord(
    instance_id=INSTANCE, key_id=KEY_ID, state="pending", rotation_id="r-1", created_at="2026-11-23T10:00:00.000000Z"
)


@pytest.fixture
def side(lab: LabUnderTest) -> Iterator[PublisherSide]:
    with publisher_side(lab) as opened:
        yield opened


def test_a_key_is_recorded_once_and_changed(side: PublisherSide) -> None:
    assert side.keys.read(INSTANCE, KEY_ID) is None
    assert list(side.keys.of_instance(INSTANCE)) == []
    assert side.keys.add(RECORD)
    assert not side.keys.add(replace(RECORD, state="revoked")), "who comes second changes nothing"
    assert side.keys.read(INSTANCE, KEY_ID) == RECORD
    side.keys.add(replace(RECORD, instance_id="customer-2"))
    known = side.keys.read(INSTANCE, KEY_ID)
    assert known is not None
    promoted = replace(known, state="current", promoted_at="2026-11-23T11:00:00.000000Z")
    assert side.keys.change(promoted)
    assert not side.keys.change(replace(known, state="retired")), "it was changed since it was read"
    assert side.keys.change(promoted), "the same write again, as after a lost answer"
    assert list(side.keys.of_instance(INSTANCE)) == [promoted]


@pytest.mark.parametrize(
    ("state", "until", "accepted"),
    [
        ("pending", None, True),
        ("current", None, True),
        ("previous", None, True),
        ("previous", NOW + timedelta(seconds=1), True),
        ("previous", NOW, False),
        ("retired", None, False),
        ("revoked", None, False),
    ],
)
def test_which_states_are_accepted(state: KeyState, until: datetime | None, accepted: bool) -> None:
    record = replace(RECORD, state=state, accept_until="" if until is None else rfc3339(until))
    assert record.accepted(NOW) is accepted


def test_a_key_is_kept_and_disabled(side: PublisherSide) -> None:
    key = secrets.token_bytes(KEY_BYTES)
    assert side.custody.read(INSTANCE, KEY_ID) is None
    assert not side.custody.enabled(INSTANCE, KEY_ID)
    for _ in range(2):  # as if an answer was lost
        side.custody.keep(INSTANCE, KEY_ID, key)
    assert side.custody.read(INSTANCE, KEY_ID) == key
    assert side.redactor.redact(base64.urlsafe_b64encode(key).decode()) != base64.urlsafe_b64encode(key).decode()
    side.custody.disable(INSTANCE, KEY_ID)
    assert not side.custody.enabled(INSTANCE, KEY_ID)
    assert side.custody.read(INSTANCE, KEY_ID) is None


def test_a_key_whose_answer_was_lost_is_stored_once(lab: LabUnderTest, side: PublisherSide) -> None:
    """Each PUT makes a version, so the write is not sent again. The caller looks whether the key is there."""
    lab.fault("reset_after", match={"service": "publisher_key_vault", "method": "PUT"})
    with pytest.raises(ServiceResponseError) as lost:
        side.custody.keep(INSTANCE, KEY_ID, bytes(KEY_BYTES))
    assert may_have_been_carried_out(lost.value)
    versions = side.clients.secrets.list_properties_of_secret_versions(secret_name(INSTANCE, KEY_ID))
    assert len(list(versions)) == 1
    assert side.custody.read(INSTANCE, KEY_ID) == bytes(KEY_BYTES)


def test_a_key_that_the_vault_shows_late_is_waited_for(lab: LabUnderTest, side: PublisherSide) -> None:
    lab.latency(operation="vaultVisibility", seconds=1, service="publisher_key_vault")
    side.custody.keep(INSTANCE, KEY_ID, bytes(KEY_BYTES))
    assert side.custody.read(INSTANCE, KEY_ID) == bytes(KEY_BYTES)
    lab.latency(operation="vaultVisibility", seconds=600, service="publisher_key_vault")
    with pytest.raises(RunbookError) as failed:
        side.custody.keep(INSTANCE, "hmac-fedcba9876543210", bytes(KEY_BYTES))
    assert failed.value.code == "VD-ROTATION-033"


@pytest.mark.parametrize("text", ["no base64url!", "c2hvcnQ", base64.b64encode(bytes(KEY_BYTES + 1)).decode()])
def test_what_is_no_key_is_refused_without_being_shown(side: PublisherSide, text: str) -> None:
    side.clients.secrets.set_secret(secret_name(INSTANCE, KEY_ID), text)
    with pytest.raises(RunbookError) as failed:
        side.custody.read(INSTANCE, KEY_ID)
    assert failed.value.code == "VD-ROTATION-032"
    assert text not in str(failed.value)


def jwk(key: JsonWebKey) -> str:
    return json.dumps(
        {"kty": "RSA", **{name: base64.urlsafe_b64encode(getattr(key, name)).decode().rstrip("=") for name in "ne"}}
    )


def test_the_customers_vault_unwraps_what_is_wrapped_for_it(lab: LabUnderTest, side: PublisherSide) -> None:
    credential = side.clients.credential
    with KeyClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as keys:
        key = keys.create_rsa_key("agreed", size=3072, key_operations=["wrapKey", "unwrapKey"])
        wrapped = wrap(b"a secret", jwk(key.key))
        with CryptographyClient(key, credential) as cryptography:
            raw = base64.urlsafe_b64decode(wrapped + "=" * (-len(wrapped) % 4))
            assert cryptography.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, raw).key == b"a secret"
        weak = keys.create_rsa_key("weak", size=2048, key_operations=["wrapKey", "unwrapKey"])
        with pytest.raises(RunbookError) as failed:
            wrap(b"a secret", jwk(weak.key))
    assert failed.value.code == "VD-ROTATION-030"
