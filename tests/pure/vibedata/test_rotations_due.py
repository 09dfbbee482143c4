"""When a rotation may be finished, and the requests of `vibedata rotate --due`."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from publisher.certificates.record import Issuance
from publisher.rotation.plan import RotationRequest, begins
from publisher.rotation.record import Rotation
from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import publisher
from runbook_lib.rotation.versions import OVERLAP_SECONDS
from tests.support.instance_documents import instance
from vibedata.rotation.certificate import result_json, result_text
from vibedata.rotation.drive import DriveOutcome
from vibedata.rotation.due import Ended, Waiting, refusal, what_to_do

AT = datetime(2026, 11, 23, 11, 30, tzinfo=timezone.utc)


def waiting(**fields: Any) -> Waiting:
    made = Rotation(instance_id="k3v9x2p7", number=3, rotation_id="r-3", credential_id="c", **fields)
    return Waiting(instance=instance(), command="rotate-hmac", rotation=made)


@pytest.mark.parametrize(
    ("promoted", "emergency", "goes_on"),
    [
        (None, False, True),
        (timedelta(seconds=OVERLAP_SECONDS), False, True),
        (timedelta(seconds=OVERLAP_SECONDS - 1), False, False),
        (timedelta(seconds=1), True, True),
    ],
)
def test_it_goes_on_once_the_overlap_is_over(promoted: timedelta | None, emergency: bool, goes_on: bool) -> None:
    one = waiting(promoted_at=rfc3339(AT - promoted) if promoted else "", emergency=emergency)
    assert one.may_go_on(AT) is goes_on
    assert one.request == RotationRequest(only="r-3", overlap_seconds=0 if emergency else OVERLAP_SECONDS)


def test_a_longer_overlap_than_the_default_is_kept() -> None:
    begun = {"promoted_at": rfc3339(AT - timedelta(seconds=OVERLAP_SECONDS)), "overlap_seconds": 7 * 24 * 3600}
    one = waiting(**begun)
    assert (one.may_go_on(AT), one.request.overlap_seconds) == (False, 7 * 24 * 3600)
    assert one.due == AT - timedelta(seconds=OVERLAP_SECONDS) + timedelta(days=7)
    assert waiting(**{**begun, "overlap_seconds": 600}).request.overlap_seconds == OVERLAP_SECONDS
    assert waiting(**begun, emergency=True).may_go_on(AT)


@pytest.mark.parametrize("newest", [None, waiting(ended_at=rfc3339(AT)).rotation, waiting(overtaken=True).rotation])
def test_it_never_begins_another_one(newest: Rotation | None) -> None:
    assert begins(RotationRequest(overlap_seconds=0), newest, "") is True
    assert begins(RotationRequest(overlap_seconds=0, only="r-3"), newest, "") is False


def test_one_that_was_overtaken_is_a_persons_task() -> None:
    assert refusal(waiting()) is None
    error = refusal(waiting(overtaken=True))
    assert error is not None and "`vibedata rotate-hmac --instance k3v9x2p7` begins another" in error.message
    assert error.remedy.startswith("Run `vibedata rotate-hmac --instance k3v9x2p7`")  # the same command would not help


def test_what_is_told() -> None:
    later = AT + timedelta(hours=3)
    ended = Ended(waiting=waiting(customer="promoted"), outcome="waits", next=later)
    assert ended.cells(AT) == ("Contoso B.V.", "rotate-hmac", "promoted", "2026-11-23 14:30 UTC, in 3 h", "waits")
    finished = Ended(waiting=waiting(customer="retired"), outcome="finished")
    assert finished.cells(AT)[2:] == ("retired", "-", "finished")
    failed = Ended(waiting=waiting(), outcome="failed", error=publisher.OVERTAKEN.error(target="r-3"))
    assert failed.cells(AT)[3:] == ("now", f"VD-ROTATION-034: {publisher.OVERTAKEN.error(target='r-3').message}")
    assert (failed.as_json()["error"] or {})["code"] == "VD-ROTATION-034"


def test_an_interrupted_change_has_no_known_state() -> None:
    assert Ended(waiting=waiting(customer="staged"), outcome="interrupted").cells(AT)[2:] == (
        "unknown",
        "now",
        "interrupted",
    )
    assert Ended(waiting=waiting(customer="staged"), outcome="not begun").cells(AT)[2:] == (
        "staged",
        "now",
        "not begun",
    )


def test_each_failure_says_what_to_do() -> None:
    failed = Ended(waiting=waiting(), outcome="failed", error=publisher.OVERTAKEN.error("\x1b[2J", target="r-3"))
    unread = publisher.RECORD_MALFORMED.error("endedAt", target="k3v9x2p7/99999998")
    lines = what_to_do([Ended(waiting=waiting(), outcome="waits"), failed], [unread]).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "  - Contoso B.V., rotate-hmac",
        "    what to do",
        "  - not read",
        "    what to do",
    ]
    assert lines[1].endswith(publisher.OVERTAKEN.remedy) and lines[3].endswith(publisher.RECORD_MALFORMED.remedy)
    assert "\x1b" not in lines[0]


def test_a_certificate_that_was_never_prepared_is_told_plainly() -> None:
    begun = Issuance(instance_id="k3v9x2p7", number=1, rotation_id="r-1", host="k3v9x2p7.vibedata.ai")
    told = result_text(result_json(begun, DriveOutcome()), "vibedata rotate-tls")
    assert told == "k3v9x2p7.vibedata.ai: the customer's vault has made no signing request yet."
    assert "is prepared at" in result_text(result_json(replace(begun, customer="prepared"), DriveOutcome()), "")
