"""What a run tells the publisher, and what it does when it cannot: nothing fails, nothing is lost, order is kept."""

import hashlib
import json
import sys
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.callbacks import spool as callback_spool
from runbook_lib.callbacks.delivery import REFUSALS_PER_RUN, Callbacks
from runbook_lib.callbacks.payloads import Payload, Ping
from runbook_lib.callbacks.spool import MAX_WAITING_BYTES
from runbook_lib.vault.hmac_key import KEY_CACHE_SECONDS
from tests.support.callback_rig import DEPLOYMENT, DOWN, INSTANCE, KEY, KEY_ID, SAMPLE, TAKEN, Rig, rig
from tests.support.runbook_run import QuickClock, Run, run
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import Answer, Reset, ScriptedServer, json_answer

SPOOL = {"service": "blob", "path": "/callbacks-spool"}
REFUSED = Answer(status=400)


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path_factory.mktemp("publisher")).running() as running:
        yield running


@pytest.fixture
def bare(
    lab: LabUnderTest, publisher: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rig]:
    """Without a key."""
    publisher.forget()
    with rig(lab, publisher, tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def one(bare: Rig) -> Rig:
    """With a key."""
    bare.provision()
    return bare


def requests_of(made: Run, *services: str) -> list[str]:
    """Return what a run asked of services; "spool" is what waits."""
    return [
        f"{each['service']} {each['method']}"
        for each in made.requests
        if ("spool" if "/callbacks-spool" in each["path"] else each["service"]) in services
    ]


def test_a_step_of_a_deployment_tells_how_it_ended(one: Rig) -> None:
    made = one.run(TAKEN, blobs="a")
    assert (made.exit_code, made.status) == (0, "succeeded")
    (request,) = one.publisher.requests
    assert request.path == f"/v1/instances/{INSTANCE}/deployment"
    body = json.loads(request.body)
    assert body.pop("at") < rfc3339(SYSTEM_CLOCK.now())
    assert body.pop("duration_ms") > 0
    assert body == {
        "instance_id": INSTANCE,
        "correlation_id": DEPLOYMENT,
        "release_version": "2026.11.0",
        "step": "sample",
        "status": "succeeded",
        "error_code": "",
    }
    # The SDK remembers a vault's challenge for the whole process: in a job the key costs two requests.
    assert set(requests_of(made, "key_vault")) == {"key_vault GET"}
    assert requests_of(made, "spool") == ["blob GET"]
    assert one.waiting() == []
    (event,) = one.events()
    assert (event["Target"], event["Outcome"]) == ("deployment", "sent")
    details = json.loads(event["Details"])
    assert details["ReportId"] == request.headers["Idempotency-Key"]
    assert details["Content"].encode() == request.body


def test_the_key_is_in_no_text(one: Rig) -> None:
    made = one.run(TAKEN, blobs="a")
    texts = made.text + str(one.events()) + str(one.publisher.requests)
    for form in (urlsafe_b64encode(KEY).decode().rstrip("="), b64encode(KEY).decode(), KEY.hex(), repr(KEY)[2:-1]):
        assert form not in texts


def test_a_run_of_nobodys_deployment_costs_one_request(one: Rig) -> None:
    plain = one.run(blobs="a", correlation_id="by-hand", runbook=replace(SAMPLE, callbacks=None))
    told = one.run(blobs="a", correlation_id="contoso.by-hand")
    for made in (plain, told):
        assert requests_of(made, "key_vault", "publisher_api") == []
        assert requests_of(made, "spool") == ["blob GET"]
    assert (one.publisher.requests, one.waiting(), one.events()) == ([], [], [])


def test_a_plan_tells_nobody_and_touches_nothing(one: Rig) -> None:
    one.left_waiting(1)
    made = one.run(TAKEN, blobs="a", plan_only=True)
    assert made.status == "planned"
    assert one.publisher.requests == []
    assert not any("callbacks-spool" in entry["path"] for entry in made.requests)


def test_a_run_that_failed_tells_the_code_alone(one: Rig) -> None:
    one.lab.fault("status", status=403, times=0, match={"service": "blob", "path": "/artifacts"})
    made = one.run(TAKEN, blobs="contosos-blob")
    assert made.error_code == "VD-NET-003"
    (request,) = one.publisher.requests
    body = json.loads(request.body)
    assert (body["status"], body["error_code"], body["release_version"]) == ("failed", "VD-NET-003", "")
    assert b"contosos-blob" not in request.body


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


@pytest.mark.parametrize("acts", [DOWN, (Reset(),) * 4, (Answer(status=429, headers={"Retry-After": "90"}),)])
def test_a_publisher_that_is_down_fails_nobody(one: Rig, acts: tuple[Any, ...]) -> None:
    made = one.run(*acts, blobs="a")
    assert (made.exit_code, made.status, made.result["error"]) == (0, "succeeded", None)
    assert made.text.count("WARNING: VD-CALLBACK-020") == 1
    sent = set(one.ids_sent())
    assert one.ids_waiting() == list(sent)
    assert one.run(TAKEN, correlation_id="").status == "unchanged"
    assert (set(one.ids_sent()), one.waiting()) == (sent, [])


def test_the_first_that_does_not_get_through_stops_the_delivery(one: Rig) -> None:
    waiting = one.left_waiting(3)
    made = one.run(TAKEN, *DOWN)
    assert one.ids_sent() == [waiting[0], *[waiting[1]] * 4]
    assert one.ids_waiting()[:2] == waiting[1:]
    assert len(one.ids_waiting()) == 3
    assert made.text.count("VD-CALLBACK-020") == 1
    # The list; the first, read and deleted; the second, read; the run's own. The third is not even read.
    assert [each.partition(" ")[2] for each in requests_of(made, "spool")] == ["GET", "GET", "DELETE", "GET", "PUT"]


def test_a_signature_that_is_refused_is_tried_once_a_run(one: Rig) -> None:
    waiting = one.left_waiting(2)
    made = one.run(Answer(status=401))
    assert one.ids_sent() == waiting[:1]
    assert len(one.ids_waiting()) == 3
    assert "WARNING: VD-CALLBACK-022" in made.text


def test_a_lost_answer_and_one_after_a_crash_carry_the_same_id(one: Rig) -> None:
    # Accepted, and then the job could not delete what waited: as where it is killed in between.
    (waiting,) = one.left_waiting(1)
    one.lab.fault("status", status=500, times=0, match={**SPOOL, "method": "DELETE"})
    made = one.run(Reset(), TAKEN, correlation_id="")
    assert (made.status, one.ids_sent(), one.ids_waiting()) == ("unchanged", [waiting] * 2, [waiting])
    assert "WARNING: VD-CALLBACK-025" in made.text
    one.lab.control("DELETE", "/faults")
    one.run(TAKEN, correlation_id="")
    assert (one.ids_sent(), one.ids_waiting()) == ([waiting], [])


def test_a_lost_answer_to_a_deletion_leaves_nothing_behind(one: Rig) -> None:
    one.left_waiting(1)
    one.lab.fault("reset_after", match={**SPOOL, "method": "DELETE"})
    made = one.run(TAKEN, correlation_id="")
    assert (one.waiting(), "VD-CALLBACK" in made.text) == ([], False)


def test_a_lost_answer_to_keeping_a_report_keeps_one(one: Rig) -> None:
    one.lab.fault("reset_after", match={**SPOOL, "method": "PUT"})
    made = one.run(*DOWN)
    assert len(one.waiting()) == 1
    assert "VD-CALLBACK-025" not in made.text


def test_a_report_that_is_not_taken_holds_up_no_other(one: Rig) -> None:
    waiting = one.left_waiting(3)
    made = one.run(REFUSED, TAKEN, TAKEN, TAKEN)
    assert one.ids_sent()[:3] == waiting
    assert one.ids_waiting() == waiting[:1]
    assert made.text.count("WARNING: VD-CALLBACK-024") == 1


def test_what_is_refused_is_passed_by_in_the_next_run_and_tried_again_last(one: Rig) -> None:
    waiting = one.left_waiting(REFUSALS_PER_RUN + 2)
    bad, good = waiting[:REFUSALS_PER_RUN], waiting[REFUSALS_PER_RUN:]
    # A publisher that takes nothing is not asked for ever.
    made = one.run(*[REFUSED] * 20)
    assert (one.ids_sent(), made.text.count("WARNING: VD-CALLBACK-024")) == (bad, 1)
    (own,) = set(one.ids_waiting()) - set(waiting)
    # One that refuses these: what came after them, the former run's, this run's own, and then these once more.
    made = one.run(*[TAKEN] * 4, *[REFUSED] * 20)
    assert one.ids_sent()[:3] == [*good, own]
    assert one.ids_sent()[4:] == bad
    assert (made.exit_code, one.ids_waiting()) == (0, bad)
    # Those that were refused longest ago come first, and what is taken in the end waits no longer.
    one.run(TAKEN, *[REFUSED] * 2, TAKEN, *DOWN)
    assert list(dict.fromkeys(one.ids_sent()[1:])) == [bad[0], bad[1], bad[2], bad[3]]
    assert one.ids_waiting() == [bad[0], bad[1], bad[3], bad[4]]
    one.run(*[TAKEN] * 5)
    assert (one.ids_sent()[1:], one.waiting()) == ([bad[3], bad[4], bad[0], bad[1]], [])


def test_five_blobs_of_somebodys_hold_up_no_report(one: Rig) -> None:
    content = b'{"at":"2026-01-01T00:00:00.000000Z","instance_id":"contoso-2"}'
    names = [f"20260101T00000{n}.000000Z-ping-{DEPLOYMENT}-{'0' * 64}.json" for n in range(REFUSALS_PER_RUN)]
    for name in names:
        one.spool.upload_blob(name, content)
    first = one.run(*[TAKEN] * 9)
    assert len(one.ids_sent()) == 1
    second = one.run(*[TAKEN] * 9)
    assert len(one.ids_sent()) == 1
    assert one.waiting() == names
    assert [made.text.count("WARNING: VD-CALLBACK-026") for made in (first, second)] == [1, 0]


def test_a_refusal_that_cannot_be_noted_holds_up_no_report(one: Rig) -> None:
    waiting = one.left_waiting(2)
    one.lab.fault("status", status=403, times=0, match={**SPOOL, "path": "comp=metadata"})
    made = one.run(REFUSED, TAKEN, TAKEN)
    assert (one.ids_sent()[:2], one.ids_waiting()) == (waiting, waiting[:1])
    assert "WARNING: VD-CALLBACK-025" in made.text
    assert "WARNING: VD-CALLBACK-024" in made.text


def test_a_refused_report_that_was_deleted_meanwhile_is_no_failure(one: Rig) -> None:
    one.left_waiting(1)
    one.lab.fault("status", status=404, code="BlobNotFound", match={**SPOOL, "path": "comp=metadata"})
    assert "VD-CALLBACK-025" not in one.run(REFUSED, TAKEN).text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("by-hand.json", b"contoso"),
        (
            f"20260101T000000.000000Z-ping-{DEPLOYMENT}-{'0' * 64}.json",
            b'{"at":"2026-01-01T00:00:00.000000Z","instance_id":"contoso-2"}',
        ),
        (f"20260101T000000.000000Z-ping-{DEPLOYMENT}-" + "{sha}.json", b'{"at": "contoso", "instance_id": "contoso"}'),
        (f"20260101T000000.000000Z-postcard-{DEPLOYMENT}-" + "{sha}.json", b"{}"),
    ],
)
def test_what_somebody_put_there_does_not_leave(one: Rig, name: str, content: bytes) -> None:
    name = name.replace("{sha}", hashlib.sha256(content).hexdigest())
    (waiting,) = one.left_waiting(1)
    one.spool.upload_blob(name, content)
    made = one.run(TAKEN, correlation_id="")
    assert one.ids_sent() == [waiting]
    assert one.waiting() == [name]
    assert "WARNING: VD-CALLBACK-026" in made.text
    assert name in made.text


