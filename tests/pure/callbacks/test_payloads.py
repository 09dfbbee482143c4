"""Only the allow-list may leave the tenant, whatever the input is."""

import json
import re
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.basics.clock import rfc3339
from runbook_lib.callbacks import payloads as callback_payloads
from runbook_lib.callbacks.payloads import (
    KINDS,
    ComponentHealth,
    DeploymentProgress,
    HealthSummary,
    Payload,
    PayloadRefusedError,
    Ping,
    StepStatus,
    parse,
    to_json,
)
from runbook_lib.release import manifest as release_manifest
from runbook_lib.run import result
from tests.support.fake_clock import FakeClock
from vibedata.error_catalogue import CATALOGUE

AT = "2026-11-25T10:00:00.000000Z"
COMPONENT = {"name": "api", "type": "application", "version": "1.4.2", "health": "healthy"}
COUNTS = {"unknown": 0, "healthy": 1, "degraded": 0, "unhealthy": 0}
PING: dict[str, Any] = {"instance_id": "i-1", "at": AT}
HEALTH: dict[str, Any] = {
    **PING,
    "release_version": "2026.11.0",
    **COUNTS,
    "components": [COMPONENT],
    "certificate_not_after": "2027-02-27T10:00:00.000000Z",
}
DEPLOYMENT: dict[str, Any] = {
    **PING,
    "correlation_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "release_version": "2026.11.0",
    "step": "import_images",
    "status": "failed",
    "error_code": "VD-IMPORT-003",
    "duration_ms": 12_000,
}
DOCUMENTS = {"ping": PING, "health": HEALTH, "deployment": DEPLOYMENT}

# The list is written a second time by hand. A person who lets more leave the tenant has to change it here, too.
WORDS = {
    "type": {"application", "infrastructure", "agent", "runbook"},
    "health": {"unknown", "healthy", "degraded", "unhealthy"},
    "status": {"succeeded", "unchanged", "failed"},
}
TEXTS = {
    "instance_id": r"[a-z0-9-]{1,63}",
    "at": r"[0-9T:.Z-]{27}",
    "certificate_not_after": r"([0-9T:.Z-]{27})?",
    "release_version": r"[0-9.]{0,20}",
    "name": r"[A-Za-z0-9._-]{1,63}",
    "version": r"[A-Za-z0-9._+-]{0,64}",
    "correlation_id": r"[0-9a-f-]{36}",
    "step": r"[a-z0-9_]{1,63}",
    "error_code": r"(VD-[A-Z]{1,16}-[0-9]{3})?",
}
NUMBERS = {"unknown": 1000, "healthy": 1000, "degraded": 1000, "unhealthy": 1000, "duration_ms": 86_400_000}
FIELDS = {kind: set(document) for kind, document in DOCUMENTS.items()}

# Any text, and texts that come close to what is allowed.
NEAR = st.sampled_from(
    ["healthy", "healthy\n", "i-1", "I-1", "2026.11.0", "2026.11.0 ", AT, "VD-NET-001", "VD-NET-001x", "a" * 64, ""]
)
ANYTHING = st.one_of(
    NEAR,
    st.text(),
    st.integers(-2, 2000),
    st.floats(),
    st.booleans(),
    st.none(),
    st.binary(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)
COMPONENTS = st.lists(
    st.fixed_dictionaries({name: st.one_of(st.just(value), ANYTHING) for name, value in COMPONENT.items()})
)


def is_allowed(name: str, value: object) -> bool:
    if name == "components":
        return isinstance(value, list) and all(
            set(item) == set(COMPONENT) and all(is_allowed(*each) for each in item.items()) for item in value
        )
    if name in WORDS:
        return value in WORDS[name]
    if name in NUMBERS:
        return type(value) is int and 0 <= value <= NUMBERS[name]
    return isinstance(value, str) and re.fullmatch(TEXTS[name], value) is not None


def made(kind: str, values: dict[str, Any]) -> Payload:
    values = dict(values)
    if isinstance(values.get("components"), list):
        values["components"] = tuple(
            ComponentHealth(**item) if isinstance(item, dict) and item.keys() == COMPONENT.keys() else item
            for item in values["components"]
        )
    return KINDS[kind](**values)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_report_is_written_and_read_back(kind: str) -> None:
    payload = made(kind, DOCUMENTS[kind])
    assert type(payload) in {Ping, HealthSummary, DeploymentProgress}
    assert json.loads(to_json(payload)) == DOCUMENTS[kind]
    assert parse(kind, to_json(payload)) == payload
    assert to_json(parse(kind, json.dumps(DOCUMENTS[kind]).encode())) == to_json(payload)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.data(), st.sampled_from(sorted(DOCUMENTS)))
def test_nothing_outside_the_list_leaves_whatever_goes_in(data: st.DataObject, kind: str) -> None:
    changed = data.draw(st.sets(st.sampled_from(sorted(DOCUMENTS[kind]))))
    values = {
        name: data.draw(COMPONENTS if name == "components" and data.draw(st.booleans()) else ANYTHING)
        for name in changed
    }
    try:
        wire = to_json(made(kind, {**DOCUMENTS[kind], **values}))
    except PayloadRefusedError:
        return
    document = json.loads(wire)
    assert set(document) == FIELDS[kind]
    assert [name for name, value in document.items() if not is_allowed(name, value)] == []


