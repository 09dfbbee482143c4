"""The chain of events: which changes by Azure do not break it, and what it shows."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.operations_log.delivery import CHUNK_BYTES, chunks
from runbook_lib.operations_log.events import COLUMNS, TEXT_LIMIT, Entry, Event, RunIdentity, event_id, make_event
from tests.support.operations_chain import verify_chain

START = datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc)


def chain(entries: list[Entry], run_id: str = "run-1") -> list[Event]:
    run = RunIdentity(
        run_id=run_id, correlation_id="c", runbook="import_images", version="2026.11.0", started_by="somebody"
    )
    events: list[Event] = []
    for sequence, entry in enumerate([*entries, Entry(step="run", action="finish", outcome="succeeded")]):
        previous = events[-1]["EventId"] if events else ""
        at = START + timedelta(seconds=sequence)
        events.append(make_event(run, entry, at=at, sequence=sequence, previous=previous))
    return events


ENTRIES = st.lists(
    st.builds(
        Entry,
        step=st.just("apply"),
        outcome=st.sampled_from(["done", "failed"]),
        target=st.text(max_size=30),
        message=st.text(st.characters(), max_size=30),
        duration_ms=st.integers(0, 10**9),
        details=st.dictionaries(
            st.text(min_size=1, max_size=8), st.text(max_size=20) | st.integers(0, 10**6), max_size=4
        ),
    ),
    min_size=1,
    max_size=8,
)


def kinds(events: list[Any]) -> list[str]:
    return [problem.kind for problem in verify_chain(events)]


def test_an_event_has_the_tables_columns() -> None:
    (event,) = chain([])
    assert set(event) == set(COLUMNS)
    assert event["PreviousEventId"] == ""
    assert event["Details"] == {"At": "2026-11-23T10:00:00.000000Z"}


@pytest.mark.slow
@given(ENTRIES, st.randoms())
def test_a_whole_chain_verifies_however_the_table_gives_it_back(entries: list[Entry], random: Any) -> None:
    events = chain(entries, "run-1") + chain(entries, "run-2")
    returned = []
    for event in events:
        row = json.loads(json.dumps(event))
        row["TimeGenerated"] = datetime.now(timezone.utc).isoformat()
        if random.random() < 0.5:
            row["Details"] = json.dumps(dict(reversed(list(row["Details"].items()))), indent=1)
        returned.append(row)
    random.shuffle(returned)
    assert verify_chain(returned) == []


@given(ENTRIES, st.data())
def test_a_missing_event_shows(entries: list[Entry], data: Any) -> None:
    events = chain(entries)
    del events[data.draw(st.integers(0, len(events) - 1))]
    assert set(kinds(events)) & {"gap", "open"}


@given(ENTRIES, st.data())
def test_an_edited_event_shows(entries: list[Entry], data: Any) -> None:
    events = chain(entries)
    index = data.draw(st.integers(0, len(events) - 1))
    column = data.draw(
        st.sampled_from([name for name in COLUMNS if name not in ("TimeGenerated", "RunId", "Sequence")])
    )
    edited = dict(events[index])
    edited[column] = {"At": "never"} if column == "Details" else "edited"
    events[index] = edited
    assert kinds(events)

    # A person who edits an event may also compute its EventId again. Then the next event does not fit any more.
    if index < len(events) - 1 and column != "EventId":
        edited["EventId"] = event_id(edited)
        assert kinds(events) == ["order"] or (column == "PreviousEventId" and set(kinds(events)) == {"order"})


def test_each_problem_has_its_kind() -> None:
    events = chain([Entry(step="apply", outcome="done", target=name) for name in "abc"])
    assert kinds([events[0], *events[2:]]) == ["gap"]
    assert kinds(events[:-1]) == ["open"]
    assert kinds([*events, events[1]]) == ["copy"]
    other = chain([Entry(step="apply", outcome="done", target=name) for name in "axc"])
    assert kinds([*events, other[1]]) == ["fork"] or kinds([*events, other[1]]) == ["fork", "order"]
    assert kinds([*events[:2], *other[2:]]) == ["order"]
    assert kinds([{**events[0], "Details": "no json"}, *events[1:]]) == ["edited"]


def test_long_texts_are_cut_before_they_are_hashed() -> None:
    (event, _) = chain(
        [Entry(step="apply", outcome="done", message="\u20ac" * 50_000, details={"After": "\x00" * 90_000})]
    )
    assert len(event["Message"].encode()) <= TEXT_LIMIT
    assert len(json.dumps(event["Details"])) < 64 * 1024
    assert event["EventId"] == event_id(event)


def test_an_event_holds_a_bounded_number_of_details() -> None:
    with pytest.raises(ValueError, match="at most"):
        chain([Entry(step="apply", outcome="done", details={str(number): 1 for number in range(8)})])


@given(st.lists(st.integers(0, 4000), max_size=600))
def test_chunks_hold_every_event_once_and_fit_an_upload(lengths: list[int]) -> None:
    events: list[Event] = [{"n": number, "t": "\u00e9" * length} for number, length in enumerate(lengths)]
    pieces = list(chunks(events))
    assert [event for piece in pieces for event in piece] == events
    assert all(piece and len(json.dumps(piece)) <= CHUNK_BYTES for piece in pieces)
