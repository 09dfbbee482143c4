"""rotate_hmac over the wire, with the publisher's own callback API.

The tests of rotate_acr_token cover the common parts.
"""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobServiceClient

from publisher.custody.key_records import HmacKeys, KeyRecord, KeyState
from publisher.custody.key_secrets import secret_name
from runbook_lib.vault.hmac_key import SECRET
from runbooks import rotate_hmac
from tests.support.log_reader import table_rows
from tests.support.rotation_rig import PHASES, Rotation, Vault, base64url, vault
from tests.support.runbook_run import QuickClock
from tests.support.running_lab import LabUnderTest

PENDING = f"{SECRET}-pending"
NOW = {"overlap_seconds": 0}


class LateClock(QuickClock):
    """This machine's clock, ten minutes behind."""

    def now(self) -> datetime:
        return super().now() - timedelta(minutes=10)


def key_of(digit: int) -> bytes:
    """Return a known key. Its bytes are not text in any encoding by chance."""
    return bytes((digit * 37 + place * 11) % 256 for place in range(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """The publisher's table and vault, which its callback API reads."""

    lab: LabUnderTest
    keys: HmacKeys
    secrets: SecretClient
    made: list[str] = field(default_factory=list)

    @property
    def instance(self) -> str:
        return self.lab.env["VIBEDATA_SUBSCRIPTION_ID"]

    def rotation(self, *, registered: bool = True, **given: Any) -> Rotation:
        """Make a key that the publisher knows, unless `registered` is false, and the rotation that brings it."""
        digit = len(self.made) + 1
        turn = Rotation(
            lab=self.lab,
            runbook=rotate_hmac.RUNBOOK,
            id_name="key_id",
            credential_id=f"hmac-{digit:016x}",
            content=key_of(digit),
            **given,
        )
        self.made.append(turn.credential_id)
        self.secrets.set_secret(secret_name(self.instance, turn.credential_id), base64url(turn.content))
        if registered:
            self.keys.add(self.record(turn, "pending"))
        return turn

    def change(self, turn: Rotation, state: KeyState) -> None:
        known = self.keys.read(self.instance, turn.credential_id)
        assert known is not None and self.keys.change(replace(known, state=state))

    def record(self, turn: Rotation, state: KeyState) -> KeyRecord:
        return KeyRecord(
            instance_id=self.instance,
            key_id=turn.credential_id,
            state=state,
            rotation_id=turn.rotation_id,
            created_at="2026-11-25T12:00:00Z",
        )


@contextmanager
def publisher_of(lab: LabUnderTest) -> Iterator[Publisher]:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        TableServiceClient(endpoint=lab.env["VIBEDATA_PUBLISHER_TABLE_ENDPOINT"], credential=credential) as tables,
        SecretClient(lab.env["VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT"], credential) as secrets,
    ):
        yield Publisher(lab=lab, keys=HmacKeys(tables), secrets=secrets)


@pytest.fixture
def publisher(lab: LabUnderTest) -> Iterator[Publisher]:
    with publisher_of(lab) as opened:
        yield opened


@pytest.fixture
def customer(lab: LabUnderTest) -> Iterator[Vault]:
    with vault(lab) as opened:
        yield opened


def pings(lab: LabUnderTest) -> list[int]:
    """Return the publisher's answers to pings."""
    return [entry["status"] for entry in lab.journal(service="publisher_api") if entry["path"].endswith("/ping")]


def test_a_first_key_and_its_rotation(lab: LabUnderTest, publisher: Publisher, customer: Vault) -> None:
    first = publisher.rotation()
    states = []
    for phase in PHASES:  # no key was in use before, so there is no wait
        first.succeed(phase)
        states.append(first.report["state"])
        assert first.succeed(phase).status == "unchanged"
    assert states == ["prepared", "pending", "tested", "promoted", "retired"]
    assert pings(lab) == [200]
    publisher.change(first, "current")

    second = publisher.rotation()
    second.through("promote")
    assert customer.enabled(SECRET) == [second.rotation_id, first.rotation_id]
    assert second.run("retire").error_code == "VD-ROTATION-007"
    second.succeed("retire", **NOW)
    assert customer.enabled(SECRET) == [second.rotation_id] and customer.enabled(PENDING) == []
    held = customer.secrets.get_secret(SECRET)
    assert held.value == base64url(second.content)
    assert (held.properties.tags or {})["keyId"] == second.credential_id
    assert pings(lab) == [200, 200]


def test_a_key_that_the_publisher_does_not_take(lab: LabUnderTest, publisher: Publisher, customer: Vault) -> None:
    turn = publisher.rotation(registered=False)
    turn.through("stage")
    refused = turn.run("test")
    assert refused.error_code == "VD-ROTATION-009", refused.text
    assert turn.run("promote").error_code == "VD-ROTATION-001"
    assert customer.enabled(SECRET) == [] and pings(lab) == [401]
    publisher.keys.add(publisher.record(turn, "pending"))
    turn.through("promote")
    assert customer.enabled(SECRET) == [turn.rotation_id]


def test_a_publisher_that_is_away_and_answers_that_are_lost(lab: LabUnderTest, publisher: Publisher) -> None:
    turn = publisher.rotation()
    turn.through("stage")
    lab.fault("status", status=503, times=0, match={"service": "publisher_api"})
    assert turn.run("test").error_code == "VD-CALLBACK-020"
    lab.clear_faults()
    lab.fault("reset_after", match={"service": "publisher_api"})
    turn.succeed("test")
    assert turn.report["state"] == "tested"


def test_a_clock_that_is_wrong_is_reported_with_both_times(publisher: Publisher) -> None:
    turn = publisher.rotation()
    turn.through("stage")
    refused = turn.run("test", clock=LateClock())
    assert refused.error_code == "VD-CALLBACK-021", refused.text
    assert pings(publisher.lab) == [401]


@pytest.mark.parametrize("size", [0, 7, 31, 33, 64])
def test_what_is_no_key_is_not_stored(publisher: Publisher, customer: Vault, size: int) -> None:
    turn = publisher.rotation()
    turn.content = bytes(size)
    turn.succeed("prepare")
    assert turn.run("stage").error_code == "VD-ROTATION-006"
    assert customer.enabled(PENDING) == []


@pytest.mark.parametrize("key_id", ["", "key-1", "hmac-" + "A" * 16, "hmac-" + "1" * 17])
def test_malformed_key_ids_are_refused(publisher: Publisher, key_id: str) -> None:
    turn = publisher.rotation()
    turn.succeed("prepare")
    turn.credential_id = key_id
    assert turn.run("stage").error_code == "VD-PARAM-002"


def forms(key: bytes) -> Iterator[bytes]:
    """Yield the forms in which a key's bytes may occur."""
    text = base64url(key)
    yield key
    for shown in (key.hex(), text, base64.b64encode(key).decode()):
        yield shown.encode()
        yield shown.upper().encode()
        yield shown.encode("utf-16-le")
        yield base64.b64encode(shown.encode())
        yield urllib.parse.quote(shown, safe="").encode()
    yield urllib.parse.quote_from_bytes(key, safe="").encode()
    yield json.dumps(list(key))[1:-1].encode()
    yield json.dumps(key.decode("latin-1"))[1:-1].encode()
    yield str(key)[2:-1].encode()
    for skipped in range(1, 3):
        whole = key[skipped : skipped + (len(key) - skipped) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)


def left_behind(lab: LabUnderTest) -> Iterator[tuple[str, bytes]]:
    """Yield everything that runs leave outside of the vaults: tables of both sides, blobs, the log, the journal."""
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        for side in ("VIBEDATA_TABLE_ENDPOINT", "VIBEDATA_PUBLISHER_TABLE_ENDPOINT"):
            with TableServiceClient(endpoint=lab.env[side], credential=credential) as tables:
                for table in tables.list_tables():
                    with tables.get_table_client(table.name) as content:
                        yield table.name, repr(list(content.list_entities())).encode()
        with BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential) as blobs:
            for container in blobs.list_containers():
                with blobs.get_container_client(container.name) as held:
                    for name in held.list_blob_names():
                        yield name, held.download_blob(name).readall()
    yield "operations log", json.dumps(table_rows(lab), default=str, ensure_ascii=False).encode()
    yield "journal", json.dumps(lab.journal()).encode()