def test_where_nobody_knows_what_waits_the_runs_own_report_waits_behind_it(one: Rig) -> None:
    waiting = one.left_waiting(1)
    one.lab.fault("status", status=503, times=0, match={**SPOOL, "path": "comp=list"})
    made = one.run(TAKEN)
    one.lab.control("DELETE", "/faults")
    assert (made.exit_code, one.publisher.requests, one.ids_waiting()[:1]) == (0, [], waiting)
    assert "WARNING: VD-CALLBACK-025" in made.text
    # No key to sign with is read, and once the secret that proves what waits.
    read = [entry["path"] for entry in made.requests if entry["service"] == "key_vault"]
    assert {path.split("?")[0].split("/")[2] for path in read} == {"publisher-acr-token"}
    waiting = one.ids_waiting()
    one.run(*[TAKEN] * 3)
    assert (one.ids_sent()[:2], len(one.ids_sent()), one.waiting()) == (waiting, 3, [])


def test_without_storage_the_runs_own_report_goes_all_the_same(one: Rig) -> None:
    one.lab.fault("status", status=403, times=0, match=SPOOL)
    made = one.run(TAKEN)
    assert (made.status, len(one.publisher.requests)) == ("succeeded", 1)
    assert "WARNING: VD-CALLBACK-025" in made.text


