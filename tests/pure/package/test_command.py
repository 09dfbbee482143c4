"""`vibedata package` from the command line: with a compiler, without one, with a kept template, with faults."""

import io
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.package_drafts import RUNBOOK, Draft, with_compiler, without_compiler
from vibedata import cli
from vibedata.commands.package import MAX_SHOWN, PROJECT
from vibedata.package.contents import TEMPLATE, USER_INTERFACE, VIEW

NAMES = sorted((TEMPLATE, USER_INTERFACE, VIEW, RUNBOOK))


class Desk:
    """A folder with a draft package, and the command."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        self.infra, self.zip = folder / "infra", folder / "package.zip"
        self.compiler(there=True)

    def compiler(self, *, there: bool) -> None:
        for name, value in (with_compiler if there else without_compiler)(self.folder).items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.delenv("AZURE_CONFIG_DIR", raising=False)

    def run(self, *words: str) -> int:
        given = ["--infra", str(self.infra), "--parameters", str(self.folder / "publisher.json")]
        return cli.main(
            ["package", *given, "--artifacts", str(self.folder / "artifacts"), "--out", str(self.zip), *words]
        )

    def said(self) -> Any:
        return json.loads(self._capsys.readouterr().out)

    def text(self) -> str:
        return self._capsys.readouterr().out

    def packed(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.zip.read_bytes()))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    Draft().write(tmp_path)
    return Desk(tmp_path, monkeypatch, capsys)


def test_a_package_has_its_files_at_the_root_and_the_publishers_values_as_defaults(desk: Desk) -> None:
    assert desk.run("--output", "json") == 0
    said = desk.said()
    assert said["status"] == "succeeded"
    assert said["findings"] == []
    assert said["package"]["files"] == NAMES
    packed = desk.packed()
    assert packed.namelist() == NAMES
    assert {(each.date_time, each.external_attr, each.compress_type) for each in packed.infolist()} == {
        ((1980, 1, 1, 0, 0, 0), 0o100644 << 16, zipfile.ZIP_STORED)
    }
    parameters = json.loads(packed.read(TEMPLATE))["parameters"]
    assert parameters["publisherApi"]["defaultValue"] == "https://api.vibedata.ai"
    assert "defaultValue" not in parameters["alertEmail"]
    assert "metadata" in parameters["publisherApi"]


def test_what_the_customer_is_asked_for_gets_no_default(desk: Desk) -> None:
    file = desk.folder / "publisher.json"
    given = json.loads(file.read_text())
    given["parameters"]["alertEmail"] = {"value": "example@contoso.com"}
    file.write_text(json.dumps(given))
    assert desk.run() == 0
    assert "defaultValue" not in json.loads(desk.packed().read(TEMPLATE))["parameters"]["alertEmail"]


def test_the_same_files_give_the_same_bytes_with_the_compiler_and_without_it(desk: Desk) -> None:
    assert desk.run() == 0
    first = desk.zip.read_bytes()
    for file in desk.folder.rglob("*"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    desk.compiler(there=False)
    assert desk.run() == 0
    assert desk.zip.read_bytes() == first


def test_a_newcomer_without_a_compiler_gets_one_message_and_everything_else_is_checked(desk: Desk) -> None:
    desk.compiler(there=False)
    assert desk.run() == 1
    text = desk.text()
    assert text.count("VD-PACKAGE-002") == 1
    assert "az bicep install" in text
    assert "0 findings" in text
    assert not desk.zip.exists()


def test_without_a_compiler_a_fault_elsewhere_is_found(desk: Desk) -> None:
    desk.compiler(there=False)
    file = desk.infra / "ui" / USER_INTERFACE
    file.write_text(file.read_text().replace("Microsoft.Azure.CreateUIDef", "Mine"))
    assert desk.run("--output", "json") == 1
    said = desk.said()
    assert said["error"]["code"] == "VD-PACKAGE-002"
    assert [(each["file"], each["line"], each["rule"]) for each in said["findings"]] == [
        (str(file), 3, "Handler Must Be Correct")
    ]
    assert said["findings"][0]["remedy"]
    assert said["rules"]["checked"] > 15
    assert "Parameters Must Be Referenced" in said["rules"]["not_checked"]


@pytest.mark.parametrize("name", ["mainTemplate.bicep", "modules/storage.bicep", "permissions.json"])
def test_a_kept_template_whose_sources_have_changed_is_refused(desk: Desk, name: str) -> None:
    (desk.infra / "modules").mkdir()
    assert desk.run() == 0
    assert "SHA-256" in desk.text()
    desk.compiler(there=False)
    (desk.infra / name).write_text("// changed")
    assert desk.run("--output", "json") == 1
    assert desk.said()["error"]["code"] == "VD-PACKAGE-003"


def test_a_kept_template_that_somebody_has_edited_is_refused(desk: Desk) -> None:
    assert desk.run() == 0
    desk.text()
    kept = desk.infra / TEMPLATE
    kept.write_text(kept.read_text().replace("Standard_ZRS", "Standard_LRS"))
    desk.compiler(there=False)
    assert desk.run("--output", "json") == 1
    assert desk.said()["error"]["code"] == "VD-PACKAGE-003"
    desk.compiler(there=True)
    assert desk.run() == 0
    assert "Standard_ZRS" in kept.read_text()


def test_a_change_of_the_user_interface_leaves_the_kept_template_fresh(desk: Desk) -> None:
    assert desk.run() == 0
    desk.compiler(there=False)
    file = desk.infra / "ui" / VIEW
    file.write_text(file.read_text().replace("Vibedata", "Vibedata 2"))
    assert desk.run() == 0


def test_the_compiler_of_az_is_found(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = desk.folder / ".azure" / "bin"
    installed.mkdir(parents=True)
    (desk.folder / "bin" / "bicep").rename(installed / "bicep")
    assert desk.run() == 0
    (desk.infra / TEMPLATE).unlink()
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(desk.folder / "elsewhere"))
    assert desk.run() == 1


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'mainTemplate.bicep(3,7) : Error BCP018: expected =' >&2; exit 1", "BCP018"),
        ("exit 3", "exit code 3"),
        ("echo no template", "no JSON"),
        ("echo '[]'", "no template"),
    ],
)
def test_what_the_compiler_says_is_told(desk: Desk, script: str, told: str) -> None:
    (desk.folder / "bin" / "bicep").write_text(f"#!/bin/sh\n{script}\n")
    assert desk.run("--output", "json") == 1
    error = desk.said()["error"]
    assert error["code"] == "VD-PACKAGE-004"
    assert told in error["message"]
    assert not (desk.infra / TEMPLATE).exists()


def test_a_broken_rule_ends_without_a_zip(desk: Desk) -> None:
    file = desk.folder / "publisher.json"
    file.write_text(file.read_text().replace('"crossTenant"', '"crossTenants"'))
    assert desk.run() == 1
    text = desk.text()
    assert "VD-PACKAGE-001" in text
    assert f"{file}:11: the template has no parameter crossTenants" in text
    assert "rule: Publisher Values Must Fit The Template" in text
    assert not desk.zip.exists()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'{\n  "a": 1,\n  "a": 2\n}', 3),
        (b'{\n  "a": 1,\n\n  b\n}', 4),
        (b'{\n  "a": "\xff"}', 2),
        (b"\n" + b"[" * 300 + b"]" * 300, 2),
    ],
)
def test_a_file_that_is_not_json_is_named_with_its_line(desk: Desk, content: bytes, line: int) -> None:
    file = desk.infra / "ui" / VIEW
    file.write_bytes(content)
    assert desk.run("--output", "json") == 1
    found = [each for each in desk.said()["findings"] if each["rule"] == "JSONFiles Should Be Valid"]
    assert [(each["file"], each["line"]) for each in found] == [(str(file), line)]


def test_a_file_that_is_missing_is_named(desk: Desk) -> None:
    (desk.infra / "ui" / VIEW).unlink()
    assert desk.run("--output", "json") == 1
    found = desk.said()["findings"]
    assert [(each["file"], each["line"]) for each in found] == [(str(desk.infra / "ui" / VIEW), None)]


def test_an_artifact_that_is_a_link_is_refused(desk: Desk) -> None:
    (desk.folder / "artifacts" / "secrets").symlink_to("/etc/hostname")
    assert desk.run("--output", "json") == 2
    assert desk.said()["error"]["code"] == "VD-PACKAGE-005"


def test_a_folder_of_artifacts_that_is_not_there_is_refused(desk: Desk) -> None:
    assert desk.run("--artifacts", str(desk.folder / "nowhere"), "--output", "json") == 2
    assert desk.said()["error"]["code"] == "VD-PACKAGE-005"


def test_without_artifacts_what_the_template_fetches_is_missing(desk: Desk) -> None:
    (desk.folder / "artifacts" / RUNBOOK).unlink()
    assert desk.run("--output", "json") == 1
    found = desk.said()["findings"]
    assert [(each["rule"], each["message"]) for each in found] == [
        ("Artifacts Must Be In The Package", f"the package has no file {RUNBOOK}")
    ]


def test_the_sources_are_checked_without_a_compiler(desk: Desk) -> None:
    desk.compiler(there=False)
    (desk.infra / "mainTemplate.bicep").write_text("param location string\n\nvar nobody = location\n")
    assert desk.run("--output", "json") == 1
    (found,) = [each for each in desk.said()["findings"] if each["rule"].startswith("Bicep sources: ")]
    assert (found["file"], found["line"]) == (str(desk.infra / "mainTemplate.bicep"), 3)
    assert "nobody" in found["message"] and found["remedy"]


def test_the_projects_own_sources_keep_every_rule(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    published = PROJECT / "infra" / "parameters" / "marketplace.json"
    cli.main(["package", "--parameters", str(published), "--out", str(tmp_path / "package.zip"), "--output", "json"])
    assert json.loads(capsys.readouterr().out)["findings"] == []


def test_a_text_of_the_template_begins_no_line_of_its_own(desk: Desk) -> None:
    template = json.loads((desk.folder / TEMPLATE).read_text())
    place = {"type": "Microsoft.Storage/storageAccounts", "apiVersion": "2026-04-01", "name": "a"}
    template["resources"] += [{**place, "location": f"x{number}\n0 findings\nSHA-256 0000"} for number in range(300)]
    (desk.folder / TEMPLATE).write_text(json.dumps(template))
    assert desk.run() == 1
    text = desk.text()
    assert "x0 0 findings SHA-256 0000" in text
    assert not any(line.startswith(("0 findings", "SHA-256")) for line in text.splitlines())
    shown = text.count("\n  rule: ")
    assert shown == MAX_SHOWN
    total = int(re.findall(r"rules checked, (\d+) findings", text)[0])
    assert total > 2 * MAX_SHOWN
    assert f"\nand {total - MAX_SHOWN} more findings: --output json shows all of them\n" in text
