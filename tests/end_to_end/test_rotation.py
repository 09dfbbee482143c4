"""Rotations whose phases run as jobs of built files. Each side may be killed, and no key is left anywhere.

A job is killed at the most important request of its phase: its write in the customer's vault, or its ping. Or the
answer to this request is lost. `make soak` does both at every request of a job, and kills the command after every one
of its writes. tests/wire/rotation has similar tests whose phases run in the command's process. `make soak` runs them at
every request, too.
"""

import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.data.tables import TableServiceClient

from runbook_lib.request_signing.signer import SigningKey
from tests.end_to_end.deployed import ROOT, WAIT_SECONDS, Deployed
from tests.end_to_end.leavings import everything, identity, job_ids, now
from tests.support import running_lab
from tests.support.publisher_side import PublisherSide, publisher_side
from tests.support.rotation_process import rotate
from tests.support.signing_clients import Load, key_in_use, ping, signing
from vibedata.progress_view.writer import view_of_lines
from vibedata.rotation.command import jobs_of
from vibedata.session import open_session

# How long a retired key is still accepted, and how long a client keeps it.
GRACE_SECONDS = 2.0
CACHES = (0.0, 0.5)
# The most important request of each phase.
WORK: tuple[dict[str, str], ...] = (
    {"service": "key_vault", "method": "PUT", "path": "/secrets/hmac-key-pending"},
    {"service": "publisher_api", "method": "POST", "path": "/ping"},
    {"service": "key_vault", "method": "PUT", "path": r"/secrets/hmac-key\?"},
    {"service": "key_vault", "method": "PATCH", "path": "/secrets/hmac-key/"},
)
SOAK_SECONDS = 7200
# All requests except the further pages of a listing. A secret's versions stay, so every 25 rotations add a page, and a
# count of all requests would never end.
ANY_REQUEST = r"^(?!.*skiptoken)"