def test_with_neither_publisher_nor_storage_the_output_has_the_report(one: Rig) -> None:
    one.lab.fault("status", status=403, times=0, match={**SPOOL, "method": "PUT"})
    made = one.run(*DOWN)
    assert made.exit_code == 0
    (line,) = [line for line in made.text.splitlines() if line.startswith("callback that is kept nowhere else: ")]
    assert json.loads(line.partition(": ")[2]) == json.loads(one.publisher.requests[0].body)
    (event,) = one.events()
    assert (event["Outcome"], event["ErrorCode"]) == ("not kept", "VD-CALLBACK-025")


def test_no_container_is_no_obstacle(one: Rig) -> None:
    one.spool.delete_container()
    made = one.run(*DOWN)
    assert "VD-CALLBACK-025" not in made.text
    assert len(one.waiting()) == 1


def test_a_full_spool_takes_no_more_and_drops_nothing(one: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = one.left_waiting(2)
    monkeypatch.setattr(callback_spool, "MAX_WAITING_BYTES", 500)
    made = one.run(*DOWN)
    assert "WARNING: VD-CALLBACK-027" in made.text
    assert "callback that is kept nowhere else: " in made.text
    assert one.ids_waiting() == waiting


def test_what_strangers_put_there_fills_no_spool(one: Rig) -> None:
    one.spool.upload_blob("20260101T000000.000000Z-large", b"x" * MAX_WAITING_BYTES)
    made = one.run(*DOWN)
    assert "VD-CALLBACK-027" not in made.text
    assert len(one.ids_waiting()) == 1


@pytest.mark.parametrize(
    ("key", "key_id"),
    [
        ("not base64url!", KEY_ID),
        (urlsafe_b64encode(b"too short").decode(), KEY_ID),
        (None, "canary-key"),
    ],
)
def test_a_key_that_is_none_keeps_the_report_waiting(bare: Rig, key: str | None, key_id: str) -> None:
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
    """Nothing could prove a report that waits."""
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
    """A clock on which any wait outlasts what is kept in memory. meanwhile: what happens in the first of them."""

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


def test_a_report_that_may_not_leave_is_not_made_and_what_waits_goes(one: Rig) -> None:
    (waiting,) = one.left_waiting(1)
    leaky: Callbacks[Any] = Callbacks(release_version=lambda _: "contoso's own")
    made = one.run(TAKEN, runbook=replace(SAMPLE, callbacks=leaky))
    assert (made.exit_code, one.ids_sent(), one.waiting()) == (0, [waiting], [])
    assert "WARNING: VD-CALLBACK-030" in made.text
    assert "contoso" not in made.text


def test_a_runbook_that_cannot_say_what_to_tell_does_not_fail(one: Rig) -> None:
    def broken(_facts: Any, _instance_id: str) -> list[Payload]:
        raise LookupError("contoso")

    callbacks: Callbacks[Any] = Callbacks(release_version=lambda _: "", payloads=broken)
    made = one.run(TAKEN, runbook=replace(SAMPLE, callbacks=callbacks))
    assert (made.exit_code, "contoso" in made.text) == (0, False)
    assert [request.path.rpartition("/")[2] for request in one.publisher.requests] == ["deployment"]
    assert "WARNING: VD-CALLBACK-030" in made.text


def test_a_library_that_cannot_be_loaded_leaves_the_run_its_result(one: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.storage.blob", None)
    made = one.run()
    assert (made.exit_code, made.error_code) == (1, "VD-ENGINE-900")
    assert "WARNING: VD-CALLBACK-025" in made.text
    assert "callback that is kept nowhere else: " in made.text


def test_two_runs_at_once_deliver_each_in_order(one: Rig) -> None:
    waiting = one.left_waiting(4)
    one.publisher.forget()
    one.publisher.play(*[TAKEN] * 20)
    environ = {"VIBEDATA_PUBLISHER_API": one.publisher.url, "VIBEDATA_INSTANCE_ID": INSTANCE}
    runs: list[Any] = []

    def begin() -> None:
        runs.append(run(one.lab, SAMPLE, environ=environ, blobs="a"))

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [made.exit_code for made in runs] == [0, 0]
    first: list[str] = list(dict.fromkeys(one.ids_sent()))
    assert first == waiting
    assert one.waiting() == []
    assert not any("VD-CALLBACK" in made.text for made in runs)


def test_what_the_facts_tell_goes_after_how_the_run_ended(one: Rig) -> None:
    def ping(_facts: Any, instance_id: str) -> list[Payload]:
        return [Ping(instance_id=instance_id, at=rfc3339(SYSTEM_CLOCK.now()))]

    callbacks: Callbacks[Any] = Callbacks(release_version=lambda _: "", payloads=ping)
    one.run(TAKEN, TAKEN, runbook=replace(SAMPLE, callbacks=callbacks))
    assert [request.path.rpartition("/")[2] for request in one.publisher.requests] == ["deployment", "ping"]
