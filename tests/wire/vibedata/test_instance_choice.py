"""The instance that a command works on. It is named first, refused if its parts do not belong together, and confirmed
before a command does harm.
"""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential

from publisher.instances.document import Instance, read, to_json
from publisher.instances.precedence import SHARED
from publisher.instances.store import Instances
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.component_registry.identity import Identity, identity_row
from tests.support.running_lab import LabUnderTest, environment
from vibedata import cli

ROOT = Path(__file__).parents[3]
OTHER = "9e4cfa0e-6b0d-4a4e-8a67-6f9f1b8a7c99"
# Each command that works on a customer's instance, as it is typed.
COMMANDS = [
    ("status",),
    ("deploy", "nowhere"),
    ("invoke", "check_health"),
    ("rotate-hmac",),
    ("rotate-acr-token",),
    ("run", "check_health"),
]


@pytest.fixture
def publishers(lab: LabUnderTest) -> TableServiceClient:
    return operator_tables({**os.environ, **lab.env}, SYSTEM_CLOCK)


@pytest.fixture
def customers(lab: LabUnderTest) -> Iterator[TableServiceClient]:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        TableServiceClient(endpoint=lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as made,
    ):
        yield made


@pytest.fixture
def file(lab: LabUnderTest) -> Path:
    return lab.directory / "instance.json"


@pytest.fixture
def lab_instance(file: Path) -> Instance:
    return read(file.read_bytes(), source=str(file))


