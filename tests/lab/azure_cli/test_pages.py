"""Every command of the Azure CLI on the pages: the lab runs it if it can serve it. Otherwise the CLI only parses it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.azure_cli import AzureCli, azure_cli
from tests.support.running_lab import LabUnderTest
from vibedata.lab_process import PROJECT

# Other tests follow these pages completely: test_azure_cli.py, and tests/end_to_end/test_tutorial.py.
FOLLOWED = ("lab-clients.md", "tutorial.md")
PAGES = sorted(page for page in (PROJECT / "docs").glob("*.md") if page.name not in FOLLOWED)
BLOCK_LINE = re.compile(r"^(?: {4,}|\t)?(az [a-z].*)$")
SPAN = re.compile(r"`(az [a-z][^`]*)`")
# The words of a command. Options, or `...`, follow them.
COMMAND = re.compile(r"az(?: [a-z][a-z-]*)+")
# Lines that the CLI cannot parse either: their beginning, and the reason.
UNREADABLE = {"az automation": "an extension, which Microsoft hosts elsewhere than on PyPI"}


def block_lines(page: Path) -> list[str]:
    """Return the lines of code that begin with `az`. A backslash at the end joins the next line.

    The shell reads the part `> FILE`, so it is removed.
    """
    text = re.sub(r"\\\n\s*", "", page.read_text())
    return [re.sub(r" > \S+$", "", found[1]) for line in text.splitlines() if (found := BLOCK_LINE.match(line))]


def spans(page: Path) -> list[str]:
    """Return the texts between backquotes in running text that begin with `az`."""
    return sorted(set(SPAN.findall(page.read_text())))


@pytest.fixture(scope="module")
def az(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureCli]:
    directory = tmp_path_factory.mktemp("azure-cli-pages")
    # Files that the lines name. Their content does not matter if a line is only parsed.
    for name in ("policy.json", "signed.pem"):
        (directory / name).write_text("{}")
    with azure_cli(lab, directory) as cli:
        for line in (
            "az cloud register --name lab --endpoint-resource-manager $VIBEDATA_ARM_ENDPOINT",
            "az cloud set --name lab",
            "az login --identity --client-id $VIBEDATA_UAMI_CLIENT_ID",
            "az account set --subscription $VIBEDATA_SUBSCRIPTION_ID",
        ):
            answer = cli.run(line)
            assert answer.code == 0, answer.err
        yield cli
        assert cli.refused() == []


def test_the_pages_have_lines_to_look_at() -> None:
    assert len([line for page in PAGES for line in block_lines(page)]) >= 7
    assert len([span for page in PAGES for span in spans(page)]) >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_cli_reads_every_line_of_a_page(az: AzureCli, page: Path) -> None:
    for line in block_lines(page):
        if not line.startswith(tuple(UNREADABLE)):
            answer = az.read(line)
            assert answer.code == 0, f"{line}\n{answer.err}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_cli_knows_every_command_that_a_page_speaks_of(az: AzureCli, page: Path) -> None:
    for span in spans(page):
        if not span.startswith(tuple(UNREADABLE)):
            command = COMMAND.match(span)
            assert command is not None
            answer = az.read(f"{command[0]} --help")
            assert answer.code == 0, f"{span}\n{answer.err}"


def test_a_line_that_the_cli_does_not_know_is_found(az: AzureCli) -> None:
    for line in (
        "az storage container immutability-policy create --account-name x --period 365",
        "az storage container immutability-policy show --account-name x --container-name y --perod 365",
        "az keyvault secret list --vault-name x --output no-such-format",
    ):
        assert az.read(line).code != 0, line


def test_the_retention_policy_is_made_and_locked_as_the_operators_page_says(az: AzureCli) -> None:
    lines = [line for line in block_lines(PROJECT / "docs/operators.md") if "immutability-policy" in line]
    assert [shlex.split(line)[4] for line in lines] == ["create", "lock"]
    # The container of the page has its policy, locked, from the lab's start; another one has none.
    named = (line.replace("<storage>", "vibedatastorage") for line in lines)
    create, lock = (line.replace("release-manifests", "artifacts") for line in named)
    made = az.run(f"{create} --output tsv --query '[etag, state]'")
    assert made.code == 0, made.err
    etag, state = made.out.split()
    assert state == "Unlocked"
    locked = az.run(lock.replace("<etag>", f"'{etag}'") + " --output tsv --query state")
    assert (locked.code, locked.out.strip()) == (0, "Locked"), locked.err
    again = az.run(f"{create} --output none")
    assert again.code != 0
    assert "ContainerImmutabilityPolicyFailure" in again.err
