"""The release manifest's form and rules; the parser and the published JSON Schema must agree on every document."""

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from runbook_lib.errors import RunbookError
from runbook_lib.release import manifest as release_manifest
from runbook_lib.release.manifest import from_document, parse
from runbook_lib.release.model import InstalledRelease, version_key
from runbook_lib.release.rules import check_installable, in_the_way

SCHEMA = json.loads((Path(__file__).parents[3] / "oci" / "release-manifest.schema.json").read_text())
DIGEST = "sha256:" + "a" * 64

DOCUMENT: Mapping[str, Any] = {
    "schema_version": 1,
    "version": "2026.11.0",
    "channel": "stable",
    "created_at": "2026-11-01T00:00:00Z",
    "expires_at": "2027-11-01T00:00:00.5Z",
    "images": [
        {"name": "api", "repository": "vibedata/api", "tag": "1.4.2", "digest": DIGEST, "size": 1},
        {"name": "web.ui", "repository": "vibedata/web-ui", "tag": "1.4.2", "digest": DIGEST, "size": 9000},
    ],
    "runbooks": [
        {
            "name": "import_images",
            "repository": "vibedata/runbooks/import_images",
            "tag": "2026.11.0",
            "digest": DIGEST,
            "script_sha256": "b" * 64,
            "mandatory": True,
        }
    ],
    "python_packages": {"repository": "vibedata/python-packages", "tag": "2026.11.0", "digest": DIGEST},
    "documents": [
        {
            "name": "sbom",
            "media_type": "application/vnd.cyclonedx+json",
            "repository": "vibedata/sbom",
            "tag": "2026.11.0",
            "digest": DIGEST,
        }
    ],
    "components": [
        {
            "name": "storage",
            "type": "infrastructure",
            "version": "1",
            "artifact": None,
            "resource_type": "Microsoft.X/y",
        },
        {
            "name": "api",
            "type": "application",
            "version": "1.4.2",
            "artifact": "api",
            "resource_type": "Microsoft.App/containerApps",
            "resource_name": "api",
            "depends_on": ["storage"],
            "health": {"kind": "http", "path": "/health", "expected_status": 200, "timeout_seconds": 5},
        },
        {"name": "importer", "type": "runbook", "version": "1", "artifact": "import_images", "depends_on": ["api"]},
    ],
    "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
}


def document(**fields: Any) -> dict[str, Any]:
    return copy.deepcopy({**DOCUMENT, **fields})


