"""Check files that no program reads: one version everywhere, the lists for git and for packaging, the notices."""

import re
import subprocess
from pathlib import Path

import pytest

from oci.packages import package_lock
from runbook_lib.azure import clients
from runbook_lib.version import RUNBOOK_VERSION
from scripts.pages import notices
from vibedata import cli

ROOT = Path(__file__).parents[2]
PACKAGES = ("bench", "lab", "oci", "publisher", "runbook_lib", "runbooks", "scripts", "vibedata")
IGNORED = ROOT / ".git-blame-ignore-revs"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_project_has_one_version(capsys: pytest.CaptureFixture[str]) -> None:
    project = re.search(r'^\[project\]\n(?:.*\n)*?version = "(.+)"$', text_of("pyproject.toml"), re.MULTILINE)
    assert project is not None
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"vibedata {project[1]}\n"
    assert f"vibedata-runbooks/{project[1]}" == clients.USER_AGENT
    assert re.findall(r"^## (\d.*)$", text_of("CHANGELOG.md"), re.MULTILINE)[0] == project[1]
    assert project[1] == RUNBOOK_VERSION


def test_every_package_of_the_product_is_typed_and_says_so_when_installed() -> None:
    assert [name for name in PACKAGES if not (ROOT / name / "py.typed").is_file()] == []
    toml = text_of("pyproject.toml")
    included = re.search(r"^include = \[(.+)\]$", toml, re.MULTILINE)
    assert included is not None
    assert sorted(re.findall(r'"(\w+)\*"', included[1])) == sorted(PACKAGES)
    assert '[tool.setuptools.package-data]\n"*" = ["py.typed"]' in toml


def test_the_notices_list_the_locked_packages() -> None:
    told = notices.PAGE.read_text(encoding="utf-8").partition("## Packages")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (\d\S*) \|", told, re.MULTILINE)
    locked = package_lock.parse(text_of("oci/packages.lock"))
    assert rows == [(package.name, package.version) for package in locked], "run: python -m scripts.pages.notices"


def test_the_commits_that_git_blame_ignores_are_there() -> None:
    lines = text_of(IGNORED.name).splitlines()
    commits = [line for line in lines if line and not line.startswith("#")]
    assert len(commits) > 50
    assert [line for line in commits if not re.fullmatch(r"[0-9a-f]{40}", line)] == []
    if not (ROOT / ".git").exists():
        pytest.skip("it is no clone: there is no history to compare with")
    asked = "".join(f"{commit}^{{commit}}\n" for commit in commits)
    found = subprocess.run(
        ["git", "cat-file", "--batch-check"], cwd=ROOT, input=asked, capture_output=True, text=True, check=True
    )
    missing = [line for line in found.stdout.splitlines() if line.endswith(" missing")]
    shallow = ["git", "rev-parse", "--is-shallow-repository"]
    if missing and subprocess.run(shallow, cwd=ROOT, capture_output=True, check=True).stdout.strip() == b"true":
        pytest.skip("it is a shallow clone: a part of its history is not there")
    assert missing == []
