"""A run's reports to the publisher, also if the publisher cannot be reached: no run fails, no report is lost, and the
order is kept.
"""

import gzip
import json
import sys
import threading
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.callbacks import spool as callback_spool
from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.callbacks.payloads import Payload, Ping
from tests.support.callback_rig import DEPLOYMENT, DOWN, INSTANCE, KEY, SAMPLE, SPOOL, TAKEN, Rig, requests_of
from tests.support.runbook_run import run
from tests.support.scripted_server import Answer, Reset


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
    # The SDK remembers a vault's challenge for the whole process. In a job the key needs two requests.
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


def test_a_run_outside_of_a_deployment_costs_one_request(one: Rig) -> None:
    plain = one.run(blobs="a", correlation_id="by-hand", runbook=replace(SAMPLE, callbacks=None))
    told = one.run(blobs="a", correlation_id="contoso.by-hand")
    for made in (plain, told):
        assert requests_of(made, "key_vault", "publisher_api") == []
        assert requests_of(made, "spool") == ["blob GET"]
    assert (one.publisher.requests, one.waiting(), one.events()) == ([], [], [])


def test_a_plan_reports_nothing_and_does_not_touch_the_spool(one: Rig) -> None:
    one.left_waiting(1)
    made = one.run(TAKEN, blobs="a", plan_only=True)
    assert made.status == "planned"
    assert one.publisher.requests == []
    assert not any("callbacks-spool" in entry["path"] for entry in made.requests)


def test_a_failed_run_reports_only_the_code(one: Rig) -> None:
    one.lab.fault("status", status=403, times=0, match={"service": "blob", "path": "/artifacts"})
    made = one.run(TAKEN, blobs="contosos-blob")
    assert made.error_code == "VD-NET-003"
    (request,) = one.publisher.requests
    body = json.loads(request.body)
    assert (body["status"], body["error_code"], body["release_version"]) == ("failed", "VD-NET-003", "")
    assert b"contosos-blob" not in request.body


@pytest.mark.parametrize("acts", [DOWN, (Reset(),) * 4, (Answer(status=429, headers={"Retry-After": "90"}),)])
def test_a_publisher_that_is_down_fails_no_run(one: Rig, acts: tuple[Any, ...]) -> None:
    made = one.run(*acts, blobs="a")
    assert (made.exit_code, made.status, made.result["error"]) == (0, "succeeded", None)
    assert made.text.count("WARNING: VD-CALLBACK-020") == 1
    sent = set(one.ids_sent())
    assert one.ids_waiting() == list(sent)
    assert one.run(TAKEN, correlation_id="").status == "unchanged"
    assert (set(one.ids_sent()), one.waiting()) == (sent, [])


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(100_000_000), 9)


@pytest.mark.parametrize("status", [200, 307, 401, 500])
def test_no_answer_of_a_hostile_publisher_ends_a_run(one: Rig, status: int) -> None:
    """tests/wire/network/test_bounded_answers.py measures the sizes.

    Here a run gets such an answer, and still has its result.
    """
    hostile = Answer(status=status, headers={"Content-Encoding": "gzip", "Location": "/elsewhere"}, body=bomb())
    made = one.run(*[hostile] * 4)
    assert (made.exit_code, made.status, made.result["error"]) == (0, "succeeded", None)
    assert made.text.count("WARNING: VD-CALLBACK-0") == 1
    assert {request.path.rpartition("/")[2] for request in one.publisher.requests} == {"deployment"}
    assert one.ids_waiting() == list(set(one.ids_sent()))


def test_the_first_report_that_does_not_arrive_stops_the_delivery(one: Rig) -> None:
    waiting = one.left_waiting(3)
    made = one.run(TAKEN, *DOWN)
    assert one.ids_sent() == [waiting[0], *[waiting[1]] * 4]
    assert one.ids_waiting()[:2] == waiting[1:]
    assert len(one.ids_waiting()) == 3
    assert made.text.count("VD-CALLBACK-020") == 1
    # The run lists the reports, reads and deletes the first, reads the second, and writes its own. It reads no other.
    assert [each.partition(" ")[2] for each in requests_of(made, "spool")] == ["GET", "GET", "DELETE", "GET", "PUT"]


