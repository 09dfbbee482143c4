"""Reports that the publisher refuses, and blobs of strangers in the spool: neither of them delays another report."""

import hashlib

import pytest

from runbook_lib.callbacks.delivery import REFUSALS_PER_RUN
from runbook_lib.callbacks.spool import MAX_WAITING_BYTES
from tests.support.callback_rig import DEPLOYMENT, DOWN, REFUSED, SPOOL, TAKEN, Rig


def test_a_report_that_is_not_taken_delays_no_other(one: Rig) -> None:
    waiting = one.left_waiting(3)
    made = one.run(REFUSED, TAKEN, TAKEN, TAKEN)
    assert one.ids_sent()[:3] == waiting
    assert one.ids_waiting() == waiting[:1]
    assert made.text.count("WARNING: VD-CALLBACK-024") == 1


def test_the_next_run_sends_refused_reports_last(one: Rig) -> None:
    waiting = one.left_waiting(REFUSALS_PER_RUN + 2)
    bad, good = waiting[:REFUSALS_PER_RUN], waiting[REFUSALS_PER_RUN:]
    # After some refusals the run stops asking.
    made = one.run(*[REFUSED] * 20)
    assert (one.ids_sent(), made.text.count("WARNING: VD-CALLBACK-024")) == (bad, 1)
    (own,) = set(one.ids_waiting()) - set(waiting)
    # It refuses these. Then come the later reports, the former run's report, this run's own report, and these once
    # more.
    made = one.run(*[TAKEN] * 4, *[REFUSED] * 20)
    assert one.ids_sent()[:3] == [*good, own]
    assert one.ids_sent()[4:] == bad
    assert (made.exit_code, one.ids_waiting()) == (0, bad)
    # The reports that were refused longest ago come first. A report that is finally accepted waits no longer.
    one.run(TAKEN, *[REFUSED] * 2, TAKEN, *DOWN)
    assert list(dict.fromkeys(one.ids_sent()[1:])) == [bad[0], bad[1], bad[2], bad[3]]
    assert one.ids_waiting() == [bad[0], bad[1], bad[3], bad[4]]
    one.run(*[TAKEN] * 5)
    assert (one.ids_sent()[1:], one.waiting()) == ([bad[3], bad[4], bad[0], bad[1]], [])


def test_five_blobs_of_a_stranger_delay_no_report(one: Rig) -> None:
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


def test_a_refusal_that_cannot_be_noted_delays_no_report(one: Rig) -> None:
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
def test_a_blob_of_a_stranger_is_not_sent(one: Rig, name: str, content: bytes) -> None:
    name = name.replace("{sha}", hashlib.sha256(content).hexdigest())
    (waiting,) = one.left_waiting(1)
    one.spool.upload_blob(name, content)
    made = one.run(TAKEN, correlation_id="")
    assert one.ids_sent() == [waiting]
    assert one.waiting() == [name]
    assert "WARNING: VD-CALLBACK-026" in made.text
    assert name in made.text


def test_a_large_blob_of_a_stranger_does_not_fill_the_spool(one: Rig) -> None:
    one.spool.upload_blob("20260101T000000.000000Z-large", b"x" * MAX_WAITING_BYTES)
    made = one.run(*DOWN)
    assert "VD-CALLBACK-027" not in made.text
    assert len(one.ids_waiting()) == 1
