"""The template, in the form in which the compiler writes it, keeps every rule of the package.

No compiler runs here. tests/support/compiled_bicep.py stands in for it.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.compiled_bicep import compiled
from tests.support.package_drafts import RUNBOOK, Draft
from tests.support.template import INFRA, PARAMETERS, ROOT, documents
from vibedata.package.rules.catalogue import RULES
from vibedata.template.check import MAIN
from vibedata.template.reader import read_folder

# The files that the template fetches, by the folder in which they lie.
FETCHED = {
    "runbooks": RUNBOOK,
    "packages": f"packages/{PARAMETERS['marketplace']['packagesFile']}",
    "deployment-script": "deployment-script/deploy_instance.sh",
}


def packed_as_documented() -> dict[str, int]:
    """Return the files that somebody packs who follows the step `The artifacts` of docs/marketplace-package.md."""
    text = (ROOT / "docs" / "marketplace-package.md").read_text(encoding="utf-8")
    step = text.partition("3. **The artifacts**")[2].partition("\n4. ")[0]
    assert step
    return {file: 100 for folder, file in FETCHED.items() if f"`{folder}`" in step}


def test_the_template_with_the_publishers_values_becomes_a_package(tmp_path: Path) -> None:
    publisher: Any = json.loads((INFRA / "parameters" / "marketplace.json").read_text(encoding="utf-8"))
    draft = Draft(template=compiled(documents(), MAIN), publisher=publisher, artifacts=packed_as_documented())
    made = draft.make(tmp_path)
    assert [f"{each.rule}: {each.message}" for each in made.findings] == []
    assert made.checked == RULES
    assert {*FETCHED.values()} < {*made.files}


@pytest.mark.parametrize(
    ("file", "old", "new", "rule"),
    [
        ("mainTemplate.bicep", "['none']", "[]", "Template Should Not Contain Blanks"),
        ("modules/gateway.bicep", "certificateSecretUri", "certificateSecret", "Password params must be secure"),
        (
            "modules/cluster.bicep",
            "    principalType: 'ServicePrincipal'\n",
            "",
            "Role Assignments Must Name The Principal Type",
        ),
        ("modules/vault.bicep", "location: location", "location: 'westeurope'", "Resources Should Have Location"),
        (
            "mainTemplate.bicep",
            "uri(vault.outputs.endpoint, '",
            "string('${vault.outputs.endpoint}",
            "URIs Should Be Properly Constructed",
        ),
        ("mainTemplate.bicep", "runbooks/deploy", "other/deploy", "Artifacts Must Be In The Package"),
    ],
)
def test_a_fault_in_the_sources_is_found(tmp_path: Path, file: str, old: str, new: str, rule: str) -> None:
    infra = tmp_path / "sources"
    shutil.copytree(INFRA, infra)
    text = (infra / file).read_text(encoding="utf-8")
    assert old in text
    (infra / file).write_text(text.replace(old, new), encoding="utf-8")
    read, unread = read_folder(infra)
    assert unread == ()
    draft = Draft(template=compiled({each.file: each for each in read}, MAIN), artifacts=packed_as_documented())
    assert rule in {each.rule for each in draft.make(tmp_path / "package").findings}