def code_of(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(RunbookError) as caught:
        parse(content)
    return caught.value.code


def test_a_whole_manifest_is_read() -> None:
    manifest = parse(json.dumps(DOCUMENT).encode())
    assert manifest.version == "2026.11.0"
    assert manifest.expires_at == datetime(2027, 11, 1, 0, 0, 0, 500_000, tzinfo=timezone.utc)
    assert [pin.tag for pin in manifest.pins] == ["1.4.2", "1.4.2", "2026.11.0", "2026.11.0", "2026.11.0"]
    assert manifest.images[1].size == 9000
    assert manifest.runbooks[0].mandatory
    assert manifest.components[1].depends_on == ("storage",)
    assert manifest.components[1].health.expected_status == 200
    assert manifest.components[0].health.kind == "none"
    assert manifest.network_retry_policies.delay_seconds == 2.0


def test_a_manifest_without_documents_is_read_as_before() -> None:
    older = {name: value for name, value in DOCUMENT.items() if name != "documents"}
    assert parse(json.dumps(older).encode()).documents == ()
    assert VALIDATOR.is_valid(older)


# --- Form -------------------------------------------------------------------------------------------------------------


def _ecma_pattern(validator: Any, pattern: str, instance: object, schema: object) -> Any:  # noqa: ARG001 - jsonschema's
    """JSON Schema's patterns are ECMA-262: `$` is the end of the text, not also the place before a last newline."""
    import re

    if isinstance(instance, str) and not re.search(pattern.removesuffix("$") + r"\Z", instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


VALIDATOR = validators.extend(Draft202012Validator, {"pattern": _ecma_pattern})(SCHEMA)  # type: ignore[no-untyped-call]


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def _no_day(candidate: Mapping[str, Any]) -> str:
    """Return which of the two times is on a day that no calendar has."""
    for key in ("created_at", "expires_at"):
        try:
            datetime.strptime(str(candidate[key])[:10], "%Y-%m-%d")  # noqa: DTZ007 - only whether there is such a day
        except ValueError:
            return key
    raise AssertionError(candidate)


def assert_agreement(candidate: object) -> None:
    """The parser refuses the form of exactly what the schema refuses."""
    try:
        from_document(candidate)
        accepted = True
    except RunbookError as error:
        assert error.code in ("VD-MANIFEST-002", "VD-MANIFEST-004")
        accepted = False
        if "takes a day of the calendar" in error.message:
            # The one rule of form that no pattern can say: another day in its place, and the rest must agree.
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


# Texts near to what the patterns accept, which is where two readings part.
def _near(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(pattern, fullmatch=True) | st.from_regex(pattern)


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


def _component_with(**fields: object) -> dict[str, Any]:
    candidate = document()
    health = {name: fields.pop(name) for name in ("path", "expected_status") if name in fields}
    candidate["components"][1] |= fields
    candidate["components"][1]["health"] |= health
    return candidate


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/a/b.c;v=1/~x", "/healthz?", "/a?b=c/d?e&f=%C3%A9", "/a//b", "/%2F", "/:@!$&'()*+,;="]
)
def test_a_path_that_a_request_can_have_is_taken(path: str) -> None:
    assert_agreement(_component_with(path=path))
    parse(json.dumps(_component_with(path=path)).encode())


@pytest.mark.parametrize(
    "path",
    [
        *("healthz", "/a#ready", "https://a.example/b", "", " /", "/a b", "*", "//host/a", "/%zz", "/%2", "?x", "/[x]"),
        *("/größe", "/a\\b", "/a\tb", "/a\u3164b", "/a\u00adb", '/"', "/<x>", "/{id}", "/" + "a" * 2048),
    ],
)
def test_a_path_that_no_request_can_have_is_refused(path: str) -> None:
    assert_agreement(_component_with(path=path))
    assert code_of(_component_with(path=path)) == "VD-MANIFEST-002"


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
    assert_agreement(_component_with(**fields))
    assert code_of(_component_with(**fields)) == "VD-MANIFEST-002"


def test_every_policy_that_a_release_may_have_is_one_that_runbooks_obey() -> None:
    for delay, taken in ((0, False), (0.0, False), (0.001, True), (60, True), (60.1, False), (2.0, True)):
        candidate = document(policies={"networkRetryPolicies": {"max_retries": 3, "delay_seconds": delay}})
        assert_agreement(candidate)
        assert VALIDATOR.is_valid(candidate) == taken


def test_a_message_shows_what_does_not_show() -> None:
    with pytest.raises(RunbookError, match=r"\\u3164"):
        parse(json.dumps(_component_with(version="1\u3164")).encode())
    with pytest.raises(RunbookError, match=r"\\xad"):
        parse(json.dumps(document(**{"ver\u00adsion": 1})).encode())


# --- Text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "VD-MANIFEST-002"),
        (b"not json", "VD-MANIFEST-002"),
        (b"\xff\xfe", "VD-MANIFEST-002"),
        (b'{"schema_version": 1, "schema_version": 1}', "VD-MANIFEST-002"),
        (b'{"schema_version": NaN}', "VD-MANIFEST-002"),
        (b'{"schema_version": 1e999}', "VD-MANIFEST-002"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "VD-MANIFEST-002"),
        (b"[" * 100_000, "VD-MANIFEST-002"),
        (b'{"schema_version": 2}', "VD-MANIFEST-004"),
        (b'{"schema_version": true}', "VD-MANIFEST-002"),
        (b" " * (release_manifest.MAX_MANIFEST_BYTES + 1), "VD-MANIFEST-003"),
    ],
    ids=lambda value: value[:20].decode(errors="replace") if isinstance(value, bytes) else None,
)
def test_what_is_no_manifest_is_refused_by_its_code(content: bytes, code: str) -> None:
    assert code_of(content) == code


def test_the_message_names_the_place_and_not_the_whole_value() -> None:
    broken = document()
    broken["images"][1]["digest"] = "md5:" + "0" * 10_000
    with pytest.raises(RunbookError, match=r"images\[1\]\.digest takes a text like sha256:") as caught:
        parse(json.dumps(broken).encode())
    assert len(caught.value.message) < 250


# --- Rules ------------------------------------------------------------------------------------------------------------


