"""The publisher's callback API over the wire: its own processes behind the lab's front, with its own table and
vault.
"""

import json
import os
import random
import socket
import subprocess
import sys
import uuid
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from publisher.callback_api import keys as callback_keys
from publisher.callback_api.keys import CallbackKeys
from publisher.callback_api.nonces import TABLE as NONCES
from publisher.callback_api.reports import TABLE as REPORTS
from publisher.custody.key_secrets import secret_name
from runbook_lib.basics.clock import rfc3339
from runbook_lib.callbacks.payloads import ComponentHealth, HealthSummary, Ping, to_json
from runbook_lib.request_signing.signer import SigningKey
from runbook_lib.request_signing.verifier import SignatureRefusedError
from tests.support.callback_api import AT, INSTANCE, PING, Api
from tests.support.fake_clock import FakeClock
from tests.support.running_lab import LabUnderTest


def test_each_report_is_kept_once(api: Api) -> None:
    key, report_id = api.key(), str(uuid.uuid4())
    before = datetime.now(timezone.utc) - timedelta(seconds=2)
    for _ in range(2):  # signed again, as in a retry
        answer = api.report(key, report_id=report_id)
        assert (answer.status_code, answer.json()) == (200, {"accepted": True, "key_id": key.key_id})
        told = datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=timezone.utc)
        assert before <= told <= datetime.now(timezone.utc)
    other = api.report(key, Ping(instance_id=INSTANCE, at=AT.replace("10", "11")), report_id=report_id)
    assert other.status_code == 422
    components = tuple(
        ComponentHealth(name=f"{number:03d}".ljust(60, "x"), type="application", version="1" * 60, health="unknown")
        for number in range(900)
    )
    large = HealthSummary(
        instance_id=INSTANCE,
        at=AT,
        release_version="2026.11.0",
        unknown=900,
        healthy=0,
        degraded=0,
        unhealthy=0,
        components=components,
    )
    assert api.report(key, large).status_code == 200

    ping, health = sorted(api.rows(REPORTS), key=lambda row: row["kind"], reverse=True)
    assert (ping["RowKey"], ping["PartitionKey"], ping["keyId"]) == (report_id, INSTANCE, key.key_id)
    assert ping["content0"].encode() == to_json(PING)
    columns = sorted((name for name in health if name.startswith("content")), key=lambda name: int(name[7:]))
    assert len(columns) > 3
    assert "".join(health[name] for name in columns).encode() == to_json(large)
    assert {event["outcome"] for event in api.log() if event["event"] == "report"} == {"kept", "known", "other"}


def test_a_report_that_another_version_writes_with_other_bytes_is_known(api: Api) -> None:
    key, report_id = api.key(), str(uuid.uuid4())
    spaced = json.dumps(json.loads(to_json(PING)), indent=1).encode()
    assert api.post(api.signed(key, body=spaced, report_id=report_id), body=spaced).status_code == 200
    assert api.report(key, report_id=report_id).status_code == 200
    assert len(api.rows(REPORTS)) == 1
    assert {event["outcome"] for event in api.log() if event["event"] == "report"} == {"kept", "known"}


