"""A run's reports to the publisher's own API, with its processes and its table. Each report is kept once."""

import json
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from azure.storage.blob import ContainerClient
from requests.adapters import HTTPAdapter

from publisher.callback_api.reports import TABLE
from publisher.custody.key_records import KeyRecord, KeyState
from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.callbacks.client import CallbackClient
from runbook_lib.callbacks.spool import CONTAINER
from runbook_lib.errors import RunbookError
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.request_signing.signer import SigningKey
from tests.support.callback_rig import DEPLOYMENT, SAMPLE
from tests.support.publisher_side import PublisherSide, publisher_side
from tests.support.runbook_run import QuickClock, Run, run
from tests.support.running_lab import LabUnderTest

API = {"service": "publisher_api"}


class SkewedClock(QuickClock):
    """A clock that differs by this number of seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._off = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._off


class RewritingProxy(HTTPAdapter):
    """Sends requests to another path than the signed one, as a proxy may do."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        request.url = str(request.url).replace("/v1/", "//v1/")
        return super().send(request, *args, **options)


@dataclass(frozen=True, slots=True)
class Two:
    """Both sides: the customer's runs, and the publisher's records of them."""

    lab: LabUnderTest
    side: PublisherSide
    key: SigningKey

    @property
    def instance(self) -> str:
        return self.side.settings.instance_id

    @property
    def spool(self) -> ContainerClient:
        return self.side.customer.blob_service.get_container_client(CONTAINER)

    def give_customer_the_key(self) -> None:
        text = urlsafe_b64encode(self.key.key).decode().rstrip("=")
        self.side.customer.secrets.set_secret("hmac-key", text, tags={"keyId": self.key.key_id})

    def publisher_holds(self, state: KeyState) -> None:
        self.side.custody.keep(self.instance, self.key.key_id, self.key.key)
        self.side.keys.add(
            KeyRecord(
                instance_id=self.instance, key_id=self.key.key_id, state=state, rotation_id="r",
                created_at="2026-11-25T10:00:00.000000Z", accept_until="",
            )
        )  # fmt: skip

    def run(self, correlation_id: str = DEPLOYMENT, **options: Any) -> Run:
        return run(self.lab, SAMPLE, correlation_id=correlation_id, blobs="a", **options)

    def waiting(self) -> list[str]:
        return sorted(self.spool.list_blob_names())

    def kept(self) -> list[Mapping[str, Any]]:
        """Return the reports that the publisher has, in the order of their arrival."""
        table = self.side.clients.table_service.get_table_client(TABLE)
        rows = sorted(table.list_entities(), key=lambda row: str(row["receivedAt"]))
        return [{"id": row["RowKey"], "kind": row["kind"], **json.loads(row["content0"])} for row in rows]

    def asked(self) -> int:
        return len(self.lab.journal(**API))


@contextmanager
def sides(lab: LabUnderTest) -> Iterator[Two]:
    with publisher_side(lab) as side:
        yield Two(lab, side, SigningKey(f"hmac-{secrets.token_hex(8)}", secrets.token_bytes(32)))


@pytest.fixture
def bare(lab: LabUnderTest) -> Iterator[Two]:
    """Without a key on either side, and without the publisher's table of reports."""
    with sides(lab) as two:
        yield two


@pytest.fixture
def two(bare: Two) -> Two:
    bare.publisher_holds("current")
    bare.give_customer_the_key()
    return bare


def test_what_waited_for_a_key_arrives_in_order_and_once(bare: Two) -> None:
    statuses = [bare.run().status for _ in range(3)]
    assert statuses == ["succeeded", "unchanged", "unchanged"]
    assert (len(bare.waiting()), bare.asked()) == (3, 0)
    bare.publisher_holds("pending")
    bare.give_customer_the_key()
    made = bare.run()
    assert (made.exit_code, "VD-CALLBACK" in made.text, bare.waiting()) == (0, False, [])
    kept = bare.kept()
    assert [report["status"] for report in kept] == ["succeeded", *["unchanged"] * 3]
    assert [report["at"] for report in kept] == sorted(report["at"] for report in kept)
    assert {(report["kind"], report["correlation_id"], report["step"]) for report in kept} == {
        ("deployment", DEPLOYMENT, "sample")
    }
    assert bare.asked() == 4