@pytest.mark.slow
@settings(max_examples=200)
@given(st.data(), st.sampled_from(sorted(DOCUMENTS)))
def test_the_publisher_takes_nothing_outside_the_list(data: st.DataObject, kind: str) -> None:
    changed = data.draw(st.sets(st.sampled_from([*sorted(DOCUMENTS[kind]), "note"]), min_size=1))
    values = {name: data.draw(st.one_of(NEAR, st.text(), st.integers(), st.none())) for name in changed}
    try:
        payload = parse(kind, json.dumps({**DOCUMENTS[kind], **values}).encode())
    except PayloadRefusedError:
        return
    assert "note" not in changed
    assert all(is_allowed(name, value) for name, value in json.loads(to_json(payload)).items())


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("ping", "instance_id", "I-1"),
        ("ping", "instance_id", "i-1\n"),
        ("ping", "instance_id", "i" * 64),
        ("ping", "at", "2026-11-25T10:00:00Z"),
        ("health", "release_version", "the one of Monday"),
        ("health", "healthy", True),
        ("health", "healthy", -1),
        ("health", "healthy", 1001),
        ("health", "components", [{**COMPONENT, "name": "https://contoso.example/api"}]),
        ("health", "components", [{**COMPONENT, "version": "1.4.2 (contoso's own)"}]),
        ("health", "components", [{**COMPONENT, "health": "ill: cannot resolve db.contoso.example"}]),
        ("health", "components", [COMPONENT] * 1001),
        ("health", "certificate_not_after", "2027-02-27"),
        ("health", "certificate_not_after", None),
        ("deployment", "correlation_id", "contoso"),
        ("deployment", "step", "import images for contoso"),
        ("deployment", "status", "planned"),
        ("deployment", "error_code", "VD-IMPORT-003: contoso.azurecr.io"),
        ("deployment", "duration_ms", 1.0),
    ],
)
def test_what_does_not_fit_is_refused_on_both_sides_and_not_repeated(kind: str, field: str, value: object) -> None:
    document = {**DOCUMENTS[kind], field: value}
    with pytest.raises(PayloadRefusedError, match=re.escape(f"{kind}.{field}")) as read:
        parse(kind, json.dumps(document).encode())
    with pytest.raises(PayloadRefusedError) as written:
        made(kind, document)
    assert "contoso" not in f"{read.value}{written.value}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'{"contoso": 1}',
        b'{"at": "contoso", "at": "contoso", "instance_id": "i-1"}',
        json.dumps({**PING, "contoso": 1}).encode(),
        json.dumps({"at": AT}).encode(),
        b'{"instance_id": "i-1", "at": "contoso' + b"\xff" + b'"}',
        b'{"instance_id": "i-1", "at": "' + b"contoso" * 40_000 + b'"}',
    ],
)
def test_what_is_no_report_is_refused_and_not_repeated(content: bytes) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        parse("ping", content)
    assert "contoso" not in str(caught.value)


def test_the_report_of_an_older_release_has_no_certificate() -> None:
    older = {name: value for name, value in HEALTH.items() if name != "certificate_not_after"}
    assert parse("health", json.dumps(older).encode()) == made("health", {**HEALTH, "certificate_not_after": ""})
    for name in older:
        with pytest.raises(PayloadRefusedError):
            parse("health", json.dumps({each: value for each, value in older.items() if each != name}).encode())


def test_no_other_kind_is_written_or_read() -> None:
    class Postcard(Ping):
        """A report of a kind that somebody invented."""

    with pytest.raises(PayloadRefusedError, match="not a report"):
        to_json(Postcard(**PING))
    with pytest.raises(PayloadRefusedError, match="not a report"):
        parse("postcard", json.dumps(PING).encode())


def test_what_was_changed_after_it_was_made_is_refused() -> None:
    payload = parse("ping", to_json(Ping(**PING)))
    object.__setattr__(payload, "at", "contoso")
    with pytest.raises(PayloadRefusedError):
        to_json(payload)


def test_a_text_that_writes_itself_as_another_is_refused() -> None:
    class Disguise(str):
        """A text that equals an allowed one, but has more parts."""

    with pytest.raises(PayloadRefusedError):
        Ping(instance_id=Disguise("i-1"), at=AT)


def test_the_largest_report_keeps_the_cap() -> None:
    component = ComponentHealth(name="n" * 63, type="infrastructure", version="v" * 64, health="unhealthy")
    summary = {**HEALTH, "release_version": "999999.999999.999999", "components": (component,) * 1000}
    assert len(to_json(HealthSummary(**summary))) < callback_payloads.MAX_PAYLOAD_BYTES


def test_the_list_agrees_with_what_the_suite_says() -> None:
    assert set(get_args(StepStatus)) == set(get_args(result.Status)) - {"planned"}
    assert callback_payloads.MAX_COMPONENTS == release_manifest.MAX_COMPONENTS
    Ping(instance_id="i", at=rfc3339(FakeClock().now()))
    for code in CATALOGUE:
        DeploymentProgress(**{**DEPLOYMENT, "error_code": code})


@given(st.from_regex(release_manifest.NAME, fullmatch=True), st.from_regex(release_manifest.VERSION, fullmatch=True))
def test_every_name_and_version_of_a_release_can_be_told(name: str, version: str) -> None:
    component = ComponentHealth(**{**COMPONENT, "name": name})
    HealthSummary(**{**HEALTH, "release_version": version, "components": (component,)})
