"""The text in the body of a service's error: codes are found anywhere in it, and no body breaks the reader."""

import json
import time
from typing import Any

import pytest

from runbook_lib.basics.service_words import ServiceWords, words_of_body, words_of_error, words_of_text

INNER = {"code": "Inner", "message": "the  reason\nof it"}


def text(value: object) -> str:
    return json.dumps(value)


@pytest.mark.parametrize(
    ("body", "codes", "message"),
    [
        ({"error": INNER}, ("Inner",), "the reason of it"),
        (INNER, ("Inner",), "the reason of it"),
        (text({"error": INNER}), ("Inner",), "the reason of it"),
        (text(text(INNER)), ("Inner",), "the reason of it"),
        ({"error": {"code": "Outer", "message": text({"error": INNER})}}, ("Outer", "Inner"), "the reason of it"),
        ({"error": {**INNER, "innererror": {"code": "Deep", "innererror": {"code": "Deeper"}}}}, None, None),
        ({"error": {"code": "Inner"}}, ("Inner",), ""),
        ({"error": {"message": "no code"}}, (), "no code"),
        ({"error": "invalid_grant"}, (), "invalid_grant"),
        ({"error": {"code": "Outer", "message": '{"other": 1}'}}, ("Outer",), '{"other": 1}'),
        ({"error": {"code": 7, "message": ["x"]}}, (), '{"error": {"code": 7, "message": ["x"]}}'),
        ("a text", (), "a text"),
        ([INNER], (), ""),
        (12, (), ""),
    ],
)
def test_a_body_in_json(body: Any, codes: tuple[str, ...] | None, message: str | None) -> None:
    said = words_of_body(text(body).encode())
    if codes is None:
        assert said == ServiceWords(codes=("Inner", "Deep", "Deeper"), message="the reason of it")
    else:
        assert said == ServiceWords(codes=codes, message=message or "")


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"null"])
def test_another_body_says_nothing(body: bytes) -> None:
    assert words_of_body(body) == ServiceWords()


def test_texts_in_texts_without_end_are_left_where_the_bound_is() -> None:
    told: object = INNER
    for _ in range(12):
        told = text(told)
    assert words_of_body(str(told).encode()).codes == ()


def test_a_long_number_takes_no_time() -> None:
    began = time.monotonic()
    assert words_of_text('{"code": "C", "n": ' + "9" * 2_000_000 + "}").codes == ("C",)
    assert time.monotonic() - began < 30


def test_an_error_that_the_sdk_has_read() -> None:
    assert str(words_of_error("Failed", text({"error": INNER}))) == "Failed Inner: the reason of it"
    assert str(words_of_error(None, "why")) == "why"
    assert str(words_of_error("Failed", None)) == "Failed"
    assert str(words_of_error(None, None)) == ""
