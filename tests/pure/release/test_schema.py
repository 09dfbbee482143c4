"""The parser and the published JSON Schema agree on every document."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from runbook_lib.errors import RunbookError
from runbook_lib.release import manifest as release_manifest
from runbook_lib.release.manifest import from_document, parse
from tests.support.manifest_maker import DOCUMENT, SCHEMA, VALIDATOR, code_of, component_with, document


def test_a_manifest_without_documents_is_read_as_before() -> None:
    older = {name: value for name, value in DOCUMENT.items() if name != "documents"}
    assert parse(json.dumps(older).encode()).documents == ()
    assert VALIDATOR.is_valid(older)


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def _no_day(candidate: Mapping[str, Any]) -> str:
    """Return which of the two times is on a day that does not exist."""
    for key in ("created_at", "expires_at"):
        try:
            datetime.strptime(str(candidate[key])[:10], "%Y-%m-%d")  # noqa: DTZ007 - only whether the day exists
        except ValueError:
            return key
    raise AssertionError(candidate)


def assert_agreement(candidate: object) -> None:
    """Check that the parser refuses the form of exactly those documents that the schema refuses."""
    try:
        from_document(candidate)
        accepted = True
    except RunbookError as error:
        assert error.code in ("VD-MANIFEST-002", "VD-MANIFEST-004")
        accepted = False
        if "takes a day that exists" in error.message:
            # No pattern can express this rule of the form. With an existing day, both must agree about the rest.
            assert isinstance(candidate, dict)
            assert_agreement({**candidate, _no_day(candidate): DOCUMENT["created_at"]})
            return
    assert accepted == VALIDATOR.is_valid(candidate), candidate


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["\n", "1.0.0\n", "sha512:" + "a" * 128, "A/b", "2026-02-30T00:00:00Z", "x" * 130, "http"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def _places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list):
        below = list(enumerate(value))
    return [path, *(place for key, inner in below for place in _places(inner, (*path, key)))]


PLACES = _places(DOCUMENT)[1:]


@pytest.mark.slow
@given(place=st.sampled_from(PLACES), value=JSON_VALUES)
@settings(max_examples=400, deadline=None)
def test_parser_and_schema_agree_on_any_value_anywhere(place: tuple[Any, ...], value: object) -> None:
    candidate = document()
    holder: Any = candidate
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    assert_agreement(candidate)


@given(place=st.sampled_from(PLACES), name=st.text(max_size=8))
@settings(max_examples=200, deadline=None)
def test_parser_and_schema_agree_on_missing_and_further_fields(place: tuple[Any, ...], name: str) -> None:
    candidate = document()
    holder: Any = candidate
    for key in place[:-1]:
        holder = holder[key]
    if isinstance(holder, dict):
        del holder[place[-1]]
        assert_agreement(candidate)
        holder[name] = 1
        assert_agreement(candidate)


@pytest.mark.parametrize("day", ["2026-02-29", "2026-02-30", "2026-04-31", "2100-02-29"])
def test_a_day_that_no_calendar_has_is_refused(day: str) -> None:
    assert code_of(document(expires_at=f"{day}T00:00:00Z")) == "VD-MANIFEST-002"


# Texts near the patterns' limits, because there two readers may differ.
@cache  # making a strategy takes longer than drawing from it
def _near(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(pattern, fullmatch=True) | st.from_regex(pattern)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_parser_and_schema_agree_on_texts_near_the_patterns(data: st.DataObject) -> None:
    candidate = document(
        version=data.draw(_near(release_manifest.VERSION)),
        channel=data.draw(_near(release_manifest.CHANNEL)),
        created_at=data.draw(_near(release_manifest.TIME)),
    )
    candidate["images"][0] |= {
        "repository": data.draw(_near(release_manifest.REPOSITORY_NAME)),
        "tag": data.draw(_near(release_manifest.TAG)),
        "name": data.draw(_near(release_manifest.NAME)),
    }
    candidate["documents"][0]["media_type"] = data.draw(_near(release_manifest.MEDIA_TYPE_NAME))
    candidate["components"][1] |= {
        "version": data.draw(_near(release_manifest.VISIBLE)),
        "resource_type": data.draw(_near(release_manifest.RESOURCE_TYPE)),
        "resource_name": data.draw(_near(release_manifest.RESOURCE_NAME)),
    }
    candidate["components"][1]["health"]["path"] = data.draw(_near(release_manifest.ORIGIN_FORM))
    assert_agreement(candidate)


@pytest.mark.parametrize("key", sorted(DOCUMENT))
def test_parser_and_schema_agree_on_empty_things(key: str) -> None:
    nothings: tuple[object, ...] = (None, "", 0, [], {})
    for empty in nothings:
        assert_agreement(document(**{key: empty}))


@pytest.mark.parametrize(
    "length", [release_manifest.MAX_IMAGES, release_manifest.MAX_IMAGES + 1], ids=["at the cap", "over it"]
)
def test_parser_and_schema_agree_on_the_caps(length: int) -> None:
    assert_agreement(document(images=[DOCUMENT["images"][0]] * length))
    assert_agreement(document(components=[DOCUMENT["components"][0]] * length))
    assert_agreement(document(runbooks=[DOCUMENT["runbooks"][0]] * (length // 10 + length % 10)))
    assert_agreement(document(documents=[DOCUMENT["documents"][0]] * (length // 100 + length % 100)))


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/a/b.c;v=1/~x", "/healthz?", "/a?b=c/d?e&f=%C3%A9", "/a//b", "/%2F", "/:@!$&'()*+,;="]
)
def test_a_path_that_a_request_can_have_is_taken(path: str) -> None:
    assert_agreement(component_with(path=path))
    parse(json.dumps(component_with(path=path)).encode())


@pytest.mark.parametrize(
    "path",
    [
        *("healthz", "/a#ready", "https://a.example/b", "", " /", "/a b", "*", "//host/a", "/%zz", "/%2", "?x", "/[x]"),
        *("/größe", "/a\\b", "/a\tb", "/a\u3164b", "/a\u00adb", '/"', "/<x>", "/{id}", "/" + "a" * 2048),
    ],
)
def test_a_path_that_no_request_can_have_is_refused(path: str) -> None:
    assert_agreement(component_with(path=path))
    assert code_of(component_with(path=path)) == "VD-MANIFEST-002"


@pytest.mark.parametrize(
    "fields",
    [
        {"version": "1.4\u200b"},
        {"version": " 1.4"},
        {"version": "1.4\u3164"},
        {"resource_type": "containerApps"},
        {"resource_type": "Microsoft.App/"},
        {"resource_type": "Microsoft.App/container Apps"},
        {"resource_name": "a\\b"},
        {"resource_name": "a//b"},
        {"resource_name": "a#b"},
        {"resource_name": "a?b"},
        {"resource_name": "a\u00adb"},
        {"expected_status": 100},
        {"expected_status": 199},
        {"expected_status": 600},
    ],
)
def test_what_no_resource_and_no_answer_has_is_refused(fields: dict[str, object]) -> None:
    assert_agreement(component_with(**fields))
    assert code_of(component_with(**fields)) == "VD-MANIFEST-002"


def test_every_policy_that_a_release_may_have_is_one_that_runbooks_obey() -> None:
    for delay, taken in ((0, False), (0.0, False), (0.001, True), (60, True), (60.1, False), (2.0, True)):
        candidate = document(policies={"networkRetryPolicies": {"max_retries": 3, "delay_seconds": delay}})
        assert_agreement(candidate)
        assert VALIDATOR.is_valid(candidate) == taken
