"""The operations log while ingestion and blob storage fail in every combination: no event is lost, and no run fails."""

import hashlib
import json
from collections.abc import Callable

import pytest

from runbook_lib.operations_log.delivery import SPOOL_CONTAINER
from runbook_lib.operations_log.events import Entry
from tests.support.log_reader import spooled, table_rows
from tests.support.operations_chain import verify_chain
from tests.support.operations_run import CANARY, INGESTION, Run
from tests.support.running_lab import LabUnderTest

SPOOL_WRITES = {"service": "blob", "method": "PUT", "path": f"/{SPOOL_CONTAINER}/"}


@pytest.fixture
def run(lab: LabUnderTest) -> Callable[[str], Run]:
    return lambda run_id: Run(lab, run_id)


def test_a_healthy_run_delivers_in_order_and_prints_nothing(lab: LabUnderTest, run: Callable[[str], Run]) -> None:
    made = run("one").whole(flushes=2)
    rows = table_rows(lab)
    assert [row["Sequence"] for row in rows] == [0, 1, 2, 3, 4]
    assert verify_chain(rows) == []
    assert made.printed == []
    assert CANARY not in str(rows)
    assert rows[0]["Message"] == "with ***"


def test_a_run_that_flushes_once_lists_the_spool_once_and_posts_once(
    lab: LabUnderTest, run: Callable[[str], Run]
) -> None:
    run("one").whole(flushes=0)
    assert [entry["method"] for entry in lab.journal(service="blob")] == ["GET"]
    assert [entry["method"] for entry in lab.journal(service="logs")] == ["POST"]


def test_ingestion_down_spools_and_the_next_run_delivers_each_once(
    lab: LabUnderTest, run: Callable[[str], Run]
) -> None:
    lab.fault("status", status=500, times=0, match=INGESTION)
    first = run("one").whole(flushes=3)
    blobs = spooled(lab)
    assert table_rows(lab) == []
    assert sorted(event["Sequence"] for events in blobs.values() for event in events) == list(range(7))
    assert all(name.startswith("one/0000000") for name in blobs)
    for name, events in blobs.items():
        content = json.dumps(events, sort_keys=True, separators=(",", ":")).encode()
        assert name.endswith(f"-{hashlib.sha256(content).hexdigest()}.json")
    assert CANARY not in str(blobs)
    warnings = [line for line in first.printed if "VD-LOG-001" in line]
    assert len(warnings) == 1
    # Two tries (with one retry each) in all: at the first flush and at the end; the others go straight to the spool.
    assert len(lab.journal(service="logs")) == 4

    lab.clear_faults()
    second = run("two").whole()
    rows = table_rows(lab)
    assert second.printed == []
    assert spooled(lab) == {}
    assert [(row["RunId"], row["Sequence"]) for row in rows] == [
        *(("one", number) for number in range(7)),
        *(("two", number) for number in range(3)),
    ]
    assert len({row["EventId"] for row in rows}) == len(rows)
    assert verify_chain(rows) == []


def test_ingestion_that_comes_back_within_the_run_leaves_nothing_behind(
    lab: LabUnderTest, run: Callable[[str], Run]
) -> None:
    lab.fault("status", status=500, times=2, match=INGESTION)
    run("one").whole(flushes=2)
    rows = table_rows(lab)
    assert spooled(lab) == {}
    assert sorted(row["Sequence"] for row in rows) == list(range(5))
    assert verify_chain(rows) == []


def test_events_older_than_azure_keeps_the_time_of_still_verify(lab: LabUnderTest, run: Callable[[str], Run]) -> None:
    lab.fault("status", status=500, times=0, match=INGESTION)
    run("one").whole()
    lab.clear_faults()
    before = spooled(lab)
    lab.control("POST", "/clock", {"advance_seconds": 3 * 24 * 3600})
    run("two").whole()
    rows = [row for row in table_rows(lab) if row["RunId"] == "one"]
    sent = {event["EventId"]: event["TimeGenerated"] for events in before.values() for event in events}
    assert all(row["TimeGenerated"].isoformat()[:16] != sent[row["EventId"]][:16] for row in rows)
    assert len(rows) == 3
    assert verify_chain(rows) == []


def test_neither_ingestion_nor_spool_leaves_the_events_in_the_output(
    lab: LabUnderTest, run: Callable[[str], Run]
) -> None:
    lab.fault("status", status=500, times=0, match=INGESTION)
    lab.fault("status", status=403, times=0, match=SPOOL_WRITES)
    made = run("one").whole(flushes=2)
    prefix = "operations log: "
    events = [json.loads(line.removeprefix(prefix)) for line in made.printed if line.startswith(prefix)]
    assert verify_chain(events) == []
    assert len(events) == 5
    assert any("VD-LOG-002" in line for line in made.printed)
    assert CANARY not in "\n".join(made.printed)


