"""Odd and hostile files of a package: each fault is a finding, and no rule raises or hangs."""

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.package_drafts import INFRA, RUNBOOK, TODAY, Draft, with_compiler
from vibedata.package import located_json
from vibedata.package.contents import PARAMETERS, TEMPLATE, USER_INTERFACE, VIEW, Contents
from vibedata.package.controls import MAX_COMBINATIONS, combinations
from vibedata.package.making import make
from vibedata.package.regexes import MAX_CHARACTERS, Trial, try_all
from vibedata.package.rules.catalogue import RULES
from vibedata.template.azure_types import types_in

pytestmark = pytest.mark.slow  # hundreds of drafts, each changed and checked as a whole

OUTPUT = "customerIpRanges"
TYPES = types_in(INFRA / "types")


def checked(draft: Draft) -> list[str]:
    """Return the findings of all rules, in the form `rule: message`."""
    values = {
        TEMPLATE: draft.template,
        USER_INTERFACE: draft.user_interface,
        VIEW: draft.view,
        PARAMETERS: draft.publisher,
    }
    documents = {
        name: located_json.read(json.dumps(value).encode(), name=name, file=name) for name, value in values.items()
    }
    contents = Contents(documents=documents, artifacts=draft.artifacts, types=TYPES, today=TODAY)
    return [f"{each.rule}: {each.message}" for rule in RULES for each in rule.findings(contents)]


def alert_box(draft: Draft) -> Any:
    return next(each for each in _all_elements(draft) if each["name"] == "alertEmail")


def _all_elements(draft: Draft) -> list[Any]:
    parameters = draft.user_interface["parameters"]
    steps = [each for step in parameters["steps"] for each in step["elements"]]
    return [*parameters["basics"], *steps]


def with_regex(draft: Draft, regex: str, placeholder: str) -> None:
    box = alert_box(draft)
    box["placeholder"] = placeholder
    box["constraints"]["validations"] = [{"regex": regex, "message": "a"}]


@pytest.mark.parametrize("regex", ["^[a-z]{1,99999999999}$", "(" * 5000 + ")" * 5000, "a{1,2", "[", "(?P<a"])
def test_a_regex_that_cannot_be_read_is_a_finding(regex: str) -> None:
    draft = Draft()
    with_regex(draft, regex, "a")
    said = checked(draft)
    assert any(each.startswith("Textboxes Are Well Formed") for each in said)


def test_a_regex_that_would_take_years_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vibedata.package.regexes.SECONDS", 1)
    endless, text = "^(a+)+$", "a" * 60 + "!"
    draft = Draft()
    with_regex(draft, endless, text)
    (said,) = [each for each in checked(draft) if each.startswith("Placeholders Must Be Valid")]
    assert "its own regex is too long, or needs more than" in said
    trials = try_all([("b", "a"), (endless, text), ("a", "a"), ("[", "a"), ("a", "a" * (MAX_CHARACTERS + 1))])
    assert list(trials.values()) == [Trial.REFUSES, Trial.TOO_LONG, Trial.FITS, Trial.UNREADABLE, Trial.TOO_LONG]
    four = try_all((endless, text + str(number)) for number in range(4))
    assert set(four.values()) == {Trial.TOO_LONG}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"allowedValues": None}, "allowedValues of the parameter is no list"),
        ({"allowedValues": 5}, "allowedValues of the parameter is no list"),
        ({"allowedValues": "x"}, "allowedValues of the parameter is no list"),
        ({"allowedValues": {}}, "allowedValues of the parameter is no list"),
        ({"allowedValues": []}, "the parameter does not allow"),
        ({"minLength": "3"}, "is no whole number"),
        ({"maxLength": None}, "is no whole number"),
        ({"type": ["array"]}, "the parameter is of type ['array']"),
        ({"type": {"a": 1}}, "the parameter is of type"),
    ],
)
def test_a_parameter_that_is_declared_in_an_odd_way_is_a_finding(changes: dict[str, Any], message: str) -> None:
    draft = Draft()
    draft.template["parameters"][OUTPUT].update(changes)
    said = [each for each in checked(draft) if each.startswith("Outputs Must Fit")]
    assert [message in each for each in said] == [True]


