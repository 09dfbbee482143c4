"""Templates that the rules accept, and further faults that the rules find."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.package_drafts import TODAY, Draft
from vibedata.package import located_json
from vibedata.package.contents import TEMPLATE, Contents
from vibedata.package.rules.catalogue import RULES
from vibedata.template.azure_types import types_in

BY_NAME = {rule.name: rule for rule in RULES}
TYPE = "Contoso.Things/things"
# One of each kind of definition.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "properties"],
    "readOnly": ["id", "type", "apiVersion"],
    "properties": {
        "name": {"type": "string"},
        "properties": {
            "type": "object",
            "required": ["size"],
            "readOnly": ["state"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "mode": {"type": "string", "enum": ["A", "B"]},
                "open": {"type": "string", "enum": ["A"], "open": True},
                "code": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
                "flag": {"type": "boolean"},
                "state": {"type": "string"},
                "tags": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
                "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
                "shape": {
                    "type": "object",
                    "properties": {},
                    "discriminator": "kind",
                    "variants": {"round": {"properties": {"radius": {"type": "integer"}}, "required": ["radius"]}},
                },
            },
        },
    },
}


@pytest.fixture
def check(tmp_path: Path) -> Any:
    """Return a function that returns a rule's messages for a template."""
    versions = ["2020-01-01", "2024-01-01", "2026-09-01"]
    content = {"type": f"{TYPE}@2026-09-01", "stable_versions": versions, "schema": SCHEMA}
    (tmp_path / "Contoso.Things.things.json").write_text(json.dumps(content))
    old = {"type": "Contoso.Things/old@2016-01-01", "stable_versions": ["2016-01-01"], "schema": {}}
    (tmp_path / "Contoso.Things.old.json").write_text(json.dumps(old))

    def messages(rule: str, template: Any) -> list[str]:
        document = located_json.read(json.dumps(template).encode(), name=TEMPLATE, file=TEMPLATE)
        contents = Contents(documents={TEMPLATE: document}, artifacts={}, types=types_in(tmp_path), today=TODAY)
        return [each.message for each in BY_NAME[rule].findings(contents)]

    return messages


def thing(**properties: object) -> dict[str, Any]:
    body = {"size": 1, **properties}
    return {"resources": [{"type": TYPE, "apiVersion": "2026-09-01", "name": "x", "properties": body}]}


@pytest.mark.parametrize(
    ("rule", "properties", "found"),
    [
        ("Values Must Be Allowed", {"size": 9, "mode": "A", "open": "C", "code": "abc", "flag": True}, []),
        ("Values Must Be Allowed", {"size": "[parameters('size')]"}, []),
        ("Values Must Be Allowed", {"size": 10}, ["it takes 1 to 9"]),
        ("Values Must Be Allowed", {"size": True}, ["it takes a value of type integer"]),
        ("Values Must Be Allowed", {"mode": "a"}, ["it takes one of A, B"]),
        ("Values Must Be Allowed", {"code": "a"}, ["it takes 2 to 4 characters"]),
        ("Values Must Be Allowed", {"code": "AB"}, ["it takes a text of the form ^[a-z]+$"]),
        ("Values Must Be Allowed", {"tags": {"any": 1}}, ["it takes a value of type string"]),
        ("Values Must Be Allowed", {"list": [{"a": "x"}, {"a": 2}]}, ["it takes a value of type string"]),
        ("Properties Must Be Known", {"tags": {"any": "x"}, "copy": [], "[variables('a')]": 1}, []),
        ("Properties Must Be Known", {"Size": 1}, ["there is no property Size here"]),
        ("Properties Must Be Known", {"list": [{"b": 1}]}, ["there is no property b here"]),
        ("Properties Must Be Known", {"shape": {"kind": "round", "radius": 1}}, []),
        ("Properties Must Be Known", {"shape": {"kind": "round", "edge": 1}}, ["there is no property edge here"]),
        ("Required Properties Must Be Set", {"shape": {"kind": "round"}}, ["property radius is missing"]),
        ("Read-Only Properties Must Not Be Set", {"state": "x"}, ["property state is read-only"]),
    ],
)
def test_a_resource_is_compared_with_its_types_definition(
    check: Any, rule: str, properties: dict[str, object], found: list[str]
) -> None:
    assert check(rule, thing(**properties)) == found


