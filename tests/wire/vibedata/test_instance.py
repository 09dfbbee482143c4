"""`vibedata instance` over the wire: the table, two operators at once, and rows that somebody else wrote."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableClient, TableServiceClient

from publisher.instances.document import document_of
from publisher.instances.store import PARTITION, TABLE, Instances
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.errors import RunbookError
from tests.support.instance_documents import DOCUMENT, document, instance
from tests.support.running_lab import LabUnderTest
from vibedata import cli

ID = DOCUMENT["id"]


@pytest.fixture
def tables(lab: LabUnderTest) -> TableServiceClient:
    return operator_tables({**os.environ, **lab.env}, SYSTEM_CLOCK)


@pytest.fixture
def known(tables: TableServiceClient) -> Instances:
    return Instances(tables)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "contoso.json"
    made.write_text(json.dumps(DOCUMENT))
    return made


class Typed:
    """The words that are typed after `vibedata instance`, and the output."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def text(self, *words: object, code: int = 0) -> str:
        self._capsys.readouterr()
        assert cli.main(["instance", *map(str, words)]) == code
        shown = self._capsys.readouterr()
        return shown.out if code == 0 else shown.err

    def result(self, *words: object, code: int = 0) -> dict[str, Any]:
        self._capsys.readouterr()
        assert cli.main(["instance", *map(str, words), "--output", "json"]) == code
        told: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return told


@pytest.fixture
def typed(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> Typed:
    assert lab.pid
    return Typed(capsys)


def rows(tables: TableServiceClient) -> TableClient:
    return tables.create_table_if_not_exists(TABLE)


def writes(lab: LabUnderTest) -> list[str]:
    return [entry["method"] for entry in lab.journal(service="table") if entry["method"] != "GET"]


def test_a_document_is_added_listed_shown_and_added_again(
    lab: LabUnderTest, typed: Typed, known: Instances, file: Path
) -> None:
    assert "no instance is recorded" in typed.text("list")
    planned = typed.text("add", file, "--plan")
    assert "plan: nothing was changed" in planned and "+ display_name: Contoso B.V." in planned
    assert (list(known.all()), writes(lab)) == ([], [])
    assert typed.result("add", file)["status"] == "succeeded"
    assert known.instance(ID) == instance()
    assert typed.result("add", file)["status"] == "unchanged"
    assert "Contoso B.V." in typed.text("list")
    assert typed.result("list") == {"instances": [DOCUMENT], "troubles": []}
    assert typed.result("show", ID) == typed.result("show", file) == DOCUMENT
    assert "settings.dcr_id" in typed.text("show", ID)


def test_an_id_is_given_once(typed: Typed, known: Instances, file: Path) -> None:
    typed.text("add", file)
    file.write_text(json.dumps(document(display_name="Fabrikam")))
    for options in ([], ["--plan"]):
        assert typed.result("add", file, *options, code=1)["error"]["code"] == "VD-INSTANCE-004"
    assert known.instance(ID) == instance()
    with pytest.raises(RunbookError) as caught:  # also if two people add at the same moment
        known.add(replace(instance(), display_name="Fabrikam"))
    assert caught.value.code == "VD-INSTANCE-004"


def test_a_public_host_is_given_once(typed: Typed, known: Instances, file: Path, tmp_path: Path) -> None:
    typed.text("add", file)
    other = tmp_path / "other.json"
    host = {"public_host": f"{ID}.vibedata.ai"}
    other.write_text(json.dumps(document(id="m4w8y6q2", settings={**DOCUMENT["settings"], **host})))
    for options in ([], ["--plan"]):
        assert typed.result("add", other, *options, code=2)["error"]["code"] == "VD-DNS-007"
    other.write_text(json.dumps(document(id="m4w8y6q2")))
    typed.text("add", other)
    asked = ("--set", f"settings.public_host={host['public_host']}")
    assert typed.result("edit", "m4w8y6q2", *asked, code=2)["error"]["code"] == "VD-DNS-007"
    assert "public_host" not in known.instance("m4w8y6q2").settings
    assert typed.result("edit", ID, *asked)["status"] == "succeeded", "its own name"


def test_an_edit_shows_what_it_changes(typed: Typed, known: Instances, file: Path) -> None:
    typed.text("add", file)
    asked = ("--set", "ring=late", "--set", "release=", "--set", "settings.publisher_api=https://api.example")
    planned = typed.text("edit", ID, *asked, "--plan")
    assert known.instance(ID) == instance()
    shown = typed.text("edit", ID, *asked)
    for line in ("~ ring: early -> late", "- release: 2026.11.0", "+ settings.publisher_api: https://api.example"):
        assert line in planned.splitlines() and line in shown.splitlines()
    assert shown.splitlines()[-1] == "1 to add, 1 to change, 1 to remove"
    edited = known.instance(ID)
    assert (edited.ring, edited.release, edited.settings["publisher_api"]) == ("late", "", "https://api.example")
    assert typed.result("edit", ID, *asked)["status"] == "unchanged"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "nobody"), "VD-INSTANCE-002"),
        (("edit", "nobody", "--set", "ring=a"), "VD-INSTANCE-002"),
        (("remove", "nobody", "--yes"), "VD-INSTANCE-002"),
        (("edit", ID, "--set", "ring=A B"), "VD-INSTANCE-001"),
        (("edit", ID, "--set", "id=x"), "VD-INSTANCE-001"),
        (("edit", ID, "--set", "ring"), "VD-PARAM-002"),
        (("add", "nowhere.json"), "VD-INSTANCE-008"),
        (("show", "."), "VD-INSTANCE-008"),
        (("remove", ID), "VD-INSTANCE-007"),
    ],
)
def test_what_cannot_be_done_has_a_code_and_exit_code_2(
    typed: Typed, known: Instances, words: tuple[str, ...], code: str
) -> None:
    known.add(instance())
    assert typed.result(*words, code=2)["error"]["code"] == code
    assert known.instance(ID) == instance()


