"""The instance document: which texts are accepted and refused. The published JSON Schema must agree."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from publisher.instances.document import (
    MAX_DOCUMENT_LENGTH,
    OPTIONAL,
    PARTS,
    PARTS_THAT_ARE_SETTINGS,
    REQUIRED_SETTINGS,
    SETTINGS,
    changed,
    document_of,
    read,
    to_json,
)
from runbook_lib.azure.settings import Settings
from runbook_lib.errors import RunbookError
from tests.support.instance_documents import APPLICATION, DOCUMENT, SUBSCRIPTION, document, instance

SCHEMA = json.loads((Path(__file__).parents[3] / "publisher" / "instance-document.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def refusal(content: bytes | str) -> str:
    with pytest.raises(RunbookError) as caught:
        read(content, source="contoso.json")
    assert (caught.value.code, caught.value.exit_code) == ("VD-INSTANCE-001", 2)
    assert "contoso.json" in caught.value.message
    return caught.value.message


def test_what_is_written_is_read_again() -> None:
    made = instance()
    assert read(to_json(made), source="x") == made
    assert document_of(made) == DOCUMENT
    assert instance(display_name="Ødegård 株式会社").display_name == "Ødegård 株式会社"


def test_the_schema_names_the_same_parts_and_settings() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == set(PARTS)
    assert set(SCHEMA["required"]) == set(PARTS) - set(OPTIONAL)
    assert set(SCHEMA["properties"]["settings"]["properties"]) == set(SETTINGS)
    assert set(SCHEMA["properties"]["settings"]["required"]) == set(REQUIRED_SETTINGS)
    assert {*SETTINGS, *PARTS_THAT_ARE_SETTINGS.values()} == {each.name for each in fields(Settings)}


GOOD: list[dict[str, Any]] = [
    {},
    {"application_id": ""},
    {"application_id": APPLICATION.replace("resourceGroups", "resourcegroups")},
    {"subscription_id": SUBSCRIPTION.upper()},
    {"id": "a"},
    {"id": SUBSCRIPTION},
    {"ring": "", "release": "", "registry_token": ""},
    {"managed_resource_group": "Größe_(1).x"},
    {"settings": {**DOCUMENT["settings"], "publisher_api": "https://api.example/x", "trusted_identity": "CN=a,O=b"}},
]
ILL: list[dict[str, Any]] = [
    {"id": ""},
    {"id": "Contoso"},
    {"id": "a.b"},
    {"id": "a" * 64},
    {"id": 7},
    {"display_name": ""},
    {"display_name": "x" * 101},
    {"display_name": None},
    {"tenant_id": "contoso.example"},
    {"subscription_id": SUBSCRIPTION[:-1]},
    {"managed_resource_group": ""},
    {"application_id": "/subscriptions/x"},
    {"location": "West Europe"},
    {"prefix": "C"},
    {"ring": "a b"},
    {"registry_token": "a_b"},
    {"release": "2026.11"},
    {"release": "2026.011.0"},
    {"settings": {}},
    {"settings": []},
    {"settings": {**DOCUMENT["settings"], "dcr_id": ""}},
    {"settings": {**DOCUMENT["settings"], "dcr_id": 1}},
    {"settings": {**DOCUMENT["settings"], "arm_endpoint": "http://arm.example"}},
    {"settings": {**DOCUMENT["settings"], "password": "x"}},
    {"settings": {**DOCUMENT["settings"], "subscription_id": SUBSCRIPTION}},
    {"unknown": ""},
]
# Rules that a pattern cannot express.
ILL_BEYOND_THE_SCHEMA: list[dict[str, Any]] = [
    {"display_name": " Contoso"},
    {"display_name": "Contoso\x1b[2J"},
    {"display_name": "Contoso\u202e"},
    {"managed_resource_group": "ends with."},
    {"application_id": APPLICATION.replace(SUBSCRIPTION, SUBSCRIPTION.replace("2", "3"))},
    {"settings": {**DOCUMENT["settings"], "arm_endpoint": "https://arm.example:99999"}},
]


@pytest.mark.parametrize("parts", GOOD)
def test_what_both_take(parts: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(document(**parts))
    assert document_of(instance(**parts)) == document(**parts)


@pytest.mark.parametrize("parts", ILL)
def test_what_both_refuse(parts: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(document(**parts))
    assert next(iter(parts)).rstrip("s") in refusal(json.dumps(document(**parts)))


@pytest.mark.parametrize("parts", ILL_BEYOND_THE_SCHEMA)
def test_what_only_the_reader_refuses(parts: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(document(**parts))
    message = refusal(json.dumps(document(**parts)))
    assert next(iter(parts)) in message and "\x1b" not in message


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_missing(name: str) -> None:
    less = {part: value for part, value in DOCUMENT.items() if part != name}
    assert VALIDATOR.is_valid(less) == (name in OPTIONAL)
    if name in OPTIONAL:
        assert getattr(read(json.dumps(less), source="x"), name) == ""
    else:
        assert name in refusal(json.dumps(less))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"{", b'{"id": "a", "id": "b"}', b"\xff", " " * (MAX_DOCUMENT_LENGTH + 1)]
)
def test_what_is_no_document(content: bytes | str) -> None:
    refusal(content)


def test_single_values_are_changed_and_taken_away() -> None:
    made = changed(instance(), {"ring": "late", "release": "", "settings.publisher_api": "https://api.example"})
    assert (made.ring, made.release, made.settings["publisher_api"]) == ("late", "", "https://api.example")
    assert changed(made, {"settings.publisher_api": "", "ring": "early", "release": "2026.11.0"}) == instance()


@pytest.mark.parametrize(
    "values",
    [
        {"id": "another"},
        {"name": "x"},
        {"settings": "{}"},
        {"settings.": "x"},
        {"settings.dcr_id": ""},
        {"display_name": ""},
        {"location": "X"},
        {"\x1b": "x"},
    ],
)
def test_a_change_that_makes_no_document_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(RunbookError) as caught:
        changed(instance(), values)
    assert caught.value.code == "VD-INSTANCE-001" and "\x1b" not in caught.value.message