def _broken(name: str) -> dict[str, Any]:
    broken = document()
    components = broken["components"]
    if name == "a name twice among images":
        broken["images"].append({**broken["images"][0], "tag": "other"})
    elif name == "an image called like a runbook":
        broken["images"][0]["name"] = "Import_Images"
        components[1]["artifact"] = None
    elif name == "a component twice, in another case":
        components.append({**components[0], "name": "STORAGE"})
    elif name == "two bills of materials":
        broken["documents"].append({**broken["documents"][0], "tag": "other"})
    elif name == "a tag with two digests":
        broken["images"][1] |= {"repository": "vibedata/api", "digest": "sha256:" + "c" * 64}
    elif name == "a pin over the release manifest's own tags":
        broken["images"][1] |= {"repository": "vibedata/release-manifest", "tag": "latest"}
    elif name == "an artifact that is not there":
        components[1]["artifact"] = "nothing"
    elif name == "a dependency that is not there":
        components[1]["depends_on"] = ["nothing"]
    elif name == "a component that waits for itself":
        components[1]["depends_on"] = ["api"]
    elif name == "a circle":
        components[0]["depends_on"] = ["importer"]
    else:
        assert name == "an end before its beginning"
        broken["expires_at"] = broken["created_at"]
    return broken


@pytest.mark.parametrize(
    "name",
    [
        "a name twice among images",
        "an image called like a runbook",
        "a component twice, in another case",
        "two bills of materials",
        "a tag with two digests",
        "a pin over the release manifest's own tags",
        "an artifact that is not there",
        "a dependency that is not there",
        "a component that waits for itself",
        "a circle",
        "an end before its beginning",
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(name: str) -> None:
    broken = _broken(name)
    assert VALIDATOR.is_valid(broken)
    assert code_of(broken) == "VD-MANIFEST-005"


def test_a_circle_is_shown() -> None:
    with pytest.raises(RunbookError, match=r"(storage|api|importer) -> (storage|api|importer) -> "):
        parse(json.dumps(_broken("a circle")).encode())


def test_one_image_may_stand_under_two_names() -> None:
    twice = document()
    twice["images"].append({**twice["images"][0], "name": "worker"})
    assert len(parse(json.dumps(twice).encode()).images) == 3


def test_a_long_chain_of_dependencies_is_no_circle() -> None:
    count = release_manifest.MAX_COMPONENTS
    components = [
        {"name": f"c{number}", "type": "agent", "version": "1", "depends_on": [f"c{number + 1}"][: count - 1 - number]}
        for number in range(count)
    ]
    assert len(parse(json.dumps(document(components=components)).encode()).components) == count


def test_versions_are_compared_number_by_number() -> None:
    assert sorted(["2026.11.0", "2026.9.12", "2026.9.2"], key=version_key) == ["2026.9.2", "2026.9.12", "2026.11.0"]


NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
MANIFEST = parse(json.dumps(DOCUMENT).encode())
SHA256 = "d" * 64


def installable(*installed: InstalledRelease, now: datetime = NOW, allow_downgrade: bool = False) -> str:
    """Return the code of the refusal, "" for none."""
    try:
        check_installable(MANIFEST, sha256=SHA256, installed=installed, now=now, allow_downgrade=allow_downgrade)
    except RunbookError as error:
        return error.code
    return ""


def test_a_release_may_be_installed_first_again_and_over_an_older_one() -> None:
    assert installable() == ""
    assert installable(InstalledRelease("2026.11.0", SHA256)) == ""
    assert installable(InstalledRelease("2026.9.9", "e" * 64), InstalledRelease("2026.11.0", SHA256)) == ""


def test_what_could_stand_in_the_way_is_as_new_or_newer() -> None:
    own, other = InstalledRelease("2026.11.0", "a" * 64), InstalledRelease("2026.11.0", "b" * 64)
    older, newer = InstalledRelease("2026.9.0", "c" * 64), InstalledRelease("2026.12.0", "d" * 64)
    assert in_the_way(own, (older, own, other, newer)) == (newer, other)


def test_an_older_release_is_installed_only_if_that_is_said() -> None:
    newer = InstalledRelease("2026.11.1", "e" * 64)
    assert installable(newer) == "VD-MANIFEST-007"
    assert installable(newer, InstalledRelease("2026.11.0", SHA256)) == "VD-MANIFEST-007"
    assert installable(newer, allow_downgrade=True) == ""


def test_a_version_has_one_content_for_ever() -> None:
    other = InstalledRelease("2026.11.0", "e" * 64)
    assert installable(other) == "VD-MANIFEST-008"
    assert installable(other, allow_downgrade=True) == "VD-MANIFEST-008"


def test_a_release_expires_at_the_very_moment() -> None:
    assert installable(now=MANIFEST.expires_at - timedelta(microseconds=1)) == ""
    assert installable(now=MANIFEST.expires_at) == "VD-MANIFEST-006"


def test_nothing_of_a_manifest_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        MANIFEST.version = "2"  # type: ignore[misc]
    assert replace(MANIFEST, version="2026.12.0").version == "2026.12.0"