def test_an_object_output_for_an_odd_parameter_is_a_finding() -> None:
    draft = Draft()
    draft.user_interface["parameters"]["outputs"][OUTPUT] = {"a": "[basics('x')]"}
    draft.template["parameters"][OUTPUT] = {"type": "object", "allowedValues": "x"}
    assert checked(draft) != []


@pytest.mark.parametrize(
    "expression",
    [
        "[uri(parameters('_artifactsLocation'), format('{5}', 'a'))]",
        "[uri(parameters('_artifactsLocation'), format())]",
        f"[uri(parameters('_artifactsLocation'), format('{{{'9' * 5000}}}', 'a'))]",
        "[uri(parameters('_artifactsLocation'), concat())]",
        "[uri()]",
    ],
)
def test_an_address_that_format_cannot_make_raises_nothing(expression: str) -> None:
    draft = Draft()
    draft.template["outputs"]["odd"] = {"type": "string", "value": expression}
    assert isinstance(checked(draft), list)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[x()" + ".b" * 2000 + "]", "nested too deeply"),
        ("[x()" + "[y()" * 60 + ".b" * 60 + "]" * 60 + "]", "nested too deeply"),
        ("[add(" + "9" * 5000 + ", 1)]", "a number has more than 20 digits"),
        ("[concat('" + "a" * 25_000 + "')]", "more than 24576 characters"),
        ("[x(" * 3000 + "]", "it has"),
    ],
)
def test_an_expression_that_cannot_be_read_is_a_finding_in_both_files(expression: str, message: str) -> None:
    draft = Draft()
    draft.template["outputs"]["odd"] = {"type": "string", "value": expression}
    draft.user_interface["parameters"]["outputs"][OUTPUT] = expression
    said = checked(draft)
    assert [each for each in said if each.startswith("Expressions Must Be Readable") and message in each]
    assert [each for each in said if each.startswith("Outputs Must Have Values") and message in each]


@pytest.mark.parametrize(
    "expression",
    [
        "[steps('access')[split('a', 'b')]]",
        "[basics(split('a', 'b'))]",
        "[" + "replace(" * 9 + f"'{'a' * 900}'" + f", 'a', '{'a' * 900}')" * 9 + "]",
    ],
)
def test_an_output_that_has_no_value_is_a_finding(expression: str) -> None:
    draft = Draft()
    draft.user_interface["parameters"]["outputs"][OUTPUT] = expression
    assert [each for each in checked(draft) if each.startswith("Outputs Must Have Values")]


@pytest.mark.parametrize("kind", [["a"], {"a": 1}, None, 5])
def test_a_kind_that_is_no_text_raises_nothing(kind: Any) -> None:
    draft = Draft()
    script = TYPES.find("Microsoft.Resources/deploymentScripts")
    assert script is not None and "variants" in script.schema
    made = {"type": script.name, "apiVersion": script.api_version, "name": "a", "location": "global", "kind": kind}
    draft.resources.append(made)
    assert isinstance(checked(draft), list)


def test_too_many_combinations_are_a_finding() -> None:
    box = {"type": "Microsoft.Common.CheckBox", "toolTip": "a", "label": "a"}
    draft = Draft()
    draft.user_interface["parameters"]["basics"] += [{**box, "name": f"n{number}"} for number in range(15_000)]
    message = f"there are more than {MAX_COMBINATIONS} combinations of choices"
    assert f"Outputs Must Have Values In Each Combination: {message}" in checked(draft)
    small = Draft()
    small.user_interface["parameters"]["basics"] += [{**box, "name": f"n{number}"} for number in range(9)]
    small.user_interface["parameters"]["outputs"]["more"] = "a" * 100_000
    assert any("the definition is too large for 4096 combinations" in each for each in checked(small))
    assert len(list(combinations(Draft().user_interface))) == 8