def typed(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert cli.main([str(word) for word in words]) == code
    shown = capsys.readouterr()
    return shown.out, shown.err


def about(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = told["instance"]
    return found


def record(customers: TableServiceClient, **parts: str) -> None:
    """Let the customer's tables record another instance."""
    identity = Identity(**{"instance_id": "p7w4m1", "subscription_id": OTHER, "resource_group": "fabrikam-g", **parts})
    row = identity_row(identity)
    customers.create_table_if_not_exists("Schema").upsert_entity(
        {"PartitionKey": row.partition, "RowKey": row.name, **row.columns}
    )


def test_the_lab_writes_its_customers_document(lab: LabUnderTest, lab_instance: Instance) -> None:
    assert lab_instance.subscription_id == lab.env["VIBEDATA_SUBSCRIPTION_ID"]
    assert (lab.directory / "instance.json").stat().st_mode & 0o777 == 0o600


def test_the_first_line_says_whose_instance_it_is(
    lab: LabUnderTest, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription, group = lab.env["VIBEDATA_SUBSCRIPTION_ID"], lab.env["VIBEDATA_RESOURCE_GROUP"]
    where = f"subscription {subscription}, resource group {group}"
    assert typed(capsys, "status")[1] == f"{where}\n"
    assert typed(capsys, "status", "--instance", file)[1] == f"instance Lab customer ({subscription}), {where}\n"
    out, _ = typed(capsys, "status", "--output", "json")
    known = {"id": subscription, "display_name": None, "subscription_id": subscription, "resource_group": group}
    assert about(json.loads(out)) == known
    monkeypatch.setenv("VIBEDATA_INSTANCE", str(file))
    out, _ = typed(capsys, "status", "--output", "json")
    assert about(json.loads(out)) == {**known, "display_name": "Lab customer"}


def test_an_id_and_a_shell_without_the_customers_settings(
    lab: LabUnderTest,
    publishers: TableServiceClient,
    lab_instance: Instance,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Instances(publishers).add(lab_instance)
    # The operator's identity stays. The customer's settings are removed.
    kept = {f"VIBEDATA_{name.upper()}" for name in SHARED} | {"VIBEDATA_UAMI_CLIENT_ID"}
    for name in lab.env:
        if name.startswith("VIBEDATA_") and "PUBLISHER" not in name and name not in kept:
            monkeypatch.delenv(name)
    out, _ = typed(capsys, "status", "--instance", lab_instance.id, "--output", "json")
    assert json.loads(out)["registry_exists"] is False
    out, err = typed(capsys, "run", "check_health", "--instance", lab_instance.id, "--output", "json", code=1)
    told = json.loads(out)
    assert (about(told)["display_name"], told["error"]["code"]) == ("Lab customer", "VD-HEALTH-001")
    assert err.splitlines()[0].startswith("instance Lab customer ")
    for wrong, hint in (("nobody", ""), (f"{lab_instance.id[:-1]}x", f"did you mean '{lab_instance.id}'?")):
        out, _ = typed(capsys, "status", "--instance", wrong, "--output", "json", code=2)
        error = json.loads(out)["error"]
        assert (error["code"], "did you mean" in error["message"]) == ("VD-INSTANCE-002", bool(hint))
        assert hint in error["message"]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_shell_of_another_customer_is_refused_before_anything_is_asked(
    lab: LabUnderTest,
    file: Path,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIBEDATA_SUBSCRIPTION_ID", OTHER)
    before = lab.last_request()
    out, _ = typed(capsys, *words, "--instance", file, "--output", "json", code=2)
    error = json.loads(out)["error"]
    assert error["code"] == "VD-INSTANCE-003"
    assert OTHER in error["message"] and lab.env["VIBEDATA_SUBSCRIPTION_ID"] in error["message"]
    assert lab.last_request() == before


def test_no_other_customers_token_is_renewed(
    lab_instance: Instance, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named, nameless = tmp_path / "named.json", tmp_path / "nameless.json"
    named.write_text(to_json(lab_instance))
    nameless.write_text(to_json(replace(lab_instance, registry_token="")))
    monkeypatch.setenv("VIBEDATA_PUBLISHER_TOKEN_NAME", "fabrikam-token")
    for file, code in ((named, "VD-INSTANCE-003"), (nameless, "VD-INSTANCE-009")):
        out, err = typed(capsys, "rotate-acr-token", "--plan", "--instance", file, code=2)
        assert code in out + err


@pytest.mark.parametrize("words", [*COMMANDS, ("status", "--instance", "FILE")], ids=" ".join)
def test_settings_that_lead_to_another_instances_storage_are_refused(
    lab: LabUnderTest,
    customers: TableServiceClient,
    file: Path,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    record(customers)
    before = lab.last_request()
    out, _ = typed(capsys, *(file if word == "FILE" else word for word in words), "--output", "json", code=1)
    error = json.loads(out)["error"]
    assert error["code"] == "VD-COMPONENT-008"
    for told in (lab.env["VIBEDATA_SUBSCRIPTION_ID"], OTHER, "p7w4m1", "fabrikam-g"):
        assert told in error["message"]
    asked = lab.journal(since=before)
    assert {entry["service"] for entry in asked} <= {"identity", "entra", "table"}
    assert [entry["method"] for entry in asked if entry["service"] == "table"] == ["GET"]


def test_one_part_that_differs_is_enough(
    lab: LabUnderTest, customers: TableServiceClient, capsys: pytest.CaptureFixture[str]
) -> None:
    subscription, group = lab.env["VIBEDATA_SUBSCRIPTION_ID"], lab.env["VIBEDATA_RESOURCE_GROUP"]
    own = {"instance_id": subscription, "subscription_id": subscription, "resource_group": group}
    record(customers, **own)
    typed(capsys, "status")
    for part in own:
        record(customers, **{**own, part: "another"})
        assert "VD-COMPONENT-008" in typed(capsys, "status", code=1)[1]


def test_if_nobody_may_read_the_row_the_command_says_so_and_goes_on(
    lab: LabUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.fault("status", status=403, times=0, match={"service": "table"})
    _, err = typed(capsys, "status", code=1)
    assert "warning: the identity of the instance was not compared: VD-NET-003" in err


@pytest.mark.parametrize(
    "words",
    [
        ("rotate-hmac", "--emergency"),
        ("rotate-acr-token", "--emergency"),
        ("rotate-hmac", "--supersede", "r-1"),
    ],
)
def test_without_a_terminal_what_cannot_be_taken_back_takes_yes(
    lab: LabUnderTest, file: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = lab.last_request()
    out, _ = typed(capsys, *words, "--instance", file, "--output", "json", code=2)
    assert json.loads(out)["error"]["code"] == "VD-INSTANCE-007"
    assert {entry["method"] for entry in lab.journal(since=before) if entry["service"] != "identity"} <= {"GET"}
    out, _ = typed(capsys, *words, "--instance", file, "--yes", "--output", "json", code=1)
    assert json.loads(out)["error"]["code"] != "VD-INSTANCE-007"
    if "--emergency" in words:
        assert "plan: nothing was changed" in typed(capsys, *words, "--instance", file, "--plan")[0]


@pytest.mark.parametrize(("answer", "code"), [("Lab customer", 0), ("ID", 0), ("Fabrikam", 2), ("", 2)])
def test_on_a_terminal_it_asks_for_the_instances_name(
    lab: LabUnderTest, publishers: TableServiceClient, lab_instance: Instance, answer: str, code: int
) -> None:
    known = Instances(publishers)
    known.add(lab_instance)
    id_ = lab_instance.id
    ours, theirs = pty.openpty()
    os.write(ours, (id_ if answer == "ID" else answer).encode() + b"\n")
    command = [sys.executable, "-m", "vibedata.cli", "instance", "remove", id_]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(lab), stdin=theirs, capture_output=True, text=True, timeout=120, check=False
    )
    for end in (ours, theirs):
        os.close(end)
    assert done.returncode == code, done.stderr
    assert "type the instance's name or id" in done.stderr
    assert (known.row(id_) is None) == (code == 0)
    assert ("VD-INSTANCE-007" in done.stderr) == (code == 2)


def test_two_parts_of_two_documents_are_no_instance(
    lab: LabUnderTest, lab_instance: Instance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The document has another customer's storage, and the shell has this customer's variables."""
    mixed = tmp_path / "mixed.json"
    blob = {**lab_instance.settings, "blob_endpoint": "https://fabrikam.example"}
    mixed.write_text(to_json(replace(lab_instance, settings=blob)))
    out, _ = typed(capsys, "status", "--instance", mixed, "--output", "json", code=2)
    assert "VIBEDATA_BLOB_ENDPOINT" in json.loads(out)["error"]["message"]
    assert lab.pid