def test_every_refusal_is_answered_alike(api: Api) -> None:
    key, other = api.key(), api.key(instance="instance-two")
    past, future = (rfc3339(datetime.now(timezone.utc) + timedelta(seconds=off)) for off in (-1, 3600))
    unknown = SigningKey("hmac-0000000000000000", key.key)
    wrong = SigningKey(key.key_id, bytes(32))
    used = api.signed(key)
    assert api.post(used).status_code == 200
    nonce = used["Signature-Input"].split('nonce="')[1].split('"')[0]
    answers = {
        "missing": [api.post({"Content-Type": "application/json"})],
        "malformed": [api.post(api.signed(key) | {"Signature-Input": "é".encode().decode("latin-1")})],
        "profile": [api.post(api.signed(key) | {"Signature-Input": "vibedata=()"})],
        "early": [api.post(api.signed(key, created=40))],
        "expired": [api.post(api.signed(key, created=-100))],
        # One proxy adds something to the path, and one removes a part of it.
        "path": [
            *(api.post(api.signed(key), url=url) for url in (api.url() + "/", api.url().replace("/v1", "/proxied/v1"))),
            api.post(api.signed(key), url=api.url().replace("/v1", "")),
            api.post(api.signed(key, url=api.address + "/"), url=api.address + "/"),
        ],
        "key": [
            api.post(api.signed(unknown)),
            api.post(api.signed(other)),
            api.post(api.signed(api.key("retired"))),
            api.post(api.signed(api.key("revoked"))),
            api.post(api.signed(api.key("previous", accept_until=past))),
        ],
        "signature": [
            api.post(api.signed(wrong)),
            api.post(api.signed(key), url=api.url() + "?a=1"),
            api.post(api.signed(key, url=api.url("health"))),
            api.post(api.signed(key) | {"Content-Type": "text/plain"}),
            api.post(api.signed(key), method="PUT"),
        ],
        "authority": [api.post(api.signed(key) | {"Host": "api.elsewhere.example"})],
        "digest": [api.post(api.signed(key), body=to_json(PING) + b" ")],
        "replay": [api.post(used), api.post(api.signed(key, created=1, nonce=nonce))],
    }
    given = [answer for several in answers.values() for answer in several]
    assert {answer.status_code for answer in given} == {401}
    assert {answer.content for answer in given} == {b'{"accepted": false, "error": "unauthorized"}\n'}
    assert len({str({**answer.headers, "Date": ""}) for answer in given}) == 1
    reasons = [event["reason"] for event in api.log() if event["event"] == "refused"]
    assert reasons == [reason for reason, several in answers.items() for _ in several]
    # Nothing was written for any of them.
    assert len(api.rows(NONCES)) == len(api.rows(REPORTS)) == 1
    for state, until in (("pending", ""), ("previous", ""), ("previous", future)):
        assert api.report(api.key(state, accept_until=until)).status_code == 200  # type: ignore[arg-type]


def test_a_key_is_refused_as_soon_as_it_is_retired_or_revoked(api: Api) -> None:
    api.lab.control("POST", "/publisher-api", {"processes": 2})
    for state in ("retired", "revoked"):
        key = api.key()
        assert [api.report(key).status_code for _ in range(2)] == [200, 200]  # now each process has its bytes
        known = api.side.keys.read(INSTANCE, key.key_id)
        assert known is not None and api.side.keys.change(replace(known, state=state))
        assert [api.report(key).status_code for _ in range(2)] == [401, 401]


def test_bytes_of_keys_are_kept_for_a_while_and_not_all(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_keys, "KEPT_KEYS", 2)
    clock = FakeClock()
    keys = CallbackKeys(keys=api.side.keys, custody=api.side.custody, base_path="/base", clock=clock)
    made = [api.key() for _ in range(3)]

    def reads(*wanted: SigningKey) -> int:
        """Return how many requests the vault gets for keys that all exist."""
        before = len(api.lab.journal(service="publisher_key_vault"))
        for key in wanted:
            assert keys.find(path=f"/base/v1/instances/{INSTANCE}/ping", key_id=key.key_id) == key.key
        return len(api.lab.journal(service="publisher_key_vault")) - before

    assert reads(made[0], made[1], made[0], made[1]) == 2
    assert reads(made[2], made[1]) == 1
    assert reads(made[0], made[2]) == 1
    clock.advance(callback_keys.KEPT_SECONDS)
    assert reads(made[2], made[2]) == 1
    path = f"/v1/instances/{INSTANCE}/ping"
    for other in (
        path,
        f"/base/{path}",
        f"/base{path}/",
        f"/base/v1/instances/{INSTANCE}",
        "/base/v1/instances/A/ping",
    ):
        with pytest.raises(SignatureRefusedError) as refused:
            keys.find(path=other, key_id=made[0].key_id)
        assert refused.value.reason == "path"


def test_an_outage_is_neither_a_refusal_nor_an_acceptance(api: Api) -> None:
    key, unread = api.key(), api.key()
    assert api.report(key).status_code == 200
    outages: list[tuple[SigningKey, dict[str, str]]] = [
        (key, {"service": "table", "path": "HmacKeys"}),
        (key, {"service": "table", "path": NONCES}),
        (key, {"service": "table", "path": REPORTS}),
        (unread, {"service": "publisher_key_vault", "path": "secrets"}),
    ]
    for used, match in outages:
        api.lab.fault("status", status=503, times=20, match=match)
        answer = api.report(used)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), match
        assert answer.json() == {"accepted": False, "error": "unavailable"}
        api.lab.clear_faults()
        assert api.report(used).status_code == 200
    # The API accepts this key, but cannot read it: a vault may show a write late.
    missing = api.key()
    api.side.clients.secrets.begin_delete_secret(secret_name(INSTANCE, missing.key_id)).wait()
    assert api.report(missing).status_code == 503
    assert "refused" not in {event["event"] for event in api.log()}