@pytest.mark.parametrize(
    ("type_", "version", "found"),
    [
        (TYPE, "2026-09-01", ""),
        ("contoso.things/THINGS", "2026-09-01", ""),
        (TYPE, "2024-01-01", "days old"),
        (TYPE, "2026-10-01-preview", "preview"),
        (TYPE, "2023-01-01", "has no api-version"),
        (TYPE, "latest", "no literal date"),
        (TYPE, "[parameters('version')]", "no literal date"),
        ("Contoso.Things/old", "2016-01-01", ""),
    ],
)
def test_an_api_version_is_stable_and_the_newest_or_young(check: Any, type_: str, version: str, found: str) -> None:
    messages = check("apiVersions Should Be Recent", {"resources": [{"type": type_, "apiVersion": version}]})
    assert (found in messages[0]) if found else messages == []


def used(*texts: str, **more: object) -> dict[str, Any]:
    outputs = {f"o{index}": {"type": "string", "value": text} for index, text in enumerate(texts)}
    return {"parameters": {"size": {"type": "string"}}, "resources": [], "outputs": outputs, **more}


@pytest.mark.parametrize(
    ("text", "is_used"),
    [
        ("[parameters('size')]", True),
        ("[PARAMETERS('SIZE')]", True),
        ("[concat('a', parameters('size').x[0])]", True),
        ("[[parameters('size')]", False),
        ("parameters('size')", False),
        ("[concat('parameters(''size'')')]", False),
        ("[variables('size')]", False),
    ],
)
def test_a_parameter_is_used_by_an_expression_alone(check: Any, text: str, is_used: bool) -> None:
    assert (check("Parameters Must Be Referenced", used(text)) == []) is is_used


def nested(scope: str | None, text: str) -> dict[str, Any]:
    template = {"resources": [], "outputs": {"a": {"type": "string", "value": text}}}
    evaluation = {"expressionEvaluationOptions": {"scope": scope}} if scope else {}
    return {"type": "Microsoft.Resources/deployments", "properties": {**evaluation, "template": template}}


def test_a_nested_template_of_inner_scope_uses_its_own_parameters(check: Any) -> None:
    rule, text = "Parameters Must Be Referenced", "[parameters('size')]"
    assert check(rule, used(resources=[nested("inner", text)])) != []
    assert check(rule, used(resources=[nested("outer", text)])) == []
    assert check(rule, used(resources=[nested(None, text)])) == []


@pytest.mark.parametrize(
    ("name", "type_", "is_good"),
    [
        ("secretName", "string", True),
        ("useSecret", "bool", True),
        ("clientSecret", "secureString", True),
        ("clientSecret", "string", False),
        ("accountKey", "string", False),
    ],
)
def test_what_sounds_like_a_secret_is_one(check: Any, name: str, type_: str, is_good: bool) -> None:
    template = {"parameters": {name: {"type": type_}}, "resources": []}
    assert (check("Password params must be secure", template) == []) is is_good


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("https://schema.management.azure.com/x", True),
        ("privatelink.vaultcore.azure.net", True),
        ("[format('https://x.{0}', environment().suffixes.storage)]", True),
        ("https://x.blob.core.windows.net", False),
        ("[concat('https://', 'Management.Azure.com')]", False),
    ],
)
def test_hosts_of_one_cloud_are_found(check: Any, text: str, is_good: bool) -> None:
    assert (check("DeploymentTemplate Must Not Contain Hardcoded Uri", used(text)) == []) is is_good


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("[uri(parameters('size'), concat('a', 'b'))]", True),
        ("[concat(uri(parameters('size'), 'a'), 'b')]", False),
        ("[format('{0}/a', parameters('size'))]", False),
        ("https://x.example/a", True),
    ],
)
def test_an_address_is_joined_by_uri(check: Any, text: str, is_good: bool) -> None:
    for given in (text, {"value": text}):
        template = {"resources": [{"type": TYPE, "properties": {"scriptUri": given}}]}
        assert (check("URIs Should Be Properly Constructed", template) == []) is is_good


def test_a_template_that_is_no_object_is_found_and_ends_no_rule(check: Any) -> None:
    assert check("DeploymentTemplate Schema Is Correct", []) != []
    for rule in RULES:
        if rule.needs == {TEMPLATE}:
            check(rule.name, [])
            check(rule.name, {"resources": [1, None], "parameters": [], "variables": 3, "outputs": "x"})


@pytest.mark.parametrize(
    "strange",
    [
        [],
        1,
        "x",
        {"parameters": []},
        {"parameters": {"a": 1}, "resources": {}, "outputs": {"a": []}},
        {"parameters": {"basics": [1], "steps": [2, {"elements": {}}], "outputs": []}, "views": [3], "resources": [4]},
    ],
)
def test_no_rule_ends_with_a_traceback_for_strange_files(strange: Any, tmp_path: Path) -> None:
    template = strange if isinstance(strange, dict) else {}
    made = Draft(template=template, user_interface=strange, view=strange, publisher=strange).make(tmp_path)
    assert made.template_error is None
    assert made.checked == RULES
    assert made.findings != ()
