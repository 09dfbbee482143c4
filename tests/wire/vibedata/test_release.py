"""`vibedata release`: an example to start with, and digests from the publisher's container registry."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.release_maker import container_registry
from tests.support.running_lab import LabUnderTest
from vibedata import cli

STUDIO, PANEL = ("vibedata/studio", "1.4.0"), ("vibedata/control-panel", "2.0.1")


def release(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = cli.main(["release", *arguments, "--output", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_an_example_is_pinned_to_what_its_tags_stand_for(
    lab: LabUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "release.json"
    assert release(capsys, "init", str(file))[0] == 0
    publisher = container_registry(lab, "publisher")
    digests = {f"{name}:{tag}": publisher.push_artifact(name, tag, name.encode()) for name, tag in (STUDIO, PANEL)}

    example = file.read_bytes()
    code, planned = release(capsys, "pin", str(file), "--plan")
    assert (code, planned["status"], file.read_bytes()) == (0, "planned", example)
    code, done = release(capsys, "pin", str(file))
    assert (code, done["status"], done["unchanged"]) == (0, "succeeded", 0)
    assert (
        {each["image"]: each["after"] for each in done["changes"]}
        == digests
        == {each["image"]: each["after"] for each in planned["changes"]}
    )
    for image in json.loads(file.read_bytes())["images"]:
        content = publisher.manifest(image["repository"], image["digest"])
        assert (image["digest"], image["size"]) == (digests[f"{image['repository']}:{image['tag']}"], len(content))

    assert release(capsys, "pin", str(file))[1]["status"] == "unchanged"
    moved = publisher.push_artifact(*STUDIO, b"another")
    code, again = release(capsys, "pin", str(file))
    assert [(each["before"], each["after"]) for each in again["changes"]] == [(digests["vibedata/studio:1.4.0"], moved)]
    assert again["unchanged"] == 1


@pytest.mark.usefixtures("lab")
def test_missing_images_are_named_together_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "release.json"
    absent = [{"repository": f"vibedata/absent-{number}", "tag": "1"} for number in range(7)]
    file.write_text(json.dumps({"images": absent}))
    before = file.read_bytes()
    code, refused = release(capsys, "pin", str(file))
    assert (code, refused["error"]["code"], file.read_bytes()) == (1, "VD-PUSH-003", before)
    assert "vibedata/absent-0:1" in refused["error"]["message"] and "and 2 more" in refused["error"]["message"]


def test_init_replaces_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "release.json"
    file.write_text("mine")
    code, refused = release(capsys, "init", str(file))
    assert (code, refused["error"]["code"], file.read_text()) == (2, "VD-BUILD-001", "mine")


@pytest.mark.usefixtures("lab")
def test_pin_of_no_file_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, refused = release(capsys, "pin", str(tmp_path / "none.json"))
    assert (code, refused["error"]["code"]) == (2, "VD-BUILD-001")
    assert "vibedata release init" in refused["error"]["remedy"]