def test_a_file_that_is_no_document(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("{}")
    shown = typed.text("add", file, code=2)
    assert "VD-INSTANCE-001" in shown and str(file) in shown
    file.write_text(" " * 40_000)
    assert "VD-INSTANCE-008" in typed.text("add", file, code=2)


def test_of_several_edits_at_once_only_one_is_made(known: Instances) -> None:
    """All have read the same row. The service lets one of them write, and the others get an error."""
    known.add(instance())
    row = known.row(ID)
    assert row is not None
    told: list[str] = []
    barrier = threading.Barrier(4)

    def edit(number: int) -> None:
        barrier.wait()
        try:
            known.change(row, replace(instance(), ring=f"ring-{number}"))
            told.append(f"ring-{number}")
        except RunbookError as error:
            told.append(error.code)

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told)[:3] == ["VD-INSTANCE-005"] * 3
    assert known.instance(ID).ring == sorted(told)[3]


def test_a_tombstone_is_neither_changed_nor_removed(typed: Typed, known: Instances, file: Path) -> None:
    known.add(instance())
    row = known.row(ID)
    assert row is not None
    known.stand(ID, row, "ended", "2026-11-29T12:00:00Z")
    for words in (("edit", ID, "--set", "ring=late"), ("remove", ID, "--plan"), ("remove", ID, "--yes")):
        assert typed.result(*words, code=2)["error"]["code"] == "VD-INSTANCE-010"
    assert typed.result("add", file, code=1)["error"]["code"] == "VD-INSTANCE-004", "the id is never given again"
    there = known.row(ID)
    assert there is not None and (there.instance, there.standing) == (instance(), "ended")


