"""Blobs that a person with only blob rights writes into the spools, over the wire: never delivered, and never a
delay.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.storage.blob import BlobProperties, ContainerClient

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.basics.redaction import Redactor
from runbook_lib.callbacks.payloads import Ping, to_json
from runbook_lib.operations_log.delivery import CHUNK_BYTES, SET_ASIDE_PER_RUN, SPOOL_CONTAINER
from runbook_lib.operations_log.events import canonical_json
from runbook_lib.spool import container as spool
from runbook_lib.spool.keys import spool_keys
from tests.support.callback_rig import DEPLOYMENT, SAMPLE, TAKEN, Rig, rig
from tests.support.log_reader import table_rows
from tests.support.operations_run import INGESTION, Run
from tests.support.runbook_run import run as runbook_run
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import Answer, ScriptedServer

TOKEN = "publisher-acr-token"
BOMB_BYTES = 24 * 1024 * 1024


class Log:
    """The operations log's spool, and a person who may write blobs."""

    def __init__(self, lab: LabUnderTest) -> None:
        self.lab = lab
        self.container: ContainerClient = Run(lab, "writer").clients.blob_service.get_container_client(SPOOL_CONTAINER)
        self.secrets = Run(lab, "writer").clients.secrets

    def spool(self, *run_ids: str) -> list[BlobProperties]:
        """Let runs spool their one event each, and return the blobs."""
        self.lab.fault("status", status=500, times=0, match=INGESTION)
        for run_id in run_ids:
            Run(self.lab, run_id).whole(flushes=0)
        self.lab.clear_faults()
        return self.blobs()

    def blobs(self) -> list[BlobProperties]:
        return list(self.container.list_blobs(include=["metadata"]))

    def names(self) -> set[str]:
        return {blob.name for blob in self.blobs()}

    def put(self, content: bytes, *, stem: str = "evil/00000000", metadata: Mapping[str, str] | None = None) -> str:
        """Write a blob as a person who knows the form of a name and has no key."""
        name = f"{stem}-{hashlib.sha256(content).hexdigest()}.json"
        self.container.upload_blob(name, content, metadata=dict(metadata or {}), overwrite=True)
        return name

    def run(self, run_id: str) -> list[str]:
        """Deliver, and return the warnings."""
        return [line for line in Run(self.lab, run_id).whole(flushes=0).printed if line.startswith("WARNING: VD-LOG")]

    def delivered(self) -> list[str]:
        """Return the run ids of the events in the table, in the order of their arrival."""
        return [str(row["RunId"]) for row in table_rows(self.lab)]


@pytest.fixture
def log(lab: LabUnderTest) -> Log:
    return Log(lab)


def forged() -> bytes:
    return canonical_json([{"RunId": "evil", "Action": "verify", "Outcome": "verified"}])


def test_a_hundred_and_thousands_of_strangers_delay_nothing_and_are_reported_once(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "PAGE_BLOBS", 50)
    log.spool("real")
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda number: log.container.upload_blob(f"0-{number:03}.json", b"[]"), range(120)))
    log.put(forged(), stem="0/00000000")
    before = log.lab.last_request()
    first, second = log.run("two"), log.run("three")
    assert sorted(log.delivered()) == ["real", "three", "two"]
    assert second == []
    (told,) = first
    assert "VD-LOG-003" in told and "121 blobs" in told
    # No stranger's blob is read or changed.
    touched = [e["path"] for e in log.lab.journal(service="blob", since=before) if f"/{SPOOL_CONTAINER}/" in e["path"]]
    assert {path.split("?")[0].split("/")[-2] for path in touched} == {"real"}
    assert len(log.blobs()) == 121
    log.container.upload_blob("another", b"")
    assert len(log.run("four")) == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {f"a{number}": "x" * 1000 for number in range(8)},
        {"StrangersTold": "2099-01-01T00:00:00.000000Z 0"},
        {"strangerstold": "\\x1b[2J no time" * 20},
    ],
    ids=["full", "ours in capitals", "no time"],
)
def test_no_metadata_of_the_container_repeats_the_message_about_strangers(log: Log, metadata: dict[str, str]) -> None:
    log.spool("one")
    log.put(b"x")
    log.container.set_container_metadata(metadata)
    (told,) = log.run("two")
    assert "VD-LOG-003" in told and "a blob that no runbook" in told
    assert not log.run("three")


def test_a_listing_without_end_is_given_up_and_said(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "PAGE_BLOBS", 2)
    monkeypatch.setattr(spool, "MAX_PAGES", 3)
    log.spool("real")
    for number in range(9):
        log.container.upload_blob(f"z{number}", b"")
    (told,) = log.run("two")
    assert "only the first 6 blobs" in told
    assert sorted(log.delivered()) == ["real", "two"]


