"""The customer's form: the texts that each text box accepts, and the template's values for each choice."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.package_drafts import Draft
from vibedata.package.controls import BASICS, choices, combinations, count_combinations, elements, outputs
from vibedata.package.evaluation import EvaluationError, World, evaluate
from vibedata.package.expressions import ExpressionError
from vibedata.package.regexes import Trial, try_all

DEFINITION = Draft().user_interface
ASKED = {
    "location",
    "zoneRedundant",
    "customerAdminObjectId",
    "customerAdminType",
    "alertEmail",
    "customerIpRanges",
    "immutability",
}


def takes(name: str, text: str) -> bool:
    """Tell whether an element takes a text, as the portal decides it."""
    element = next(each for each in elements(DEFINITION) if each.name == name)
    steps: dict[str, dict[str, str]] = {each.way[0]: {} for each in elements(DEFINITION)}
    steps[element.way[0]][name] = text
    world = World(steps=steps, location="westeurope")
    trials = try_all((each["regex"], text) for each in element.validations if "regex" in each)
    return set(trials.values()) <= {Trial.FITS} and all(
        "regex" in each or evaluate(each["isValid"], world) is True for each in element.validations
    )


def test_the_customer_is_asked_for_this_and_nothing_else() -> None:
    assert set(outputs(DEFINITION)) == ASKED


def test_each_combination_of_choices_gives_each_output_a_value() -> None:
    worlds = list(combinations(DEFINITION))
    assert len(worlds) == count_combinations(DEFINITION) == 8
    given = [{name: evaluate(text, world) for name, text in outputs(DEFINITION).items()} for world in worlds]
    assert {each["immutability"] for each in given} == {"unlocked", "locked"}
    assert {each["customerAdminType"] for each in given} == {"Group", "User"}
    assert {tuple(each["customerIpRanges"]) for each in given} == {("203.0.113.0/24", "198.51.100.17/32")}
    assert {each["location"] for each in given} == {"westeurope"}
    assert {each["zoneRedundant"] for each in given} == {True, False}


def test_who_locks_the_record_is_warned_and_has_to_accept_it() -> None:
    for world in combinations(DEFINITION):
        records = world.steps["records"]
        assert ("lockedAccepted" in records) == (records["immutability"] == "locked")
    accepted = next(each for each in elements(DEFINITION) if each.name == "lockedAccepted")
    warning = next(each for each in elements(DEFINITION) if each.name == "lockedWarning")
    assert choices(accepted) == [True]
    assert warning.value["visible"] == accepted.value["visible"]


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.0/24",
        "203.0.113.7/32,198.51.100.0/25",
        "203.0.113.7/32, 10.0.0.0/8",
        "255.255.255.255/32",
        "0.0.0.0/8",
    ],
)
def test_address_ranges_are_taken(text: str) -> None:
    assert takes("customerIpRanges", text)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0/0",
        "203.0.113.0/7",
        "203.0.113.0/33",
        "203.0.113.0",
        "203.0.113.256/32",
        "203.0.113/24",
        "203.0.113.0/24,",
        "203.0.113.0/24, ",
        "203.0.113.0/24;198.51.100.0/25",
        "203.0.113.0/24 198.51.100.0/25",
        "2001:db8::/32",
        "203.0.113.01/32",
        "contoso.com",
        "",
    ],
)
def test_what_is_no_list_of_ranges_is_refused(text: str) -> None:
    assert not takes("customerIpRanges", text)


@pytest.mark.parametrize(("count", "taken"), [(1, True), (600, True), (601, False)])
def test_at_most_600_ranges_are_taken(count: int, taken: bool) -> None:
    ranges = [f"203.0.{each // 256}.{each % 256}/32" for each in range(count)]
    assert takes("customerIpRanges", ", ".join(ranges)) is taken


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("customerAdminObjectId", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", True),
        ("customerAdminObjectId", "3f2504e04f8941d39a0c0305e82c3301", False),
        ("customerAdminObjectId", "admins@contoso.com", False),
        ("alertEmail", "azure-admins@contoso.com", True),
        ("alertEmail", "a@b.co.uk", True),
        ("alertEmail", "contoso.com", False),
        ("alertEmail", "a@b, c@d.com", False),
        ("alertEmail", "a@b", False),
    ],
)
def test_other_texts(name: str, text: str, taken: bool) -> None:
    assert takes(name, text) is taken


def world(**step: object) -> World:
    return World(steps={BASICS: {"first": "a"}, "one": step}, location="westeurope")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("[basics('first')]", "a"),
        ("[if(equals(steps('one').kind, 'x'), true, false)]", True),
        ("[coalesce(steps('one').hidden, 'none')]", "none"),
        ("[and(not(equals(1, 2)), or(false, lessOrEquals(2, 2)))]", True),
        ("[length(split('a,b', ','))]", 2),
        ("[steps('one').deep.inner]", "y"),
        ("['it''s']", "it's"),
    ],
)
def test_expressions_are_evaluated(text: str, value: Any) -> None:
    assert evaluate(text, world(kind="x", deep={"inner": "y"})) == value


@pytest.mark.parametrize(
    "text",
    [
        "[steps('one').hidden]",
        "[if(false, steps('one').hidden, 'x')]",
        "[steps('two').kind]",
        "[basics('second')]",
        "[toUpper('x')]",
        "[not('x')]",
        "[split(1, ',')]",
        "[equals('x')]",
        "[location('x')]",
        "[steps()]",
    ],
)
def test_what_has_no_value_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError):
        evaluate(text, world(kind="x"))


@pytest.mark.parametrize(
    "text", ["[]", "[a]", "[f(]", "[f('a']", "[f('a') x]", "[f('a')..b]", '[f("a")]', "[f('a' 'b')]"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, world())


def test_an_expression_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ExpressionError):
        evaluate("[" + "not(" * 200 + "true" + ")" * 200 + "]", world())


def test_an_element_in_a_hidden_section_is_hidden() -> None:
    hidden = {"name": "more", "type": "Microsoft.Common.Section", "visible": "[equals(steps('one').kind, 'x')]"}
    inner = {"name": "text", "type": "Microsoft.Common.TextBox", "placeholder": "a", "constraints": {"required": True}}
    kind = {
        "name": "kind",
        "type": "Microsoft.Common.DropDown",
        "constraints": {"allowedValues": [{"label": "X", "value": "x"}, {"label": "Y", "value": "y"}]},
    }
    step = {"name": "one", "elements": [kind, {**hidden, "elements": [inner]}]}
    worlds = list(combinations({"parameters": {"steps": [step]}}))
    assert [each.steps["one"] for each in worlds] == [{"kind": "x", "more": {"text": "a"}}, {"kind": "y"}]


EXIST = "Controls In Outputs Must Exist"
SECRET = "Password Textboxes Must Be Used For Password Parameters"


def with_a_section(output: str, **element: object) -> Draft:
    """Return a package whose text box alertEmail, with these changes, is in section `contact` of step `people`."""
    draft = Draft()
    (people,) = (step for step in draft.user_interface["parameters"]["steps"] if step["name"] == "people")
    moved = draft.elements("people")["alertEmail"]
    people["elements"].remove(moved)
    section = {"name": "contact", "type": "Microsoft.Common.Section", "label": "Contact"}
    people["elements"].append({**section, "elements": [{**moved, **element}]})
    draft.user_interface["parameters"]["outputs"]["alertEmail"] = output
    return draft


def faults(draft: Draft, folder: Path, rule: str) -> list[str]:
    return [each.message for each in draft.make(folder).findings if each.rule == rule]


def test_an_output_may_name_an_element_in_a_section(tmp_path: Path) -> None:
    assert with_a_section("[steps('people').contact.alertEmail]").make(tmp_path).findings == ()


@pytest.mark.parametrize(
    ("output", "named"),
    [
        ("[steps('people').contact.alertMail]", "contact.alertMail"),
        ("[steps('people').contacts.alertEmail]", "contacts"),
        ("[steps('people').contact[steps('people').which]]", "which"),
    ],
)
def test_a_wrong_name_in_a_section_is_found(output: str, named: str, tmp_path: Path) -> None:
    found = faults(with_a_section(output), tmp_path, EXIST)
    assert found == [f"there is no element {named} in step people"]


@pytest.mark.parametrize(("type_", "count"), [("Microsoft.Common.PasswordBox", 0), ("Microsoft.Common.TextBox", 1)])
def test_a_secret_in_a_section_needs_a_password_box(type_: str, count: int, tmp_path: Path) -> None:
    draft = with_a_section("[steps('people').contact.alertEmail]", type=type_)
    draft.template["parameters"]["alertEmail"]["type"] = "securestring"
    assert len(faults(draft, tmp_path, SECRET)) == count
