"""The key that signs reports, and the reports that wait if there is no key."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.callbacks.payloads import Payload, Ping
from runbook_lib.vault.hmac_key import KEY_CACHE_SECONDS
from tests.support.callback_rig import KEY_ID, SAMPLE, TAKEN, Rig
from tests.support.runbook_run import QuickClock
from tests.support.scripted_server import Answer, json_answer


def test_without_a_key_reports_wait_and_go_in_order_once_there_is_one(bare: Rig) -> None:
    for blob in "abc":
        made = bare.run(blobs=blob)
        assert (made.exit_code, made.text.count("VD-CALLBACK-029")) == (0, 1)
        assert "WARNING" not in made.text, "before the first key this is as it should be"
    assert bare.publisher.requests == []
    waiting = bare.ids_waiting()
    assert len(waiting) == 3
    bare.provision()
    assert bare.run(*[TAKEN] * 4, blobs="d").status == "succeeded"
    assert bare.ids_sent()[:3] == waiting
    assert len(set(bare.ids_sent())) == 4
    times = [json.loads(request.body)["at"] for request in bare.publisher.requests]
    assert times == sorted(times)
    assert bare.waiting() == []
    assert [event["Outcome"] for event in bare.events()] == ["kept"] * 3 + ["sent"] * 4


@pytest.mark.parametrize(
    ("key", "key_id"),
    [
        ("not base64url!", KEY_ID),
        (urlsafe_b64encode(b"too short").decode(), KEY_ID),
        (None, "canary-key"),
    ],
)
def test_a_malformed_key_keeps_the_report_waiting(bare: Rig, key: str | None, key_id: str) -> None:
    bare.provision(key, key_id)
    made = bare.run()
    assert "WARNING: VD-CALLBACK-028" in made.text
    assert key is None or key not in made.text
    assert (len(bare.waiting()), bare.publisher.requests) == (1, [])


def test_a_key_that_cannot_be_read_keeps_the_report_waiting(one: Rig) -> None:
    one.lab.fault("status", status=403, times=0, match={"service": "key_vault", "path": "/secrets/hmac-key"})
    made = one.run()
    assert "WARNING: VD-CALLBACK-028" in made.text
    assert (len(one.waiting()), one.publisher.requests) == (1, [])


def test_a_vault_that_is_down_leaves_the_report_in_the_output(one: Rig) -> None:
    """Without the vault, nothing could prove that a waiting report is genuine."""
    one.lab.fault("status", status=403, times=0, match={"service": "key_vault"})
    made = one.run()
    assert "WARNING: VD-CALLBACK-028" in made.text
    assert "WARNING: VD-CALLBACK-025" in made.text
    assert "callback that is kept nowhere else: " in made.text
    assert (made.exit_code, one.waiting(), one.publisher.requests) == (0, [], [])


def test_the_newest_enabled_version_of_the_key_signs(one: Rig) -> None:
    latest = one.secrets.set_secret("hmac-key", "0" * 43, tags={"keyId": "hmac-ffffffffffffffff"})
    one.secrets.update_secret_properties("hmac-key", latest.properties.version, enabled=False)
    made = one.run(TAKEN)
    assert len(one.publisher.requests) == 1
    assert f'keyid="{KEY_ID}"' in one.publisher.requests[0].headers["Signature-Input"]
    assert "VD-CALLBACK" not in made.text


class LongWaits(QuickClock):
    """A clock on which any wait is longer than things are kept in memory.

    `meanwhile` is called during the first wait.
    """

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile = meanwhile
        self._waited = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._waited

    def sleep(self, seconds: float) -> None:
        if not self._waited:
            self._meanwhile()
        self._waited += seconds + KEY_CACHE_SECONDS


def test_a_delivery_that_takes_long_goes_on_with_the_key_that_is_in_use_then(one: Rig) -> None:
    def ping(_facts: Any, instance_id: str) -> list[Payload]:
        return [Ping(instance_id=instance_id, at=rfc3339(SYSTEM_CLOCK.now()))]

    key_id = "hmac-ffffffffffffffff"
    clock = LongWaits(lambda: one.provision(urlsafe_b64encode(bytes(32)).decode().rstrip("="), key_id))
    taken = json_answer({"accepted": True, "key_id": key_id})
    callbacks: Callbacks[Any] = Callbacks(release_version=lambda _: "", payloads=ping)
    made = one.run(Answer(status=503), TAKEN, taken, runbook=replace(SAMPLE, callbacks=callbacks), clock=clock)
    used = [request.headers["Signature-Input"].split('keyid="')[1][:21] for request in one.publisher.requests]
    assert (used, one.waiting()) == ([KEY_ID, KEY_ID, key_id], [])
    assert "VD-CALLBACK" not in made.text