def test_a_blob_of_any_size_is_never_read(log: Log) -> None:
    log.put(b"[" + b"{}," * (BOMB_BYTES // 3) + b"{}]")
    (real,) = log.spool("real")[-1:]
    # The same with a proof that belongs to another blob.
    log.put(b"[" + b"{}," * CHUNK_BYTES + b"{}]", stem="more/00000000", metadata=real.metadata)
    before = log.lab.last_request()
    log.run("two")
    assert sorted(log.delivered()) == ["real", "two"]
    entries = log.lab.journal(service="blob", since=before)
    assert not any("/evil/" in entry["path"] or "/more/" in entry["path"] for entry in entries)


def test_no_event_that_no_run_made_gets_into_the_table(log: Log) -> None:
    first, second = log.spool("one", "two")
    log.put(forged())
    log.put(forged(), stem="e/00000000", metadata=first.metadata)
    log.put(forged(), stem="d/00000000", metadata={"spoolkey": first.metadata["spoolkey"], "spoolmac": "e" * 64})
    log.put(forged(), stem="a/00000000", metadata={**first.metadata, "spoolkey": "0" * 32})
    log.put(forged(), stem="b/00000000", metadata={**first.metadata, "spoolkey": "../hmac-key"})
    # The content of a real blob under another name, and other content under a real name with its proof.
    content = log.container.download_blob(first.name).readall()
    log.put(content, stem="copy/00000000", metadata=first.metadata)
    log.container.upload_blob(second.name, forged(), metadata=second.metadata, overwrite=True)
    strangers, overwritten = log.run("three")
    assert "6 blobs" in strangers and second.name in overwritten
    assert sorted(log.delivered()) == ["one", "three"]
    # The overwritten blob was reported. It is tried again last, without a message.
    assert log.run("four") == []
    assert sorted(log.delivered()) == ["four", "one", "three"]
    assert first.name not in log.names()


def test_a_proof_is_good_only_for_one_container(log: Log) -> None:
    (real,) = log.spool("real")
    run = Run(log.lab, "other")
    other = run.clients.blob_service.get_container_client("artifacts")
    other.upload_blob(real.name, log.container.download_blob(real.name).readall(), metadata=real.metadata)
    for container, expected in ((SPOOL_CONTAINER, ([real.name], 0)), ("artifacts", ([], 1))):
        found = spool.Spool(
            clients=run.clients,
            keys=spool_keys(run.clients, Redactor(), SYSTEM_CLOCK),
            container=container,
            stems="real/[0-9]+",
            max_bytes=CHUNK_BYTES,
        )
        waiting, strangers = found.waiting()
        assert ([each.name for each in waiting], strangers.count) == expected


def test_what_was_spooled_before_a_rotation_is_delivered_as_long_as_its_version_is_enabled(log: Log) -> None:
    log.spool("one")
    password = json.dumps({"username": "customer-2f4cfa0e", "password": "the-next-password-of-32-letters!"})
    log.secrets.set_secret(TOKEN, password)
    log.spool("two")
    assert log.run("three") == []
    assert sorted(log.delivered()) == ["one", "three", "two"]
    log.spool("four")
    log.secrets.set_secret(TOKEN, password.replace("next", "last"))
    newest = log.secrets.get_secret(TOKEN).properties.version
    for version in list(log.secrets.list_properties_of_secret_versions(TOKEN)):
        if version.version != newest:
            log.secrets.update_secret_properties(TOKEN, str(version.version), enabled=False)
    assert len(log.run("five")) == 1
    assert "four" not in log.delivered()
    assert len(log.names()) == 1


def test_without_the_secret_events_go_to_the_output(log: Log) -> None:
    log.secrets.begin_delete_secret(TOKEN).wait()
    log.lab.fault("status", status=500, times=0, match=INGESTION)
    made = Run(log.lab, "one").whole(flushes=2)
    assert log.names() == set()
    events = [json.loads(line.partition(": ")[2]) for line in made.printed if line.startswith("operations log: ")]
    assert len(events) == 5
    assert any("VD-LOG-002" in line and "VD-VAULT-001" in line for line in made.printed)
    # The vault is asked once, not at every flush.
    assert len(log.lab.journal(service="key_vault", method="GET")) <= 3


def test_a_vault_that_is_down_loses_nothing_that_waits(log: Log) -> None:
    log.spool("one")
    log.lab.fault("status", status=503, times=0, match={"service": "key_vault"})
    (told,) = log.run("two")
    assert "VD-LOG-003" in told
    log.lab.clear_faults()
    assert log.run("three") == []
    assert sorted(log.delivered()) == ["one", "three", "two"]


def test_endless_leases_and_snapshots_stop_no_delivery(log: Log) -> None:
    leased, snapped = log.spool("leased", "snapped")
    log.container.get_blob_client(leased.name).acquire_lease(-1)
    log.container.get_blob_client(snapped.name).create_snapshot()
    assert log.run("two") == []
    assert sorted(log.delivered()) == ["leased", "snapped", "two"]
    assert log.names() == set()


def test_an_event_that_ingestion_always_refuses_is_reported_once_and_tried_last(log: Log) -> None:
    log.spool(*(f"bad-{number}" for number in range(SET_ASIDE_PER_RUN + 2)))
    log.lab.fault("status", status=413, times=SET_ASIDE_PER_RUN + 2, match=INGESTION)
    assert len(log.run("two")) == 1
    log.lab.clear_faults()
    log.spool("good")
    log.lab.fault("status", status=400, times=SET_ASIDE_PER_RUN, match={**INGESTION, "nth": 2})
    before = log.lab.last_request()
    assert log.run("three") == []
    assert [run for run in log.delivered() if not run.startswith("bad")] == ["two", "good", "three"]
    assert len(log.lab.journal(service="logs", since=before)) == 1 + SET_ASIDE_PER_RUN + 1


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path_factory.mktemp("publisher")).running() as running:
        yield running


@pytest.fixture
def one(lab: LabUnderTest, publisher: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    publisher.forget()
    with rig(lab, publisher, tmp_path, monkeypatch) as made:
        made.provision()
        yield made


def put_report(one: Rig, metadata: Mapping[str, str] | None = None) -> str:
    content = to_json(Ping(instance_id="contoso-1", at="2026-01-01T00:00:00.000000Z"))
    name = f"20260101T000000.000000Z-ping-{uuid4()}-{hashlib.sha256(content).hexdigest()}.json"
    one.spool.upload_blob(name, content, metadata=dict(metadata or {}))
    return name


def test_no_report_that_no_run_made_is_sent(one: Rig) -> None:
    (waiting,) = one.left_waiting(1)
    (real,) = one.spool.list_blobs(include=["metadata"])
    planted = [put_report(one), put_report(one, real.metadata), put_report(one, {**real.metadata, "spoolmac": ""})]
    copy = real.name.replace(waiting, str(uuid4()))
    one.spool.upload_blob(copy, one.spool.download_blob(real.name).readall(), metadata=real.metadata)
    made = one.run(*[TAKEN] * 9, correlation_id="")
    assert one.ids_sent() == [waiting]
    assert set(one.waiting()) == {*planted, copy}
    assert made.text.count("WARNING: VD-CALLBACK-026") == 1
    assert "4 blobs" in made.text
    assert "VD-CALLBACK" not in one.run(correlation_id="").text


def test_a_report_of_another_instance_delays_no_other_report(one: Rig) -> None:
    """As if the setting was corrected while a report waited."""

    def run(instance: str, *acts: Any) -> Any:
        one.publisher.forget()
        one.publisher.play(*acts)
        environ = {"VIBEDATA_PUBLISHER_API": one.publisher.url, "VIBEDATA_INSTANCE_ID": instance}
        return runbook_run(one.lab, SAMPLE, environ=environ, correlation_id=DEPLOYMENT, blobs="a")

    run("somebody-else", Answer(status=401))
    (other,) = one.ids_waiting()
    made = run("contoso-1", *[TAKEN] * 4)
    assert len(one.ids_sent()) == 1 and other not in one.ids_sent()
    assert "WARNING: VD-CALLBACK-031" in made.text
    made = run("contoso-1", *[TAKEN] * 4)
    assert "VD-CALLBACK" not in made.text
    # If the setting was wrong and is right again, the report is sent.
    run("somebody-else", *[TAKEN] * 4)
    assert other in one.ids_sent()
    assert one.waiting() == []


def test_a_leased_report_is_sent_once(one: Rig) -> None:
    one.left_waiting(1)
    (name,) = one.waiting()
    one.spool.get_blob_client(name).acquire_lease(-1)
    made = one.run(TAKEN, correlation_id="")
    assert (len(one.ids_sent()), one.waiting()) == (1, [])
    assert "VD-CALLBACK" not in made.text


def test_runs_that_make_the_missing_container_at_once_all_keep_their_report(lab: LabUnderTest) -> None:
    log = Log(lab)
    log.lab.fault("status", status=500, times=0, match=INGESTION)
    log.container.delete_container()
    with ThreadPoolExecutor(4) as runs:
        list(runs.map(lambda number: Run(lab, f"racer-{number}").whole(flushes=0), range(4)))
    assert len(log.blobs()) == 4
