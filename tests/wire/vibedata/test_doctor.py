"""`vibedata doctor` from here, before anything runs: its findings about missing things."""

import json
import os
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import BlobServiceClient

from runbook_lib.preflight.finding import Finding
from tests.support.runbook_run import QuickClock
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata.instances.choice import choose
from vibedata.preflight.in_place import check_in_place
from vibedata.preflight.instance_checks import check_instance
from vibedata.session import open_session

SPOOL = "spool operations-spool"


class LaterClock(QuickClock):
    """A clock that is three hours ahead."""

    def now(self) -> datetime:
        return super().now() + timedelta(hours=3)


def findings(*, later: bool = False) -> dict[str, Finding]:
    session, customer = open_session(), choose("", os.environ)
    session = replace(session, clock=LaterClock()) if later else session
    return {finding.subject: finding for finding in check_instance(session, customer)}


def test_if_nothing_runs_it_says_what_is_not_there(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.pid
    assert cli.main(["doctor", "--only-here", "--output", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    by_subject = {row["subject"]: row for row in told["rows"]}
    assert by_subject["clock"]["state"] == "good"  # it makes the checks of the preflight, too
    assert by_subject["component registry"]["code"] == "VD-DOCTOR-001"
    assert by_subject["schedule of check_health"]["code"] == "VD-DOCTOR-002"
    assert by_subject["runbooks and packages"]["code"] == "VD-MANIFEST-010"
    assert by_subject["credentials"]["code"] == "VD-DOCTOR-004"  # the key is not provisioned
    assert by_subject["credentials"]["remedy"] == "The publisher provisions it: `vibedata rotate-hmac`."
    assert by_subject[SPOOL]["detail"] == "nothing waits"
    assert {row["state"] for row in told["rows"] if row["subject"] == "status"} == {"unknown"}


def test_a_remedy_names_the_instance_that_was_chosen(lab: LabUnderTest) -> None:
    assert lab.pid
    customer = replace(choose("", os.environ), option=" --instance k3v9x2p7")
    remedies = [found.error.remedy for found in check_instance(open_session(), customer) if found.error is not None]
    assert "The publisher provisions it: `vibedata rotate-hmac --instance k3v9x2p7`." in remedies


def test_a_listing_of_tables_without_end_ends(lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        TableServiceClient(lab.env["VIBEDATA_TABLE_ENDPOINT"], credential=credential) as tables,
    ):
        for number in range(4):
            tables.create_table(f"Strange{number}")
    assert findings()["component registry"].error is not None
    monkeypatch.setattr("runbook_lib.network.listing.MAX_LISTED", 3)
    found = findings()["component registry"].error
    assert found is not None and found.code == "VD-STORAGE-005"


def test_a_spool_that_nobody_delivers_is_reported(lab: LabUnderTest) -> None:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        BlobServiceClient(lab.env["VIBEDATA_BLOB_ENDPOINT"], credential=credential) as blobs,
    ):
        blobs.get_blob_client("operations-spool", "events-1.json").upload_blob(b"[]")
    waiting = findings()[SPOOL]
    assert waiting.state == "good" and "1 wait" in waiting.detail
    late = findings(later=True)[SPOOL]
    assert late.error is not None and late.error.code == "VD-DOCTOR-003"


def test_a_token_that_is_gone_is_bad_if_something_runs_and_unknown_before(lab: LabUnderTest) -> None:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        SecretClient(lab.env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets,
    ):
        secrets.begin_delete_secret("publisher-acr-token").wait()
        secrets.purge_deleted_secret("publisher-acr-token")
    found = findings()["credentials"]
    assert found.error is not None and found.error.code == "VD-VAULT-001"
    (before,) = [each for each in check_in_place(open_session(), os.environ) if each.state != "good"]
    assert (before.subject, before.state) == ("publisher's registry token", "unknown")
    assert "a first deployment gives it" in before.detail


def test_what_must_not_be_read_is_unknown_and_never_good(lab: LabUnderTest) -> None:
    for service in ("table", "blob", "key_vault"):
        lab.fault("status", status=403, match={"service": service}, times=0)
    lab.fault("status", status=403, match={"service": "arm", "path": "/(jobs|schedules|runbooks)"}, times=0)
    found = findings()
    assert {finding.state for subject, finding in found.items()} == {"unknown"}, found
