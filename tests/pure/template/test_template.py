"""The template, infra/: two parsers read it, no rule finds anything, and each of its parts is used."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_bicep
from pycep import BicepParser

from runbook_lib.azure import settings
from scripts.pages import infrastructure, role_assignments
from tests.support.template import FILES, INFRA, PARAMETERS, ROOT, deployed, documents
from vibedata.template.azure_types import types_in
from vibedata.template.check import MAIN, check_folder
from vibedata.template.evaluation import snapshot
from vibedata.template.syntax import Literal
from vibedata.template.values import Place, Runtime

TODAY = date(2026, 11, 29)
CASES = sorted(PARAMETERS)


def file_name(file: Path) -> str:
    return file.relative_to(INFRA).as_posix()


@pytest.mark.parametrize("file", FILES, ids=file_name)
def test_two_parsers_of_others_read_each_file(file: Path) -> None:
    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language())).parse(file.read_bytes())
    assert not tree.root_node.has_error
    parsed: dict[str, Any] = dict(BicepParser().parse(text=file.read_text(encoding="utf-8")))
    ours = documents()[file_name(file)]
    for kind, theirs in (("param", "parameters"), ("var", "variables"), ("module", "modules"), ("output", "outputs")):
        assert {each.name for each in ours.of_kind(kind)} == set(parsed.get(theirs, {})), kind
    resources = {each.name: each.type for each in ours.of_kind("resource")}
    found = parsed.get("resources", {})
    assert resources == {name: f"{each['type']}@{each['api_version']}" for name, each in found.items()}


def test_no_rule_finds_anything() -> None:
    assert [str(finding) for finding in check_folder(INFRA, today=TODAY)] == []


@pytest.mark.parametrize("name", CASES)
def test_each_file_of_parameters_gives_what_the_template_takes(name: str) -> None:
    takes = {each.name: each for each in documents()[MAIN].of_kind("param")}
    needed = {each.name for each in takes.values() if each.value is None}
    assert needed <= set(PARAMETERS[name]) <= set(takes)


def test_the_files_of_parameters_take_both_sides_of_each_condition() -> None:
    made = {name: {each.symbol for each in deployed(name).resources} for name in CASES}
    files = {name: {file for file, _ in deployed(name).modules} for name in CASES}
    for document in documents().values():
        for each in document.declarations:
            if each.condition is None:
                continue
            there = {
                document.path_of(each) in files[name] if each.kind == "module" else each.name in made[name]
                for name in CASES
            }
            assert there == {True, False}, f"{document.file}: {each.name}"


def test_each_definition_of_a_type_is_used() -> None:
    used = {each.type for name in CASES for each in deployed(name).resources}
    types = types_in(INFRA / "types")
    assert {known.name for name in types.known if (known := types.find(name))} == used
    for file in (INFRA / "types").glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        assert file.name == content["type"].partition("@")[0].replace("/", ".") + ".json"
        assert content["source"].startswith("Azure/bicep-types-az ")
        assert file.read_text(encoding="utf-8") == json.dumps(content, separators=(",", ":")) + "\n", "not compact"


def test_the_role_assignments_are_what_the_runbooks_declare() -> None:
    texts = role_assignments.texts()
    written = {name: (role_assignments.FOLDER / name).read_text(encoding="utf-8") for name in texts}
    assert written == texts, "run: python -m scripts.pages.role_assignments"


def test_the_template_takes_each_parameter_of_the_contract() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").partition("## Infrastructure\n")[2]
    named = re.findall(r"`([a-z]\w+)(?:\[\])?`", text.partition("differ: ")[2].partition(", and image")[0])
    assert len(named) >= 16
    assert set(named) - {"unlocked", "locked"} <= {each.name for each in documents()[MAIN].of_kind("param")}


def test_the_page_names_each_parameter_and_each_module() -> None:
    text = infrastructure.PAGE.read_text(encoding="utf-8")
    assert infrastructure.page(text) == text, "run: python -m scripts.pages.infrastructure"
    told = text.partition("## Modules")[2].partition("Schedules are not")[0]
    assert {line.split()[1] for line in told.splitlines() if "── " in line} == {
        each.name for each in documents()[MAIN].of_kind("module")
    }


@pytest.mark.parametrize("name", CASES)
def test_what_azure_keeps_of_a_deployment_shows_no_secret(name: str) -> None:
    secret = {"publisherToken", "placeholderCertificate", "_artifactsLocationSasToken"}
    declared = {each.name for document in documents().values() for each in document.of_kind("param") if each.secure}
    assert secret <= declared
    for output in deployed(name).outputs.values():
        text = output.text if isinstance(output, Runtime) else output
        assert "getSecret" not in text


def test_the_longest_prefix_is_the_one_that_the_settings_take() -> None:
    prefix = documents()[MAIN].get("prefix")
    limit = prefix.decorator("maxLength") if prefix is not None else None
    assert limit is not None
    (length,) = limit.arguments
    assert isinstance(length, Literal) and isinstance(length.value, int)
    assert settings.why_refused("prefix", "a" * length.value) == ""
    assert settings.why_refused("prefix", "a" * (length.value + 1)) != ""


def test_the_default_prefix_differs_by_group_and_application_and_fits_every_name() -> None:
    parameters = {name: value for name, value in PARAMETERS["testSubscription"].items() if name != "prefix"}
    places = [
        Place(),
        Place(resource_group="another"),
        Place(managed_by="/subscriptions/s/resourceGroups/g/providers/Microsoft.Solutions/applications/one"),
        Place(managed_by="/subscriptions/s/resourceGroups/g/providers/Microsoft.Solutions/applications/two"),
    ]
    made = [snapshot(documents(), MAIN, parameters, place) for place in places]
    prefixes = {each.outputs["prefix"] for each in made}
    assert len(prefixes) == len(places)
    for prefix in prefixes:
        assert settings.why_refused("prefix", prefix) == ""
    for each in made:
        assert settings.why_refused("instance_id", each.outputs["instanceId"]) == ""
    assert len({each.outputs["instanceId"] for each in made}) == len(places)