@pytest.mark.parametrize(("action", "fields"), [("status", {"status": 500}), ("throttle", {"seconds": 60})])
def test_a_publisher_that_is_down_gets_it_from_the_next_run(two: Two, action: str, fields: dict[str, Any]) -> None:
    two.lab.fault(action, times=0, match=API, **fields)
    made = two.run()
    assert (made.exit_code, "WARNING: VD-CALLBACK-020" in made.text, len(two.waiting())) == (0, True, 1)
    two.lab.clear_faults()
    assert two.run(correlation_id="").exit_code == 0
    assert (len(two.kept()), two.waiting()) == (1, [])


def test_a_lost_answer_leaves_exactly_one(two: Two) -> None:
    two.lab.fault("reset_after", match=API)
    made = two.run()
    assert ("VD-CALLBACK" in made.text, two.asked(), len(two.kept()), two.waiting()) == (False, 2, 1, [])


def test_every_answer_lost_and_a_job_killed_before_it_could_delete_leave_exactly_one(two: Two) -> None:
    two.lab.fault("reset_after", times=0, match=API)
    assert "WARNING: VD-CALLBACK-020" in two.run().text
    assert (len(two.kept()), len(two.waiting())) == (1, 1)
    two.lab.clear_faults()
    two.lab.fault("status", status=500, times=0, match={"service": "blob", "method": "DELETE"})
    two.run(correlation_id="")
    assert (len(two.kept()), len(two.waiting())) == (1, 1)
    two.lab.clear_faults()
    two.run(correlation_id="")
    assert (len(two.kept()), two.waiting()) == (1, [])


def test_runs_at_once_and_a_publisher_of_several_processes_keep_each_once(two: Two) -> None:
    two.lab.control("POST", "/publisher-api", {"processes": 2})
    two.lab.fault("status", status=401, times=0, match=API)
    for _ in range(3):
        two.run()
    two.lab.clear_faults()
    waiting = [name.split("-deployment-")[1][:36] for name in two.waiting()]
    made: list[Run] = []
    runs = [threading.Thread(target=lambda: made.append(two.run())) for _ in range(2)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert [each.exit_code for each in made] == [0, 0]
    assert [report["id"] for report in two.kept()][:3] == waiting
    assert (len(two.kept()), two.waiting()) == (5, [])


def test_a_clock_that_is_off_is_reported_with_both_times(two: Two) -> None:
    made = two.run(clock=SkewedClock(3600))
    (warning,) = [line for line in made.text.splitlines() if line.startswith("WARNING: VD-CALLBACK-021")]
    assert warning.count("Z") == 2 and warning.endswith(" s ahead"), warning
    assert (made.exit_code, two.asked(), len(two.waiting())) == (0, 1, 1)
    two.run(correlation_id="")
    assert (len(two.kept()), two.waiting()) == (1, [])


def test_a_key_that_is_good_no_longer_is_reported_by_its_name(bare: Two) -> None:
    bare.publisher_holds("revoked")
    bare.give_customer_the_key()
    made = bare.run()
    assert "WARNING: VD-CALLBACK-022: the publisher refuses the signature" in made.text
    assert f"key {bare.key.key_id}, POST /v1/instances/{bare.instance}/deployment" in made.text
    assert (made.exit_code, len(bare.waiting())) == (0, 1)


def test_a_proxy_that_rewrites_the_path_is_reported_as_what_to_check(two: Two) -> None:
    session = new_session()
    session.mount("https://", RewritingProxy())
    client = CallbackClient(
        publisher_api=two.side.settings.publisher_api,
        session=session,
        retry_policy=NetworkRetryPolicy,
        clock=SYSTEM_CLOCK,
    )
    with session, pytest.raises(RunbookError) as caught:
        client.ping(two.instance, two.key, report_id=str(uuid4()))
    assert caught.value.code == "VD-CALLBACK-022"
    assert "proxy" in caught.value.cause
    assert two.asked() == 1
