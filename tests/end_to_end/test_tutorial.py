"""Follow docs/tutorial.md line by line: run what the lab supports, and let the Azure CLI parse the rest."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from publisher.instances.document import read
from tests.end_to_end.deployed import STRICT
from tests.support import release_maker, running_lab
from tests.support.azure_cli import AzureCli, azure_cli
from tests.support.running_lab import LabUnderTest
from tests.support.template import PARAMETERS, documents
from tests.support.tutorial import Command, Export, UnmarkedError, files, steps
from vibedata.lab_process import PROJECT
from vibedata.template.check import MAIN
from vibedata.template.evaluation import snapshot
from vibedata.template.values import Place

PAGE = (PROJECT / "docs/tutorial.md").read_text(encoding="utf-8")
STEPS = list(steps(PAGE))
COMMANDS = [step for step in STEPS if isinstance(step, Command)]
DEPLOY = "az deployment group create "
# The number of lines that the lab runs. It must not become smaller by accident.
LEAST_RUN = 20
# In Azure these values follow from `az login` and from Azure's own addresses.
TO_THE_LAB = ("VIBEDATA_ARM_ENDPOINT", "VIBEDATA_UAMI_CLIENT_ID")
WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A person who types the lines of the page, with a shell's variables, a folder, and the two programs."""

    lab: LabUnderTest
    folder: Path
    az: AzureCli
    variables: dict[str, str] = field(default_factory=dict)

    def follow(self, step: Command | Export) -> None:
        """Do one step. A variable gets the lab's value if the lab has one."""
        if isinstance(step, Export):
            example = Command("run", step.value).filled(self.variables)
            self.variables[step.name] = self.labs().get(step.name, example)
        elif step.mark == "parsed":
            if step.into:
                (self.folder / step.into).write_text("{}")
            answer = self.az.read(step.filled(self.variables))
            assert answer.code == 0, f"{step.text}\n{answer.err}"
            self.imagine(step)
        elif step.text.startswith("az "):
            answer = self.az.run(step.filled(self.variables))
            assert answer.code == 0, f"{step.text}\n{answer.err}"
        else:
            self.vibedata(step)

    def labs(self) -> Mapping[str, str]:
        """Return the lab's values of the page's variables."""
        env = self.lab.env
        return {
            **env,
            "SUBSCRIPTION": env["VIBEDATA_SUBSCRIPTION_ID"],
            "PUBLISHER_GROUP": env["VIBEDATA_PUBLISHER_RESOURCE_GROUP"],
            "GROUP": env["VIBEDATA_RESOURCE_GROUP"],
            "PREFIX": PARAMETERS["testSubscription"]["prefix"],
            "INSTANCE": self.document()["id"],
        }

    def document(self) -> dict[str, str]:
        """Return the page's instance.json for the lab's customer."""
        known = json.loads((self.lab.directory / "instance.json").read_text())
        page = files(PAGE)["instance.json"]
        return {**page, **known, **{name: page[name] for name in ("application_id", "release")}}

    def imagine(self, step: Command) -> None:
        """Change the lab as if a command that it cannot serve had been carried out."""
        if step.text.startswith("az acr import "):
            repository, tag = step.text.rpartition(" --image ")[2].split(":")
            publisher = release_maker.container_registry(self.lab, "publisher")
            publisher.push_artifact(repository, tag, repository.encode())
            self.lab.control("POST", "/resources", {"version": {repository.rpartition("/")[2]: tag}})
        elif step.text.startswith("az group delete --name $GROUP "):
            path = "/resource[gG]roups/[^/]+$"
            self.lab.fault("status", status=404, times=0, match={"service": "arm", "method": "GET", "path": path})

    def vibedata(self, step: Command) -> None:
        """Run the command with the page's variables. The only other variables are those that lead to the lab."""
        env = running_lab.environment(self.lab)
        ours = {name: value for name, value in env.items() if not name.startswith("VIBEDATA_")}
        page = {name: value for name, value in self.variables.items() if name.startswith("VIBEDATA_")}
        done = subprocess.run(
            [sys.executable, *STRICT, "-m", "vibedata.cli", *step.filled(self.variables).split()[1:]],
            cwd=self.folder,
            env={**ours, **page, **{name: env[name] for name in TO_THE_LAB}},
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
        assert done.returncode == 0, f"{step.text}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    with running_lab.running(tmp_path / "lab") as lab:
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        lab.latency(operation="packageImportWindow", seconds=0.1)
        with azure_cli(lab, tmp_path) as az:
            for line in (
                "az cloud register --name lab --endpoint-resource-manager $VIBEDATA_ARM_ENDPOINT",
                "az cloud set --name lab",
                "az login --identity --client-id $VIBEDATA_UAMI_CLIENT_ID",
            ):
                answer = az.run(line)
                assert answer.code == 0, answer.err
            made = Reader(lab=lab, folder=tmp_path, az=az)
            (tmp_path / "instance.json").write_text(json.dumps(made.document()))
            yield made
            assert az.refused() == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_lab_follows_the_page(reader: Reader) -> None:
    for step in STEPS:
        reader.follow(step)
    assert len([each for each in COMMANDS if each.mark == "run"]) >= LEAST_RUN


def test_the_page_runs_what_it_promises() -> None:
    words = [each.text for each in COMMANDS if each.mark == "run"]
    for wanted in ("instance add", "preflight", "deploy", "status", "deprovision"):
        assert any(text.startswith(f"vibedata {wanted} ") for text in words), wanted


def test_the_pages_instance_document_is_valid_and_agrees_with_its_variables() -> None:
    document = files(PAGE)["instance.json"]
    found = read(json.dumps(document).encode(), source="docs/tutorial.md")
    values = {step.name: step.value for step in STEPS if isinstance(step, Export)}
    assert (found.id, found.prefix, found.managed_resource_group, found.subscription_id, found.location) == tuple(
        values[name] for name in ("INSTANCE", "PREFIX", "GROUP", "SUBSCRIPTION", "LOCATION")
    )


def test_the_template_accepts_the_pages_values_and_needs_no_others() -> None:
    values: dict[str, str] = {}
    for step in STEPS:
        if isinstance(step, Export):
            values[step.name] = Command("run", step.value).filled(values)
    (deploy,) = (each.filled(values) for each in COMMANDS if each.text.startswith(DEPLOY))
    given = {
        name: value.strip('"')
        for part in deploy.split(" --parameters ")[1:]
        for name, _, value in (pair.strip('"').partition("=") for pair in shlex.split(part) if "=" in pair)
    }
    assert set(given) <= {each.name for each in documents()[MAIN].of_kind("param")}
    images = files(PAGE)[given["images"].removeprefix("@")]
    assert images.keys() == PARAMETERS["testSubscription"]["images"].keys()
    made = snapshot(documents(), MAIN, {**PARAMETERS["testSubscription"], **given, "images": images}, Place())
    group = files(PAGE)["instance.json"]
    assert (made.outputs["prefix"], made.outputs["instanceId"]) == (group["prefix"], group["id"])
    assert {"ruleImmutableId", "logsEndpoint"} <= set(made.outputs)


def test_the_page_registers_each_provider_of_the_template() -> None:
    registered = {each.text.rpartition(" ")[2] for each in COMMANDS if each.text.startswith("az provider register ")}
    made = snapshot(documents(), MAIN, PARAMETERS["testSubscription"], Place())
    needed = {each.type.partition("/")[0] for each in made.resources} - {"Microsoft.Authorization"}
    assert registered == needed


@pytest.mark.parametrize(
    "block",
    [
        "```sh\naz login\n```",
        "```\naz login\n```",
        "```sh tried\naz login\n```",
        "    az login",
        "```sh run\ncurl https://a.example\n```",
        "```sh parsed\nvibedata status\n```",
    ],
)
def test_a_command_that_is_neither_run_nor_parsed_is_refused(block: str) -> None:
    with pytest.raises(UnmarkedError):
        list(steps(f"{PAGE}\n{block}\n"))