def test_a_signature_that_is_refused_is_tried_once_a_run(one: Rig) -> None:
    waiting = one.left_waiting(2)
    made = one.run(Answer(status=401))
    assert one.ids_sent() == waiting[:1]
    assert len(one.ids_waiting()) == 3
    assert "WARNING: VD-CALLBACK-022" in made.text


def test_after_a_lost_answer_and_after_a_crash_a_report_has_the_same_id(one: Rig) -> None:
    # The publisher accepted it, and then the job could not delete it, as if it were killed in between.
    (waiting,) = one.left_waiting(1)
    one.lab.fault("status", status=500, times=0, match={**SPOOL, "method": "DELETE"})
    made = one.run(Reset(), TAKEN, correlation_id="")
    assert (made.status, one.ids_sent(), one.ids_waiting()) == ("unchanged", [waiting] * 2, [waiting])
    assert "WARNING: VD-CALLBACK-025" in made.text
    one.lab.clear_faults()
    one.run(TAKEN, correlation_id="")
    assert (one.ids_sent(), one.ids_waiting()) == ([waiting], [])


def test_a_lost_answer_to_a_deletion_leaves_nothing_behind(one: Rig) -> None:
    one.left_waiting(1)
    one.lab.fault("reset_after", match={**SPOOL, "method": "DELETE"})
    made = one.run(TAKEN, correlation_id="")
    assert (one.waiting(), "VD-CALLBACK" in made.text) == ([], False)


def test_a_lost_answer_to_the_write_of_a_report_leaves_one_report(one: Rig) -> None:
    one.lab.fault("reset_after", match={**SPOOL, "method": "PUT"})
    made = one.run(*DOWN)
    assert len(one.waiting()) == 1
    assert "VD-CALLBACK-025" not in made.text


def test_if_the_waiting_reports_cannot_be_listed_the_runs_own_report_waits_behind_them(one: Rig) -> None:
    waiting = one.left_waiting(1)
    one.lab.fault("status", status=503, times=0, match={**SPOOL, "path": "comp=list"})
    made = one.run(TAKEN)
    one.lab.clear_faults()
    assert (made.exit_code, one.publisher.requests, one.ids_waiting()[:1]) == (0, [], waiting)
    assert "WARNING: VD-CALLBACK-025" in made.text
    # The signing key is not read. The secret that proves the waiting reports is read once.
    read = [entry["path"] for entry in made.requests if entry["service"] == "key_vault"]
    assert {path.split("?")[0].split("/")[2] for path in read} == {"publisher-acr-token"}
    waiting = one.ids_waiting()
    one.run(*[TAKEN] * 3)
    assert (one.ids_sent()[:2], len(one.ids_sent()), one.waiting()) == (waiting, 3, [])


def test_without_storage_the_runs_own_report_is_still_sent(one: Rig) -> None:
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


def test_a_missing_container_is_made(one: Rig) -> None:
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


def test_a_report_with_a_forbidden_value_is_not_made_and_the_waiting_ones_are_sent(one: Rig) -> None:
    (waiting,) = one.left_waiting(1)
    leaky: Callbacks[Any] = Callbacks(release_version=lambda _: "contoso's own")
    made = one.run(TAKEN, runbook=replace(SAMPLE, callbacks=leaky))
    assert (made.exit_code, one.ids_sent(), one.waiting()) == (0, [waiting], [])
    assert "WARNING: VD-CALLBACK-030" in made.text
    assert "contoso" not in made.text


def test_a_runbook_whose_further_reports_cannot_be_made_does_not_fail(one: Rig) -> None:
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


def test_reports_made_from_the_facts_follow_the_report_of_the_runs_end(one: Rig) -> None:
    def ping(_facts: Any, instance_id: str) -> list[Payload]:
        return [Ping(instance_id=instance_id, at=rfc3339(SYSTEM_CLOCK.now()))]

    callbacks: Callbacks[Any] = Callbacks(release_version=lambda _: "", payloads=ping)
    one.run(TAKEN, TAKEN, runbook=replace(SAMPLE, callbacks=callbacks))
    assert [request.path.rpartition("/")[2] for request in one.publisher.requests] == ["deployment", "ping"]
