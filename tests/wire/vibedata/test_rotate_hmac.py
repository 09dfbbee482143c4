"""`vibedata rotate-hmac` over the wire, beyond the load test: emergencies, lost keys, two operators."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from publisher.rotation.hmac_key import PROMOTE, KeyChange
from publisher.rotation.hmac_key import Facts as KeyFacts
from publisher.rotation.plan import Step
from publisher.rotation.run import RotationRun
from runbook_lib.change import Action
from runbook_lib.errors import RunbookError
from runbook_lib.request_signing.signer import SigningKey
from tests.support.publisher_side import Interrupted, PublisherSide, publisher_side
from tests.support.running_lab import LabUnderTest
from tests.support.signing_clients import key_in_use, ping
from vibedata.rotation.command import result_json


@pytest.fixture
def side(lab: LabUnderTest) -> Iterator[PublisherSide]:
    with publisher_side(lab) as opened:
        opened.succeed(opened.hmac_rotation())
        yield opened


def accepted(side: PublisherSide, key: SigningKey) -> bool:
    with requests.Session() as session:
        status = ping(side.lab, session, side.settings.instance_id, key)
    assert status in (200, 401)
    return status == 200


def states(side: PublisherSide) -> list[str]:
    return sorted(record.state for record in side.keys.of_instance(side.settings.instance_id))


def test_in_an_emergency_every_key_is_refused_before_there_is_a_new_one(side: PublisherSide) -> None:
    stolen = key_in_use(side.lab)
    side.drive(side.hmac_rotation(overlap_seconds=600), wait=False)
    also_stolen = key_in_use(side.lab)
    assert accepted(side, stolen) and accepted(side, also_stolen)
    killed = side.drive(Interrupted(side.hmac_rotation(emergency=True), at=4, made=False))
    assert killed.failed is not None
    assert not accepted(side, stolen) and not accepted(side, also_stolen)
    side.succeed(side.hmac_rotation(emergency=True))
    new = key_in_use(side.lab)
    assert accepted(side, new) and new.key_id not in (stolen.key_id, also_stolen.key_id)
    assert states(side) == ["current", "revoked", "revoked"]
    for key in (stolen, also_stolen):
        assert not side.custody.enabled(side.settings.instance_id, key.key_id)
    # The next rotation has nothing to repair.
    side.succeed(side.hmac_rotation())
    assert states(side) == ["current", "retired", "revoked", "revoked"]


def test_an_emergency_may_end_anywhere(side: PublisherSide) -> None:
    changes = len(side.succeed(side.hmac_rotation(emergency=True)).results)
    for at in range(1, changes + 1, 2):
        stolen = key_in_use(side.lab)
        side.drive(Interrupted(side.hmac_rotation(emergency=True), at=at, made=True))
        assert not accepted(side, stolen)
        side.succeed(side.hmac_rotation(emergency=True))
        assert not accepted(side, stolen) and accepted(side, key_in_use(side.lab))


def test_two_operators_at_once_drive_the_same_rotation(side: PublisherSide) -> None:
    ways = [side.hmac_rotation(overlap_seconds=600) for _ in range(2)]
    for way in ways:
        way.observe()  # both see that no rotation is open
    outcomes = {}

    def drive(number: int) -> None:
        outcomes[number] = side.drive(ways[number], wait=False)

    threads = [threading.Thread(target=drive, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if any(outcome.failed for outcome in outcomes.values()):  # two jobs may disturb each other, so try again
        side.drive(side.hmac_rotation(overlap_seconds=600), wait=False)
    assert {way.observe().newest.number for way in ways} == {2}  # type: ignore[union-attr]
    side.succeed(side.hmac_rotation())
    assert accepted(side, key_in_use(side.lab))
    assert states(side) == ["current", "retired"]
    enabled = [
        each.name
        for each in side.clients.secrets.list_properties_of_secrets()
        if each.enabled and str(each.name).startswith("hmac-")
    ]
    assert len(enabled) == 1, "the key of who came second is disabled"


def test_a_key_that_somebody_disabled_stops_the_rotation_and_superseding_it_helps(side: PublisherSide) -> None:
    before = key_in_use(side.lab)
    rotating = side.hmac_rotation()
    side.drive(Interrupted(rotating, at=4, made=False))  # kept, begun, accepted
    newest = rotating.observe().newest
    assert newest is not None
    side.custody.disable(side.settings.instance_id, newest.credential_id)
    stopped = side.drive(side.hmac_rotation())
    assert stopped.failed is not None and stopped.failed.error is not None
    assert stopped.failed.error.code == "VD-ROTATION-032" and accepted(side, before)
    assert result_json(side.hmac_rotation().newest, stopped)["rotation_id"] == newest.rotation_id
    side.succeed(side.hmac_rotation(supersede=newest.rotation_id))
    assert accepted(side, key_in_use(side.lab)) and not accepted(side, before)
    assert states(side) == ["current", "retired", "retired"]


def test_what_was_given_up_twice_is_superseded_at_the_customers_too(side: PublisherSide) -> None:
    side.drive(Interrupted(side.hmac_rotation(), at=6, made=False))  # staged at the customer's
    first = side.open_one(side.hmac_rotation())
    side.drive(Interrupted(side.hmac_rotation(supersede=first), at=3, made=False))  # begun, nothing staged
    second = side.open_one(side.hmac_rotation())
    side.succeed(side.hmac_rotation(supersede=second))
    assert accepted(side, key_in_use(side.lab))
    assert states(side)[0] == "current" and set(states(side)[1:]) == {"retired"}


def test_the_same_command_again_finishes_what_superseded(side: PublisherSide) -> None:
    side.drive(Interrupted(side.hmac_rotation(), at=6, made=False))
    first = side.open_one(side.hmac_rotation())
    side.drive(Interrupted(side.hmac_rotation(supersede=first), at=4, made=True))
    second = side.open_one(side.hmac_rotation())
    assert second != first
    ended = side.hmac_rotation(supersede=first)
    side.succeed(ended)
    assert ended.newest is not None and ended.newest.rotation_id == second
    for over in (first, second, "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(RunbookError) as refused:
            side.hmac_rotation(supersede=over).next_step()
        assert (refused.value.code, refused.value.target) == ("VD-ROTATION-036", over)


def test_a_run_that_begins_none_names_none(side: PublisherSide) -> None:
    side.lab.fault("status", times=0, status=403, match={"service": "table", "path": "HmacRotations", "method": "POST"})
    rotating = side.hmac_rotation()
    outcome = side.drive(rotating)
    assert outcome.failed is not None and outcome.failed.change.action == "begin"
    assert rotating.newest is not None and not rotating.newest.open
    result = result_json(rotating.newest, outcome)
    assert (result["rotation_id"], result["credential_id"], result["status"]) == (None, None, "failed")
    # Without the object that a change has for its action
    told = {"stage", "action", "target", "before", "after", "outcome"}
    assert {frozenset(change) for change in result["changes"]} == {frozenset(told)}


def test_a_newer_rotation_is_noticed(side: PublisherSide) -> None:
    first = side.hmac_rotation()
    side.drive(Interrupted(first, at=3, made=False))
    side.succeed(side.hmac_rotation(supersede=side.open_one(first)))
    with pytest.raises(RunbookError) as failed:
        first.next_step()
    assert failed.value.code == "VD-ROTATION-034"


class Met:
    """A run during which something happens right before it changes a key's record for the first time."""

    def __init__(self, rotating: RotationRun[KeyFacts], met: Callable[[], object]) -> None:
        self._rotating = rotating
        self._met: Callable[[], object] | None = met

    def next_step(self) -> Step:
        return self._rotating.next_step()

    def actions(self) -> list[Action[Any]]:
        actions = self._rotating.actions()
        return [replace(each, make=self._promote) if each.kind == PROMOTE else each for each in actions]

    def _promote(self, change: KeyChange) -> None:
        if self._met:
            self._met()
            self._met = None
        next(each for each in self._rotating.actions() if each.kind == PROMOTE).make(change)


