"""The publisher's API as an instance sees it, and the records that the publisher keeps."""

import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from publisher.custody.key_records import KeyRecord, KeyState
from runbook_lib.callbacks.payloads import Payload, Ping, to_json
from runbook_lib.request_signing.signer import SigningKey, sign
from tests.support.publisher_side import PublisherSide
from tests.support.running_lab import LabUnderTest

INSTANCE = "instance-one"
AT = "2026-11-25T10:00:00.000000Z"
PING = Ping(instance_id=INSTANCE, at=AT)


@dataclass
class Api:
    """The API as an instance sees it, and the records that the publisher keeps."""

    lab: LabUnderTest
    side: PublisherSide
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def address(self) -> str:
        return self.lab.env["VIBEDATA_PUBLISHER_API"]

    def key(self, state: KeyState = "current", *, instance: str = INSTANCE, accept_until: str = "") -> SigningKey:
        key = SigningKey(f"hmac-{secrets.token_hex(8)}", secrets.token_bytes(32))
        self.side.custody.keep(instance, key.key_id, key.key)
        self.side.keys.add(self.record(key, state, instance=instance, accept_until=accept_until))
        return key

    def record(
        self, key: SigningKey, state: KeyState, *, instance: str = INSTANCE, accept_until: str = ""
    ) -> KeyRecord:
        return KeyRecord(
            instance_id=instance,
            key_id=key.key_id,
            state=state,
            rotation_id="r",
            created_at=AT,
            accept_until=accept_until,
        )

    def signed(
        self, key: SigningKey, *, url: str = "", body: bytes = to_json(PING), created: int = 0, **more: Any
    ) -> dict[str, str]:
        """Return the signed fields of a request. `post` sends them unchanged."""
        return sign(
            method=more.get("method", "POST"),
            url=url or self.url(),
            content_type=more.get("content_type", "application/json"),
            body=body,
            key=key,
            created=int(time.time()) + created,
            nonce=more.get("nonce", secrets.token_urlsafe(18)),
        ) | {"Idempotency-Key": more.get("report_id", str(uuid.uuid4()))}

    def url(self, kind: str = "ping", instance: str = INSTANCE) -> str:
        return f"{self.address}/v1/instances/{instance}/{kind}"

    def post(
        self, fields: dict[str, str], *, url: str = "", body: bytes = to_json(PING), method: str = "POST"
    ) -> requests.Response:
        return self.session.request(
            method,
            url or self.url(),
            data=body,
            headers=fields,
            verify=self.lab.env["SSL_CERT_FILE"],
            timeout=60,
            allow_redirects=False,
        )

    def report(self, key: SigningKey, payload: Payload = PING, report_id: str = "") -> requests.Response:
        url, body = self.url(payload.kind, payload.instance_id), to_json(payload)
        fields = self.signed(key, url=url, body=body, report_id=report_id or str(uuid.uuid4()))
        return self.post(fields, url=url, body=body)

    def rows(self, table: str) -> list[Any]:
        return list(self.side.clients.table_service.get_table_client(table).list_entities())

    def log(self) -> list[dict[str, Any]]:
        """Return the events of the one process that runs. The processes before it have written to the same file."""
        (running,) = self.lab.control("GET", "/publisher-api")["running"]
        events = [json.loads(line) for line in Path(running["log"]).read_text().splitlines()]
        started = max(number for number, event in enumerate(events) if event["event"] == "listening")
        return events[started:]