def test_a_count_of_thousands_of_digits_raises_nothing() -> None:
    draft = Draft()
    box = {"name": "secret", "type": "Microsoft.Common.PasswordBox", "toolTip": "a"}
    regex = f"a{{{'9' * 5000}}}"
    draft.user_interface["parameters"]["basics"].append({**box, "constraints": {"regex": regex}})
    assert "PasswordBoxes Must Have Min Length: secret does not demand 12 characters" in checked(draft)


def test_a_version_in_a_long_text_is_found_in_time() -> None:
    draft = Draft()
    text = "providers(" * 200_000
    draft.template["outputs"]["odd"] = {"type": "string", "value": f"{text}'a') . apiVersions"}
    draft.template["outputs"]["more"] = {"type": "string", "value": text}
    said = [each for each in checked(draft) if each.startswith("providers apiVersions")]
    assert said == ["providers apiVersions Is Not Permitted: it asks for the api-version"]


def test_an_artifact_whose_name_is_not_utf_8_is_a_finding(tmp_path: Path) -> None:
    sources = Draft().write(tmp_path)
    assert sources.artifacts is not None
    (sources.artifacts / os.fsdecode(b"odd-\xff")).write_text("a")
    (sources.infra / os.fsdecode(b"odd-\xff.bicep")).symlink_to(os.fsdecode(b"odd-\xff.bicep"))
    made = make(sources, with_compiler(tmp_path), TODAY)
    assert [(each.rule, each.message) for each in made.findings] == [
        ("Bicep sources: syntax", "it cannot be read: Too many levels of symbolic links"),
        ("Names In The Package Must Be Unique", "the name is not UTF-8"),
    ]


def test_a_file_of_too_many_values_is_refused() -> None:
    deep = "[" * 150 + "1," * 200_000 + "1" + "]" * 150
    with pytest.raises(located_json.MalformedError, match="values"):
        located_json.read(deep.encode(), name=VIEW, file=VIEW)


@pytest.mark.parametrize(
    "text", ["[NaN]]", '{"a": 1, "a": 2}}', "[NaN, {a: 1}]", "[NaN, {null: 1, 2}]", '[NaN, {"\\x": 1}]', "[NaN, {1]]]"]
)
def test_a_file_with_two_faults_is_refused(text: str) -> None:
    with pytest.raises(located_json.MalformedError):
        located_json.read(text.encode(), name=VIEW, file=VIEW)


def replaced(value: Any, number: random.Random) -> Any:
    """Return a value of JSON with one part left out, doubled, or replaced by a value of another type."""
    odd: tuple[Any, ...] = (
        None,
        5,
        -1.5,
        "x",
        "[x()]",
        "[",
        [],
        {},
        ["a"],
        {"a": {}},
        True,
        "a" * 300,
        [[None]],
        {"type": ["a"]},
    )
    places = list(_places(value))
    holder, key = number.choice(places)
    what = number.random()
    if what < 0.2:
        del holder[key]
    elif what < 0.3:
        other, there = number.choice(places)
        holder[key] = copy.deepcopy(other[there]) if there in other or isinstance(there, int) else None
    elif what < 0.5 and isinstance(holder, dict):
        holder[number.choice(["copy", "kind", "type", "name", "properties", "$ref", "[a]", ""])] = number.choice(odd)
    else:
        holder[key] = number.choice(odd)
    return value


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield value, key
        yield from _places(below)


PARTS: tuple[Callable[[Draft], Any], ...] = (
    lambda draft: draft.template,
    lambda draft: draft.template,
    lambda draft: draft.user_interface,
    lambda draft: draft.view,
    lambda draft: draft.publisher,
)


@pytest.mark.parametrize("seed", range(60))
def test_no_rule_raises_for_a_changed_package(seed: int) -> None:
    number = random.Random(seed)  # noqa: S311 - for tests that can be repeated
    draft = Draft(artifacts={RUNBOOK: 1})
    for _ in range(number.randint(1, 6)):
        replaced(number.choice(PARTS)(draft), number)
    assert isinstance(checked(draft), list)
