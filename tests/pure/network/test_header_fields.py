"""Header fields by their grammar; and an error's words, as far as they can be read."""

import contextlib
import json
from typing import Any

import pytest

from runbook_lib.container_registry.words import MAX_ERRORS, MAX_WORDS, words
from runbook_lib.network import header_fields, link_field
from runbook_lib.network.link_field import NotAFieldError
from tests.support.growth import grows_too_fast


def relations(value: str) -> list[tuple[str, str]]:
    return [(link.target, " ".join(sorted(link.relations))) for link in link_field.links(value)]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", []),
        (" , ,", []),
        ("<a>", [("a", "")]),
        ('<a>; rel="next"', [("a", "next")]),
        ("<a>;rel=next", [("a", "next")]),
        ("<a> ; REL = Next ;", [("a", "next")]),
        ('<a>; rel="prev NEXT"', [("a", "next prev")]),
        ('<a>; rel="last"; rel="next"', [("a", "last")]),
        ('<a>; rel="first", <b>; rel="next"', [("a", "first"), ("b", "next")]),
        ('<a>; title="x, <y>; rel=\\"next\\""; rel=prev', [("a", "prev")]),
        ("<a>; title*=UTF-8''%e2%82%ac; rel=next; n=1", [("a", "next")]),
        ("<a>;;; ; rel=next", [("a", "next")]),
        ("<a>; crossorigin; rel=next,", [("a", "next")]),
        ('<a>; anchor="#x"; rel=next, <b>; rel=next', [("b", "next")]),
        ("<a,b;c>; rel=next", [("a,b;c", "next")]),
        ("<>; rel=next", [("", "next")]),
        ("<a>\r\n ; rel=next", [("a", "next")]),
        ("<a>; relation=next", [("a", "")]),
    ],
)
def test_links_are_read_by_their_grammar(value: str, found: list[tuple[str, str]]) -> None:
    assert relations(value) == found


@pytest.mark.parametrize(
    "value", ["a", "next", "<a", "a>; rel=next", '<a>; rel="next', "<a> rel=next", "<a>; rel=next, b", "<<a>>"]
)
def test_what_is_no_link_is_said_to_be_none(value: str) -> None:
    with pytest.raises(NotAFieldError):
        link_field.links(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: "<a>" + " " * n,
        lambda n: "<a>;" + " a" * n,
        lambda n: '<a>;x="' + "\\a" * n,
        lambda n: " ," * n,
        lambda n: "<a>" + " ;" * n,
        lambda n: "<" * n,
        lambda n: "<a>;a" + " " * n + "x",
        lambda n: "<a>;rel=" + " " * n + '"',
        lambda n: "<a>, " * n,
    ],
)
def test_the_time_grows_as_the_field_does(make: Any) -> None:
    def read(size: int) -> None:
        with contextlib.suppress(NotAFieldError):
            link_field.links(make(size))

    assert not grows_too_fast(read, size=64_000)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" application/json ;charset=utf-8;", "application/json"),
        ("", ""),
        ("; charset=utf-8", ""),
    ],
)
def test_media_types_have_no_case_and_parameters_are_not_part_of_them(value: str, found: str) -> None:
    assert header_fields.media_type(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0", 0),
        ("12", 12),
        (" 7 ", 7),
        ("007", 7),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("1_0", None),
        ("²", None),
        ("1.0", None),
    ],
)
def test_numbers_are_digits(value: str, found: int | None) -> None:
    assert header_fields.number(value) == found


def test_a_number_of_any_length_is_read() -> None:
    assert header_fields.number("9" * 5000) == 10**18
    assert header_fields.number("0" * 5000 + "1") == 1


# --- What a container registry says -----------------------------------------------------------------------------------


def said(*errors: object) -> str:
    return words(json.dumps({"errors": errors}).encode())


@pytest.mark.parametrize(
    ("errors", "shown"),
    [
        ([{"code": "DENIED", "message": "no"}], "DENIED: no"),
        ([{"code": "DENIED"}], "DENIED"),
        ([{"message": "no"}], "no"),
        ([{"code": "DENIED", "message": None, "detail": None}], "DENIED"),
        ([{"code": "DENIED", "message": ""}], "DENIED"),
        ([{"code": "UNAUTHORIZED"}, {"code": "DENIED", "message": "no"}], "UNAUTHORIZED; DENIED: no"),
        ([{"code": "DENIED", "message": "no", "detail": {"rule": 2**60}}], "DENIED: no"),
        ([{"code": "DENIED", "detail": {"rule": 2**200}}], f'DENIED: {{"rule": "{2**200}"}}'),
        ([{"code": "DENIED", "detail": "rule 7"}], "DENIED: rule 7"),
        ([{"code": "DENIED", "detail": {"rule": 7}}], 'DENIED: {"rule": 7}'),
        ([{"code": 7, "message": ["a"]}, None, 7, "words", {"code": "DENIED"}], "words; DENIED"),
        ([], ""),
        ([{}], ""),
    ],
)
def test_a_code_is_kept_whatever_is_absent(errors: list[object], shown: str) -> None:
    assert said(*errors) == shown


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b'{"errors": {"code": "DENIED"}}', "DENIED"),
        (b'{"error": {"code": "Forbidden", "message": "no"}}', "Forbidden: no"),
        (b'{"error": "invalid_grant", "error_description": "expired"}', "invalid_grant: expired"),
        (b'{"code": "TOOMANYREQUESTS", "message": "later"}', "TOOMANYREQUESTS: later"),
        (b'\xef\xbb\xbf{"errors": [{"code": "DENIED", "message": "\xff"}]}', "DENIED: \ufffd"),
        (b'{"errors": [{"code": "DENIED", "code": "DENIED", "detail": NaN, "message": "a"}]}', "DENIED: a"),
        (b'{"errors": [{"code": "DENIED\\u001b[2J\\n", "message": "a\\u0000b"}]}', "DENIED[2J: ab"),
        (b'{"errors": null}', ""),
        (b'{"errors": 7}', ""),
        (b'"DENIED"', ""),
        (b"<html>", ""),
        (b"", ""),
        (b"[" * 100_000, ""),
        (b'{"errors": [{"code": "X", "detail": ' + b"[" * 5000 + b"]" * 5000 + b"}]}", ""),
        (b'{"errors": [{"code": "DENIED", "detail": ' + b"9" * 9000 + b"}]}", "DENIED: ..."),
    ],
)
def test_an_error_of_any_form_is_read_as_far_as_it_goes(content: bytes, shown: str) -> None:
    assert words(content) == shown


def test_what_is_shown_has_an_end() -> None:
    shown = said({"code": "A", "message": "x " * 10_000})
    assert MAX_WORDS - len("x ...") <= len(shown) <= MAX_WORDS
    assert shown.endswith("x ...")
    assert said(*[{"code": "A"}] * 100) == "; ".join("A" * MAX_ERRORS)