def test_a_missing_spool_container_is_made(lab: LabUnderTest, run: Callable[[str], Run]) -> None:
    made = run("one")
    made.clients.blob_service.delete_container(SPOOL_CONTAINER)
    made.whole()
    assert made.printed == []
    lab.fault("status", status=500, times=0, match=INGESTION)
    run("two").whole()
    assert len(spooled(lab)) == 2


def test_a_lost_answer_to_the_spools_write_makes_no_second_blob(lab: LabUnderTest, run: Callable[[str], Run]) -> None:
    lab.fault("status", status=500, times=0, match=INGESTION)
    lab.fault("reset_after", match=SPOOL_WRITES)
    made = run("one").whole(flushes=0)
    assert len(spooled(lab)) == 1
    assert not any("VD-LOG-002" in line for line in made.printed)


def test_a_lost_answer_to_an_upload_never_loses_an_event(lab: LabUnderTest, run: Callable[[str], Run]) -> None:
    lab.fault("reset_after", match=INGESTION)
    run("one").whole()
    rows = table_rows(lab)
    assert {row["Sequence"] for row in rows} == {0, 1, 2}
    assert {problem.kind for problem in verify_chain(rows)} <= {"copy"}


def test_a_lost_answer_to_the_spools_deletion_leaves_nothing_behind(
    lab: LabUnderTest, run: Callable[[str], Run]
) -> None:
    lab.fault("status", status=500, times=0, match=INGESTION)
    run("one").whole(flushes=0)
    lab.clear_faults()
    lab.fault("reset_after", match={"service": "blob", "method": "DELETE"})
    made = run("two").whole(flushes=0)
    assert made.printed == []
    assert spooled(lab) == {}
    assert verify_chain(table_rows(lab)) == []


def test_a_spooled_blob_that_another_run_holds_is_left_to_it(lab: LabUnderTest, run: Callable[[str], Run]) -> None:
    lab.fault("status", status=500, times=0, match=INGESTION)
    run("one").whole(flushes=0)
    lab.clear_faults()
    (name,) = spooled(lab)
    other = run("other")
    lease = other.clients.blob_service.get_blob_client(SPOOL_CONTAINER, name).acquire_lease(60)
    made = run("two").whole(flushes=0)
    assert made.printed == []
    assert [row["RunId"] for row in table_rows(lab)] == ["two"]
    lease.release()
    run("three").whole(flushes=0)
    assert sorted(row["RunId"] for row in table_rows(lab)) == ["one", "three", "two"]


def test_a_blob_that_is_not_what_its_name_says_is_reported_and_left(
    lab: LabUnderTest, run: Callable[[str], Run]
) -> None:
    bad = f"zero/00000000-{'0' * 64}.json"
    made = run("one")
    made.clients.blob_service.get_blob_client(SPOOL_CONTAINER, bad).upload_blob(b"[]")
    made.whole()
    assert any("VD-LOG-003" in line and bad in line for line in made.printed)
    assert [row["RunId"] for row in table_rows(lab)] == ["one"] * 3
    assert list(spooled(lab)) == [bad]


def test_content_that_ingestion_refuses_does_not_delay_the_rest(lab: LabUnderTest, run: Callable[[str], Run]) -> None:
    lab.fault("status", status=500, times=0, match=INGESTION)
    run("one").whole(flushes=0)
    run("two").whole(flushes=0)
    lab.clear_faults()
    lab.fault("status", status=400, times=1, match=INGESTION)
    made = run("three").whole(flushes=0)
    assert any("VD-LOG-003" in line for line in made.printed)
    assert len(spooled(lab)) == 1
    assert len(table_rows(lab)) == 3 - 1


def test_storage_down_and_ingestion_up_delivers(lab: LabUnderTest, run: Callable[[str], Run]) -> None:
    lab.fault("status", status=503, times=0, match={"service": "blob"})
    made = run("one").whole()
    assert verify_chain(table_rows(lab)) == []
    assert any("VD-LOG-003" in line for line in made.printed)


def test_more_than_one_upload_holds_arrives_whole(lab: LabUnderTest, run: Callable[[str], Run]) -> None:
    made = run("one")
    for number in range(400):
        made.log.record(Entry(step="apply", outcome="done", target=f"t{number}", message="x" * 4000))
    made.whole(flushes=0)
    rows = table_rows(lab)
    assert verify_chain(rows) == []
    assert len(rows) == 401
    assert len(lab.journal(service="logs")) >= 2
