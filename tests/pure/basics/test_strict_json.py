import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.basics.strict_json import MAX_INTEGER, NotStrictJsonError, loads

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@pytest.mark.slow
@given(values, st.booleans())
def test_json_is_read_as_it_was_written(value: object, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    assert loads(text) == value
    assert loads(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{'a': 1}",
        "[1,]",
        "01",
        "NaN",
        "-Infinity",
        "1e999",
        str(MAX_INTEGER + 1),
        "-" + "9" * 30,
        "9" * 5000,
        '{"a": 1, "a": 1}',
        '[{"b": {"a": 1, "\\u0061": 2}}]',
        '"\\ud800"',
        '"\ud800"',
        '{"\\udc00": 1}',
        '"a\nb"',
        "\ufeff{}",
        "{} {}",
        b"\xff",
        b'"\xed\xa0\x80"',
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000,
    ],
)
def test_what_two_readers_may_understand_differently_is_refused(text: str | bytes) -> None:
    with pytest.raises(NotStrictJsonError):
        loads(text)


@given(st.text() | st.binary())
def test_whatever_it_is_it_is_read_or_refused(text: str | bytes) -> None:
    try:
        json.dumps(loads(text), ensure_ascii=False).encode()
    except NotStrictJsonError as error:
        assert str(error)
