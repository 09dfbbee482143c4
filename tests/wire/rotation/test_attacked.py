"""Somebody who may start the customer's jobs stages credentials under any id. The publisher's rotation still succeeds.

tests/pure/rotation/test_attacked.py tries all orders of the moves. This uses the real runbooks and a vault.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from publisher.custody.wrapping import wrap
from runbook_lib.errors import RunbookError
from runbook_lib.vault.hmac_key import SECRET as KEY
from runbook_lib.vault.publisher_token import SECRET as TOKEN
from tests.support.publisher_side import PublisherSide, publisher_side
from tests.support.running_lab import LabUnderTest

KINDS = ("rotate_hmac", "rotate_acr_token")
SECRETS = {"rotate_hmac": KEY, "rotate_acr_token": TOKEN}


@pytest.fixture
def side(lab: LabUnderTest) -> Iterator[PublisherSide]:
    with publisher_side(lab) as opened:
        yield opened


def credential(runbook: str) -> bytes:
    if runbook == "rotate_hmac":
        return os.urandom(32)
    return json.dumps({"username": "x", "password": "whatever-1234"}).encode()


def stage(
    side: PublisherSide, runbook: str, rotation_id: str, credential_id: str, *, supersedes: str = ""
) -> Mapping[str, Any]:
    """Stage a credential like anybody who may start jobs. The wrapping key is in the jobs' output."""
    report = side.run_runbook(runbook, {"phase": "prepare"})["report"]
    return side.run_runbook(
        runbook,
        {
            "phase": "stage",
            "rotation_id": rotation_id,
            "supersedes": supersedes,
            "key_id" if runbook == "rotate_hmac" else "credential_id": credential_id,
            "wrapped_key": wrap(credential(runbook), "".join(report["wrapping_key"])),
            "wrapping_key_version": report["wrapping_key_version"],
        },
    )


def rotation(side: PublisherSide, runbook: str, **request: Any) -> Any:
    return side.hmac_rotation(**request) if runbook == "rotate_hmac" else side.token_rotation(**request)


def in_use(side: PublisherSide, runbook: str) -> str:
    return str((side.customer.secrets.get_secret(SECRETS[runbook]).properties.tags or {}).get("rotationId"))


@pytest.mark.parametrize("emergency", [False, True])
@pytest.mark.parametrize("runbook", KINDS)
def test_a_credential_that_somebody_staged_before_stops_no_rotation(
    side: PublisherSide, runbook: str, emergency: bool
) -> None:
    # One name is that of the secret itself, because the secret's own row in table Credentials has this name.
    names = ["hmac-" + "a" * 16] if runbook == "rotate_hmac" else ["password1-evil", TOKEN]
    before = ""
    for name in names:
        mine = str(uuid.uuid4())
        assert stage(side, runbook, mine, name, supersedes=before)["error"] is None
        before = mine
    # This id is not the publisher's, so there is nothing to give up. The remedy is the command without the option.
    with pytest.raises(RunbookError) as refused:
        rotation(side, runbook, emergency=emergency, supersede=before).next_step()
    assert refused.value.code == "VD-ROTATION-036" and "without --supersede" in refused.value.remedy
    turn = rotation(side, runbook, emergency=emergency)
    side.succeed(turn)
    assert in_use(side, runbook) == turn.newest.rotation_id
    again = rotation(side, runbook)
    side.succeed(again)
    assert in_use(side, runbook) == again.newest.rotation_id != turn.newest.rotation_id


@pytest.mark.parametrize("runbook", KINDS)
def test_an_attacker_who_acts_before_each_job_stops_no_rotation(side: PublisherSide, runbook: str) -> None:
    """Before each phase the attacker stages another credential under the publisher's ids, stages the publisher's bytes
    under another id, and runs every possible phase.
    """
    moves = []

    def jobs(name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        attacker = PublisherSide(**{**{f: getattr(side, f) for f in side.__dataclass_fields__}, "jobs": None})
        if given["phase"] != "prepare":
            id_name = "key_id" if name == "rotate_hmac" else "credential_id"
            moves.append(stage(attacker, name, given["rotation_id"], given[id_name]))
            if given["phase"] == "stage":
                moves.append(attacker.run_runbook(name, {**given, "rotation_id": str(uuid.uuid4()), "delivery": ""}))
            for phase in ("test", "promote"):
                moves.append(attacker.run_runbook(name, {"phase": phase, "rotation_id": given["rotation_id"]}))
        return attacker.run_runbook(name, given)

    turn = rotation(side.by(jobs), runbook)
    side.succeed(turn)
    assert len(moves) == 10  # they promoted the right credential, and the publisher finds it done
    assert in_use(side, runbook) == turn.newest.rotation_id
    side.succeed(rotation(side, runbook))


def test_a_key_that_was_broken_by_hand_in_the_overlap_is_replaced_by_superseding(side: PublisherSide) -> None:
    side.succeed(side.hmac_rotation())
    first = side.hmac_rotation(overlap_seconds=3600)
    waiting = side.drive(first, wait=False)
    assert waiting.failed is None and waiting.resume_at is not None
    side.customer.secrets.set_secret(KEY, "no key")
    assert side.drive(side.hmac_rotation(overlap_seconds=3600), wait=False).resume_at is not None
    side.succeed(side.hmac_rotation(supersede=side.open_one(side.hmac_rotation())))
    assert in_use(side, "rotate_hmac") not in ("", "None", first.facts.driven)


def test_a_rotation_that_something_else_overtook_is_followed_by_another(side: PublisherSide) -> None:
    """The same command first says so, and then begins another rotation. It needs no option."""
    side.succeed(side.hmac_rotation())
    first = side.hmac_rotation(overlap_seconds=3600)
    side.drive(first, wait=False)
    # A vault gives the time of a version in whole seconds. This version must be newer.
    time.sleep(1.1)
    side.customer.secrets.set_secret(KEY, "no key")
    over = side.drive(side.hmac_rotation())
    assert over.failed is not None and over.failed.error is not None and over.failed.error.retryable
    assert "VD-ROTATION-003" in over.failed.error.message
    following = side.hmac_rotation()
    side.succeed(following)
    assert in_use(side, "rotate_hmac") == following.facts.newest.rotation_id  # type: ignore[union-attr]


def test_a_staged_credential_that_was_disabled_is_sent_again(side: PublisherSide) -> None:
    def disabling(name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        if given["phase"] == "test":
            side.customer.secrets.update_secret_properties(f"{KEY}-pending", enabled=False)
        return side.run_runbook(name, given)

    stopped = side.drive(side.by(disabling).hmac_rotation())
    assert stopped.failed is not None and "VD-ROTATION-001" in str(stopped.failed.error)
    newest = side.hmac_rotation().newest
    side.succeed(side.hmac_rotation())
    assert newest is not None and in_use(side, "rotate_hmac") == newest.rotation_id