def test_a_key_that_an_emergency_revoked_stays_refused(side: PublisherSide) -> None:
    """This holds even if an earlier run goes on, and even if the emergency's own run was killed."""
    before = key_in_use(side.lab)

    def emergency() -> None:
        revoked = side.drive(Interrupted(side.hmac_rotation(emergency=True), at=3, made=False))
        assert [result.change.action for result in revoked.results[:2]] == ["revoke", "revoke"]

    outcome = side.drive(Met(side.hmac_rotation(), emergency))
    assert outcome.failed is not None and outcome.failed.error is not None
    assert outcome.failed.error.code == "VD-ROTATION-034"
    after = key_in_use(side.lab)
    assert after.key_id != before.key_id
    assert (accepted(side, before), accepted(side, after)) == (False, False)
    side.succeed(side.hmac_rotation(emergency=True))
    assert accepted(side, key_in_use(side.lab)) and states(side) == ["current", "revoked", "revoked"]
    for key in (before, after):
        assert not side.custody.enabled(side.settings.instance_id, key.key_id)


def test_an_emergency_within_an_emergency_refuses_what_that_was_bringing(side: PublisherSide) -> None:
    side.drive(Interrupted(side.hmac_rotation(emergency=True), at=8, made=True))
    first = side.open_one(side.hmac_rotation())
    stolen = key_in_use(side.lab)
    side.succeed(side.hmac_rotation(emergency=True, supersede=first))
    assert key_in_use(side.lab).key_id != stolen.key_id
    assert (accepted(side, stolen), accepted(side, key_in_use(side.lab))) == (False, True)
    assert states(side) == ["current", "revoked", "revoked"]
    for record in side.keys.of_instance(side.settings.instance_id):
        assert side.custody.enabled(side.settings.instance_id, record.key_id) == (record.state == "current")


def test_an_emergency_that_is_given_up_leaves_no_stolen_key_in_the_vault(side: PublisherSide) -> None:
    stolen = key_in_use(side.lab)
    side.drive(Interrupted(side.hmac_rotation(emergency=True), at=8, made=True))
    assert side.custody.enabled(side.settings.instance_id, stolen.key_id)
    side.succeed(side.hmac_rotation(supersede=side.open_one(side.hmac_rotation())))
    assert not side.custody.enabled(side.settings.instance_id, stolen.key_id)