class Rotations:
    """The common parts of these tests: one deployed release, and every key that was ever in use."""

    def __init__(self, deployed: Deployed, side: PublisherSide) -> None:
        self.deployed = deployed
        self.side = side
        self.keys: list[SigningKey] = []
        self.said: dict[str, str] = {}
        self.before = now(deployed)

    def command(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run `vibedata` and return its JSON. Its output is kept."""
        done = self.deployed.vibedata(*arguments, "--output", "json")
        self.said[f"{len(self.said)}: {' '.join(arguments)}"] = done.stdout + done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def drive(self, **request: Any) -> bool:
        """Drive a rotation with jobs as the command does, but without the grace time. Return whether it is over."""
        rotating = self.side.hmac_rotation(grace_seconds=GRACE_SECONDS, **request)
        outcome = self.side.drive(rotating)
        self.said[f"{len(self.said)}: driven"] = "\n".join(self.side.said)
        return outcome.failed is None

    def troubled(self, action: str, *matches: Mapping[str, object]) -> Sequence[int]:
        """Drive a rotation whose jobs meet a fault at each of `matches`. Drive it again until it is over.

        Returns how often each fault was applied.
        """
        for match in matches:
            self.deployed.lab.fault(action, match={**match, "jobs": True})
        over = self.drive()
        open_one = self.side.hmac_rotation().newest
        faults = self.deployed.lab.control("GET", "/faults")["faults"]
        self.deployed.lab.control("DELETE", "/faults")
        assert not (over and action == "kill_job" and faults[0]["applied"]), "a job that was killed has succeeded"
        if not over:
            assert self.drive(), self.side.said[-5:]
            again = self.side.hmac_rotation().newest
            assert open_one and again and open_one.rotation_id == again.rotation_id
        self.agree()
        return [fault["applied"] for fault in faults]

    def agree(self) -> SigningKey:
        """Check that both sides have the same single key, and that every former key is refused."""
        key = key_in_use(self.deployed.lab)
        instance_id = self.side.settings.instance_id
        states = {record.key_id: record.state for record in self.side.keys.of_instance(instance_id)}
        assert [key_id for key_id, state in states.items() if state not in ("retired", "revoked")] == [key.key_id]
        with requests.Session() as session:
            for former in self.keys:
                if former != key:
                    assert ping(self.deployed.lab, session, instance_id, former) == 401
            assert ping(self.deployed.lab, session, instance_id, key) == 200
        self.keys.append(key)
        return key


@pytest.fixture(scope="module")
def rotations(deployed: Deployed) -> Iterator[Rotations]:
    release = deployed.release()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployed.lab.env.items():
            patch.setenv(name, value)
        with publisher_side(deployed.lab) as side:
            session = open_session(deployed.lab.env)
            made = Rotations(deployed, side.by(jobs_of(session, view_of_lines(side.said.append))))
            assert made.command("deploy", str(release.folder))["status"] == "succeeded"
            made.agree()  # on the key that the deployment has brought
            yield made


@pytest.fixture
def load(rotations: Rotations) -> Iterator[Load]:
    """Clients that sign all the time. None of their requests may be refused."""
    with signing(rotations.deployed.lab, caches=CACHES, grace_seconds=GRACE_SECONDS) as made:
        yield made
    assert made.refused == [] and sum(made.statuses.values()) > 10


@pytest.mark.timeout(1200)  # two dozen jobs
def test_a_job_that_is_killed_is_taken_up_by_the_next_run(rotations: Rotations, load: Load) -> None:
    for match in WORK:
        assert rotations.troubled("kill_job", match) == [1]
    assert load.refused == []


def test_jobs_get_over_lost_answers(rotations: Rotations, load: Load) -> None:
    assert rotations.troubled("reset_after", *WORK) == [1] * len(WORK)
    assert load.refused == []


def test_a_command_that_is_killed_is_taken_up_by_the_next_run(rotations: Rotations, load: Load) -> None:
    for phase, jobs in (("stage", 2), ("promote", 4)):
        before = len(job_ids(rotations.deployed))
        command = [sys.executable, "-m", "vibedata.cli", "rotate-hmac", "--output", "json"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=running_lab.environment(rotations.deployed.lab), stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if f"rotate_hmac: phase {phase}: starting a job" in line:
                break
        else:
            pytest.fail(f"it ended before the phase {phase}: {''.join(said)}")
        deadline = time.monotonic() + WAIT_SECONDS
        while len(job_ids(rotations.deployed)) < before + jobs:
            assert time.monotonic() < deadline
            time.sleep(0.02)  # the job continues without the command
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        rotations.said[f"killed at {phase}"] = "".join(said)
        assert rotations.drive(), rotations.side.said[-5:]
        rotations.agree()
    assert load.refused == []


def test_without_wait_the_former_key_stays_until_the_command_is_run_again(rotations: Rotations, load: Load) -> None:
    waiting = rotations.command("rotate-hmac")
    assert waiting["status"] == "waiting" and waiting["next"] > "2026"
    former = rotations.keys[-1]
    with requests.Session() as session:
        assert ping(rotations.deployed.lab, session, rotations.side.settings.instance_id, former) == 200
    assert rotations.command("rotate-hmac", "--plan")["changes"][0]["action"] == "retire"
    assert rotations.drive(overlap_seconds=0)
    assert rotations.agree().key_id == waiting["credential_id"]
    assert load.refused == []


def test_in_an_emergency_the_stolen_key_is_refused_first(rotations: Rotations) -> None:
    done = rotations.command("rotate-hmac", "--emergency", "--yes")
    assert (done["status"], done["changes"][0]["action"]) == ("succeeded", "revoke")
    assert rotations.agree().key_id == done["credential_id"]
    states = {record.state for record in rotations.side.keys.of_instance(rotations.side.settings.instance_id)}
    assert states == {"current", "retired", "revoked"}


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS)
@pytest.mark.parametrize("action", ["kill_job", "reset_after"])
def test_a_job_gets_over_trouble_at_any_request(rotations: Rotations, load: Load, action: str) -> None:
    for nth in count(1):
        if rotations.troubled(action, {"path": ANY_REQUEST, "nth": nth}) == [0]:
            break
    assert load.refused == [] and nth > 50


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS)
def test_a_command_that_is_killed_after_any_write_is_taken_up(rotations: Rotations, load: Load, tmp_path: Path) -> None:
    lab = rotations.deployed.lab
    for at in count(1):
        killed = rotate(lab, tmp_path, trouble="kill", kind="writes", at=(at,), jobs=True)
        if killed.exit_code == 0:
            break
        assert rotations.drive(), rotations.side.said[-5:]
        rotations.agree()
    assert load.refused == [] and at > 10


def test_no_key_is_in_anything_that_rotations_leave(rotations: Rotations) -> None:
    """This test is the last one in the file, because the other tests leave more to search."""
    deployed = rotations.deployed
    assert rotations.command("rotate-acr-token", "--overlap-seconds", "0")["status"] == "succeeded"
    password = json.loads(str(rotations.side.customer.secrets.get_secret("publisher-acr-token").value))["password"]
    by_name = {key.key_id: list(forms_of(key.key)) for key in rotations.keys}
    by_name["password"] = list(forms_of(password.encode()))
    sought = {form for forms in by_name.values() for form in forms}
    with (
        identity(deployed) as credential,
        TableServiceClient(deployed.lab.env["VIBEDATA_PUBLISHER_TABLE_ENDPOINT"], credential=credential) as tables,
    ):
        publishers = [
            (table.name, repr(list(tables.get_table_client(table.name).list_entities())).encode())
            for table in tables.list_tables()
        ]
    assert {name for name, _ in publishers} >= {"HmacKeys", "HmacRotations", "AcrTokens", "InstanceReports"}
    searched: list[str] = []
    said = [(name, text.encode()) for name, text in rotations.said.items()]
    for where, content in (*everything(deployed, rotations.before.jobs), *publishers, *said):
        searched.append(where)
        assert not any(form in content for form in sought), f"{where} holds a key"
    assert len(searched) > 30 and len(rotations.keys) > 5
    assert any("callback API" in where for where in searched)
    # No key was sent to any service except the vaults. The password was sent only to the services that need it.
    hits, requests_searched = deployed.lab.requests_with(by_name, since=rotations.before.request)
    assert {(hit["name"], hit["service"]) for hit in hits} == {("password", "publisher_registry")}
    assert requests_searched > 1000
    # The search would find a key.
    key = rotations.keys[0]
    requests.post(deployed.lab.env["VIBEDATA_PUBLISHER_API"], data=b"key: " + base64.b64encode(key.key), timeout=30)
    hits, _ = deployed.lab.requests_with({key.key_id: by_name[key.key_id]}, since=rotations.before.request)
    assert [(hit["name"], hit["service"], hit["method"]) for hit in hits] == [(key.key_id, "publisher_api", "POST")]


def forms_of(secret: bytes) -> Iterator[bytes]:
    """Yield the forms in which a secret's bytes may occur."""
    yield secret
    yield repr(secret)[2:-1].encode()
    yield json.dumps(secret.decode("latin-1"))[1:-1].encode()
    yield str(list(secret)).encode()
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for skipped in range(3):
        whole = secret[skipped : skipped + (len(secret) - skipped) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)
        # Encoded a second time, as in Basic credentials or in a JSON Web Token.
        for text in (base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")):
            again = text[skipped : skipped + (len(text) - skipped) // 3 * 3]
            yield base64.b64encode(again)