def test_the_key_is_nowhere_but_in_the_vaults(lab: LabUnderTest, publisher: Publisher, customer: Vault) -> None:
    for table in ("Schema", "Credentials"):
        customer.tables.create_table(table)
    sought: dict[bytes, str] = {}
    streams = []
    for _ in range(2):
        turn = publisher.rotation()
        sought |= {form: turn.credential_id for form in forms(turn.content) if len(form) >= 8}
        streams += [turn.succeed(phase, **NOW).text for phase in PHASES]
    unknown = publisher.rotation(registered=False)
    sought |= {form: unknown.credential_id for form in forms(unknown.content) if len(form) >= 8}
    streams += [unknown.run(phase).text for phase in ("prepare", "stage", "test", "promote")]
    # While the key is in memory, there is an answer that the suite does not know. Its traceback goes to the verbose
    # stream.
    lab.fault("status", status=418, times=0, match={"service": "key_vault", "method": "PATCH"})
    publisher.keys.add(publisher.record(unknown, "pending"))
    failed = unknown.run("test")
    assert failed.error_code == "VD-ENGINE-900" and "Traceback" in failed.text
    lab.clear_faults()
    searched = [*left_behind(lab), *(("streams", text.encode()) for text in (*streams, failed.text))]
    assert len(searched) > 15
    for where, content in searched:
        assert [sought[form] for form in sought if form in content] == [], where
