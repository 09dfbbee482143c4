"""A value is added to a shared TXT record set and removed from it, and everything else stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.dns_zone.record_sets import RecordSet
from publisher.dns_zone.txt_values import MAX_RECORDS, TxtValue, presence, with_value, without_value
from runbook_lib.errors import RunbookError, publisher

NAME = "_acme-challenge.k3v9x2p7"
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=300)


def found(*values: str) -> RecordSet:
    records = tuple((value,) for value in values)
    return RecordSet(type="TXT", name=NAME, ttl=3600, records=records, metadata={"team": "web"}, etag="1")


def value(text: str) -> TxtValue:
    return TxtValue(name=NAME, value=text)


def test_the_first_value_makes_the_set() -> None:
    made = with_value(None, value("one"))
    assert made == RecordSet(type="TXT", name=NAME, ttl=60, records=(("one",),))
    assert made.etag == ""


def test_another_value_keeps_the_others_and_their_ttl_and_metadata() -> None:
    made = with_value(found("one"), value("two"))
    assert made == found("one", "two")
    assert made.etag == "1"


@pytest.mark.parametrize(("there", "text"), [(found("one"), "one"), (found("one", "two"), "two")])
def test_a_value_that_is_there_is_not_written_again(there: RecordSet, text: str) -> None:
    assert with_value(there, value(text)) is None


@pytest.mark.parametrize("there", [None, found("one")])
def test_a_value_that_is_absent_is_not_removed(there: RecordSet | None) -> None:
    assert without_value(there, value("two")) is None


def test_the_last_value_leaves_an_empty_set() -> None:
    kept = without_value(found("one"), value("one"))
    assert kept is not None and kept.records == () and kept.etag == "1"


def test_a_full_set_takes_no_further_value() -> None:
    full = found(*map(str, range(MAX_RECORDS)))
    with pytest.raises(RunbookError) as caught:
        with_value(full, value("more"))
    assert caught.value.is_(publisher.TXT_SET_FULL)


@given(st.lists(TEXTS, max_size=MAX_RECORDS - 1, unique=True), TEXTS)
def test_adding_and_removing_a_value_keeps_all_others(texts: list[str], text: str) -> None:
    there = found(*texts)
    added = with_value(there, value(text)) or there
    assert presence(added, text) == "present"
    kept = without_value(added, value(text))
    assert kept is not None and kept.values == tuple(each for each in texts if each != text)
    assert presence(kept, text) == "absent"
    assert all(len(string) <= 255 for record in added.records[len(texts) :] for string in record)
