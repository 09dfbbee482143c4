"""The form that a customer fills in, the publisher's values and the template's parameters belong together."""

import json

from tests.support.template import INFRA, PARAMETERS, documents
from vibedata.package.controls import outputs
from vibedata.template.check import MAIN

FORM = outputs(json.loads((INFRA / "ui" / "createUiDefinition.json").read_text("utf-8")))
DECLARED = {each.name: each for each in documents()[MAIN].of_kind("param")}
PUBLISHERS = set(PARAMETERS["marketplace"])


def test_the_form_gives_only_what_the_template_takes() -> None:
    assert set(FORM) <= set(DECLARED)


def test_form_and_publisher_give_all_that_has_no_default() -> None:
    needed = {name for name, each in DECLARED.items() if each.value is None}
    assert needed <= set(FORM) | PUBLISHERS


def test_the_publisher_gives_only_what_the_template_takes() -> None:
    assert set(DECLARED) >= PUBLISHERS
