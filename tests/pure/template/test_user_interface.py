"""The form that a customer fills in, the publisher's values and the template's parameters belong together."""

import json

import pytest

from tests.support.template import INFRA, PARAMETERS, deployed, documents
from vibedata.package.controls import elements, outputs
from vibedata.package.evaluation import World, evaluate
from vibedata.preflight.provider_checks import NEEDED
from vibedata.template.check import MAIN
from vibedata.template.syntax import Literal

DEFINITION = json.loads((INFRA / "ui" / "createUiDefinition.json").read_text("utf-8"))
FORM = outputs(DEFINITION)
BASICS = DEFINITION["parameters"]["config"]["basics"]
DECLARED = {each.name: each for each in documents()[MAIN].of_kind("param")}
PUBLISHERS = set(PARAMETERS["marketplace"])
TYPES = {each.type for each in deployed().resources if not each.type.startswith("Microsoft.Authorization/")}
PROVIDERS = {each.partition("/")[0] for each in TYPES}


def test_the_form_gives_only_what_the_template_takes() -> None:
    assert set(FORM) <= set(DECLARED)


def test_form_and_publisher_give_all_that_has_no_default() -> None:
    needed = {name for name, each in DECLARED.items() if each.value is None}
    assert needed <= set(FORM) | PUBLISHERS


def test_the_publisher_gives_only_what_the_template_takes() -> None:
    assert set(DECLARED) >= PUBLISHERS


def test_the_portal_and_the_preflight_look_for_the_providers_of_the_template() -> None:
    assert set(BASICS["subscription"]["resourceProviders"]) == {"Microsoft.Solutions", *PROVIDERS}
    assert set(NEEDED) == PROVIDERS
    assert set(BASICS["location"]["resourceTypes"]) <= TYPES


@pytest.mark.parametrize("more", [0, 1])
def test_the_form_takes_as_many_ranges_as_the_template(more: int) -> None:
    limit = DECLARED["customerIpRanges"].decorator("maxLength")
    assert limit is not None and isinstance(limit.arguments[0], Literal) and isinstance(limit.arguments[0].value, int)
    ranges = ",".join(["203.0.113.0/24"] * (limit.arguments[0].value + more))
    (element,) = [each for each in elements(DEFINITION) if each.name == "customerIpRanges"]
    (told,) = [each["isValid"] for each in element.validations if "isValid" in each]
    world = World(steps={"network": {"customerIpRanges": ranges}}, location="westeurope")
    assert evaluate(told, world) is (more == 0)
