"""Clients that sign callbacks all the time. Each reads the key from the vault, and keeps it for a while."""

import json
import secrets
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import requests

from runbook_lib.azure.session import AzureSession
from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.callbacks.payloads import Ping, to_json
from runbook_lib.context import Context
from runbook_lib.request_signing.signer import SigningKey, sign
from runbook_lib.vault.hmac_key import read_signing_key
from tests.support.running_lab import LabUnderTest
from vibedata.session import open_session

CONTENT_TYPE = "application/json"
# The pause between two requests of a client. Each client makes two requests within the shortest grace. More requests
# would measure the machine.
PAUSE_SECONDS = 0.2


def ping(lab: LabUnderTest, session: requests.Session, instance_id: str, key: SigningKey) -> int:
    """Send one signed ping and return the answer's status."""
    url = f"{lab.env['VIBEDATA_PUBLISHER_API']}/v1/instances/{instance_id}/ping"
    body = to_json(Ping(instance_id=instance_id, at=rfc3339(SYSTEM_CLOCK.now())))
    fields = sign(
        method="POST",
        url=url,
        content_type=CONTENT_TYPE,
        body=body,
        key=key,
        created=int(time.time()),
        nonce=secrets.token_urlsafe(18),
    )
    headers = {**fields, "Idempotency-Key": str(uuid.uuid4())}
    return session.post(url, data=body, headers=headers, timeout=60, verify=lab.env["REQUESTS_CA_BUNDLE"]).status_code


def key_in_use(lab: LabUnderTest) -> SigningKey:
    """Return the key that the customer's vault holds now."""
    return read_key(open_session(lab.env))


def read_key(opened: AzureSession) -> SigningKey:
    """Return the key in use as the product reads it. Of a run's context, this needs only the session."""
    key = read_signing_key(cast(Context, opened))
    assert key is not None
    return key


@dataclass(slots=True)
class Load:
    """The results of all requests.

    late: how many were refused although they may be, because their key was read longer ago than the grace. lost: how
    many met a fault that was meant for another client's request to the same address. These have no status.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    late: int = 0
    lost: int = 0
    keys: set[str] = field(default_factory=set)


@contextmanager
def signing(lab: LabUnderTest, *, caches: tuple[float, ...], grace_seconds: float) -> Iterator[Load]:
    """Let clients sign until the block ends. `caches` has for each client how many seconds it keeps a key."""
    load, stop, troubles = Load(), threading.Event(), list[BaseException]()

    def work(cache: float) -> None:
        try:
            _sign_on(lab, load, stop, cache, grace_seconds)
        except BaseException as error:  # noqa: BLE001 - a thread's death must show in the test
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(cache,), daemon=True) for cache in caches]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert troubles == []


def _sign_on(lab: LabUnderTest, load: Load, stop: threading.Event, cache: float, grace: float) -> None:
    opened = open_session(lab.env)
    instance_id = opened.settings.instance_id
    key, read_at = None, 0.0
    with requests.Session() as session:
        while not stop.is_set():
            if key is None or time.monotonic() - read_at > cache:
                read_at = time.monotonic()
                key = read_key(opened)
                load.keys.add(key.key_id)
            stop.wait(PAUSE_SECONDS)
            try:
                status = ping(lab, session, instance_id, key)
            except requests.ConnectionError:
                load.lost += 1
                continue
            load.statuses[status] += 1
            age = time.monotonic() - read_at
            if status == 401 and age > grace:
                load.late += 1
            elif status != 200:
                load.refused.append(json.dumps({"status": status, "key": key.key_id, "age": age}))