def test_a_lost_answer_of_the_table_refuses_nobody(api: Api) -> None:
    key, report_id = api.key(), str(uuid.uuid4())
    assert api.report(key).status_code == 200
    for table in (NONCES, REPORTS):
        api.lab.fault("reset_after", match={"service": "table", "method": "POST", "path": table})
    assert api.report(key, report_id=report_id).status_code == 200
    assert [row["RowKey"] for row in api.rows(REPORTS)].count(report_id) == 1


def test_a_signed_request_that_is_no_report_is_not_accepted(api: Api) -> None:
    key = api.key()

    def status(body: bytes = to_json(PING), kind: str = "ping", method: str = "POST", **more: Any) -> int:
        url = api.url(kind)
        fields = api.signed(key, url=url, body=body, method=method, **more)
        return api.post(fields, url=url, body=body, method=method).status_code

    assert status() == 200
    assert status(kind="nothing") == 404
    assert status(kind="health") == 422
    assert status(method="PUT") == 405
    assert status(content_type="application/json; charset=utf-8") == 415
    assert status(report_id="1") == 400
    assert status(b"{") == 422
    assert status(b'{"at":"' + AT.encode() + b'","instance_id":"instance-one","more":1}') == 422
    assert status(to_json(Ping(instance_id="instance-two", at=AT))) == 422
    assert status(b" " * (256 * 1024)) == 422
    # These two are refused before their signature is verified.
    assert status(b" " * (256 * 1024 + 1)) == 413
    assert api.post(api.signed(key) | {"X-Long": "x" * 20_000}).status_code in (400, 431)
    assert len(api.rows(REPORTS)) == 1


def test_whatever_comes_is_refused_or_not_understood_and_the_next_is_served(api: Api) -> None:
    """Send bytes that no client would send, and let clients never finish: to the process itself, without the front."""
    key = api.key()
    assert api.report(key).status_code == 200
    (running,) = api.lab.control("GET", "/publisher-api")["running"]
    fields = api.signed(key)
    body = to_json(PING)
    chance = random.Random(9530)  # noqa: S311 - not for secrets

    def head(fields: dict[str, str], length: str = f"Content-Length: {len(body)}") -> bytes:
        lines = [
            f"POST /v1/instances/{INSTANCE}/ping HTTP/1.1",
            f"Host: {api.address[8:]}",
            "Connection: close",
            length,
        ]
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in fields.items()), "", ""]).encode("latin-1")

    def ask(request: bytes) -> int:
        with socket.create_connection(("127.0.0.1", running["port"]), timeout=60) as connection:
            connection.sendall(request)
            return int(connection.makefile("rb").readline().split()[1])

    unfinished = [socket.create_connection(("127.0.0.1", running["port"])) for _ in range(40)]
    for number, connection in enumerate(unfinished):
        connection.sendall((head(fields) + body)[: 5 * number])
    statuses = set()
    for _ in range(150):
        name = chance.choice(["Signature-Input", "Signature", "Content-Digest", "Content-Type", "Host"])
        value = fields.get(name, "")
        start = chance.randint(0, len(value))
        piece = "".join(chance.choices('"\\()=;:, \x01\xffabc', k=chance.randint(1, 5)))
        bent = {**fields, name: value[:start] + piece + value[start + chance.randint(0, 3) :]}
        statuses.add(ask(head(bent) + body))
    assert statuses <= {400, 401}
    assert ask(head(fields | {"Content-length": "1"}) + body) in (400, 401)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:], b""))
    assert ask(head(fields, "Transfer-Encoding: chunked") + chunks) == 200
    assert api.report(key).status_code == 200
    for connection in unfinished:
        connection.close()
    said = [event for event in api.log() if event.get("by") != "waitress.queue"]  # more requests than threads
    assert {event["event"] for event in said} == {"listening", "report", "refused"}


def test_it_says_what_it_lacks_and_ends_when_told(lab: LabUnderTest) -> None:
    command = [sys.executable, "-m", "publisher", "--port", "0"]
    bare = {"PATH": os.environ["PATH"]}
    lacking = subprocess.run(command, env=bare, capture_output=True, text=True, timeout=60, check=False)
    assert lacking.returncode == 2
    assert lacking.stderr.startswith("VD-SETTINGS-005: ")
    assert "VIBEDATA_PUBLISHER_API" in lacking.stderr
    with subprocess.Popen(command, env=bare | dict(lab.env), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        answer = requests.get(f"http://127.0.0.1:{port}/", timeout=60)
        assert (answer.status_code, "Date" in answer.headers) == (401, True)
        process.terminate()
        assert process.wait(timeout=120) == 0