def test_an_instance_that_was_changed_is_not_removed(known: Instances) -> None:
    known.add(instance())
    row = known.row(ID)
    assert row is not None
    known.change(row, replace(instance(), ring="late"))
    with pytest.raises(RunbookError) as caught:
        known.remove(ID, row)
    assert caught.value.code == "VD-INSTANCE-005"
    newer = known.row(ID)
    assert newer is not None
    known.remove(ID, newer)
    known.remove(ID, newer)  # as in a retry after a lost answer
    assert known.row(ID) is None
    with pytest.raises(RunbookError) as gone:
        known.change(newer, instance())
    assert gone.value.code == "VD-INSTANCE-005"


def test_a_write_that_lost_its_answer_was_made(lab: LabUnderTest, typed: Typed, known: Instances, file: Path) -> None:
    lab.fault("reset_after", match={"service": "table", "method": "POST", "path": "/Tables"})
    known.add(replace(instance(), id="other"))
    lab.fault("reset_after", match={"service": "table", "method": "POST"})
    assert typed.result("add", file)["status"] == "succeeded"
    lab.fault("reset_after", match={"service": "table", "method": "PATCH"})
    assert typed.result("edit", ID, "--set", "ring=late")["status"] == "succeeded"
    lab.fault("reset_after", match={"service": "table", "method": "DELETE"})
    assert typed.result("remove", ID, "--yes")["status"] == "succeeded"
    assert [row.key for row in known.all()] == ["other"]


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"document": 7},
        {"document": "{"},
        {"document": json.dumps(document())},  # of another id than the row's
        {"document": json.dumps(document(id="hostile", display_name="\x1b[2J"))},
        {"document": "x" * 32_000},
    ],
)
def test_a_row_that_somebody_else_wrote_hides_no_other_and_is_never_believed(
    tables: TableServiceClient, typed: Typed, known: Instances, columns: dict[str, Any]
) -> None:
    known.add(instance())
    rows(tables).create_entity({"PartitionKey": PARTITION, "RowKey": "hostile", **columns})
    listed = typed.result("list", code=1)
    assert listed["instances"] == [document_of(instance())]
    assert [trouble["code"] for trouble in listed["troubles"]] == ["VD-INSTANCE-006"]
    for words in (("show", "hostile"), ("edit", "hostile", "--set", "ring=a")):
        error = typed.result(*words, code=1)["error"]
        assert error["code"] == "VD-INSTANCE-006" and "\x1b" not in error["message"]
    assert typed.result("remove", "hostile", "--yes")["status"] == "succeeded"
    assert typed.result("list")["troubles"] == []


def test_without_the_publishers_tables_it_says_which_variable(
    typed: Typed, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIBEDATA_PUBLISHER_TABLE_ENDPOINT")
    error = typed.result("add", file, code=2)["error"]
    assert error["code"] == "VD-SETTINGS-005" and "VIBEDATA_PUBLISHER_TABLE_ENDPOINT" in error["message"]


@pytest.mark.parametrize("id_", ["abc-", "a" * 60])
def test_a_row_whose_settings_are_malformed_stops_no_other_instance(
    typed: Typed, tables: TableServiceClient, file: Path, tmp_path: Path, id_: str
) -> None:
    table = rows(tables)
    odd = {"PartitionKey": PARTITION, "RowKey": id_}
    table.create_entity({**odd, "document": json.dumps(document(id=id_))})
    assert typed.result("add", file)["status"] == "succeeded"
    assert typed.result("edit", ID, "--set", "ring=canary")["status"] == "succeeded"
    # A host that the row's document names itself is still the row's.
    settings = {**DOCUMENT["settings"], "public_host": "app.contoso.example"}
    table.upsert_entity({**odd, "document": json.dumps(document(id=id_, settings=settings))})
    other = tmp_path / "other.json"
    named = {**DOCUMENT["settings"], "public_host": "app.contoso.example"}
    other.write_text(json.dumps(document(id="m4w8y6q2", settings=named)))
    assert typed.result("add", other, code=2)["error"]["code"] == "VD-DNS-007"
