"""Jobs of built runbooks report a deployment to the publisher's own API: in order, and each report once."""

import json
import secrets
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from publisher.callback_api.reports import TABLE
from publisher.custody.key_records import KeyRecord
from publisher.tables import partition_of
from runbook_lib.callbacks.spool import CONTAINER
from tests.end_to_end.deployed import Deployed
from tests.support.publisher_side import PublisherSide, publisher_side


def provision(side: PublisherSide) -> None:
    """Give both sides a key."""
    key_id, key = f"hmac-{secrets.token_hex(8)}", secrets.token_bytes(32)
    instance = side.settings.instance_id
    side.custody.keep(instance, key_id, key)
    made = "2026-11-25T10:00:00.000000Z"
    side.keys.add(
        KeyRecord(
            instance_id=instance, key_id=key_id, state="current", rotation_id="r", created_at=made, accept_until=""
        )
    )
    text = urlsafe_b64encode(key).decode().rstrip("=")
    side.customer.secrets.set_secret("hmac-key", text, tags={"keyId": key_id})


@contextmanager
def without_a_key(side: PublisherSide) -> Iterator[None]:
    """Disable the keys that tests of another file have put into use, and enable them again afterwards.

    If there was no such key, the key of this test stays in use.
    """
    vault = side.customer.secrets
    there = any(each.name == "hmac-key" for each in vault.list_properties_of_secrets())
    versions = vault.list_properties_of_secret_versions("hmac-key") if there else ()
    enabled = [str(each.version) for each in versions if each.enabled]
    for version in enabled:
        vault.update_secret_properties("hmac-key", version, enabled=False)
    yield
    for version in enabled:
        vault.update_secret_properties("hmac-key", version, enabled=True)
    for each in vault.list_properties_of_secret_versions("hmac-key"):
        if enabled and str(each.version) not in enabled:
            vault.update_secret_properties("hmac-key", str(each.version), enabled=False)


def kept(side: PublisherSide) -> list[Mapping[str, Any]]:
    rows = partition_of(side.clients.table_service, TABLE, side.settings.instance_id)
    return [json.loads(row["content0"]) for row in sorted(rows, key=lambda row: str(row["receivedAt"]))]


def test_the_first_job_with_a_key_sends_the_reports_of_all_jobs_before_it(deployed: Deployed) -> None:
    release, deployment = deployed.release(), str(uuid.uuid4())
    with publisher_side(deployed.lab) as side, without_a_key(side):
        spool = side.customer.blob_service.get_container_client(CONTAINER)
        before, told_before = len(list(spool.list_blob_names())), len(kept(side))
        for runbook in ("import_manifest", "import_images"):
            job = deployed.succeed(runbook, correlation_id=deployment)
            assert "VD-CALLBACK-029" in job.text
            deployed.succeed(runbook, plan_only=True, correlation_id=deployment)
        assert len(list(spool.list_blob_names())) == before + 2
        provision(side)
        job = deployed.succeed("import_manifest", correlation_id=deployment)
        assert "VD-CALLBACK" not in job.text
        assert list(spool.list_blob_names()) == []
        assert len(told := kept(side)) == told_before + before + 3
    assert [(each["step"], each["status"]) for each in told[-3:]] == [
        ("import_manifest", "succeeded"),
        ("import_images", "succeeded"),
        ("import_manifest", "unchanged"),
    ]
    assert {(each["correlation_id"], each["release_version"]) for each in told[-3:]} == {(deployment, release.version)}
