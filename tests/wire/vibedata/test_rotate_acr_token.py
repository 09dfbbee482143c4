"""`vibedata rotate-acr-token` over the wire: the token that the customer uses works at every moment."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import requests

from runbook_lib.errors import RunbookError
from runbook_lib.rotation.versions import WRAPPING_KEY
from tests.support.publisher_side import Interrupted, Killed, PublisherSide, publisher_side
from tests.support.release_maker import container_registry, document, push_release_manifest
from tests.support.running_lab import LabUnderTest

SECRET = "publisher-acr-token"


@pytest.fixture
def side(lab: LabUnderTest) -> Iterator[PublisherSide]:
    push_release_manifest(container_registry(lab, "publisher"), json.dumps(document()).encode())
    with publisher_side(lab) as opened:
        yield opened


def secret(side: PublisherSide) -> tuple[str, str]:
    """Return the token that the customer's vault holds now."""
    stored = json.loads(str(side.customer.secrets.get_secret(SECRET).value))
    return stored["username"], stored["password"]


def works(side: PublisherSide, token: tuple[str, str]) -> bool:
    """Return whether the publisher's container registry takes a token."""
    host = side.lab.env["VIBEDATA_PUBLISHER_REGISTRY"]
    answer = requests.get(f"https://{host}/v2/vibedata/release-manifest/manifests/latest", auth=token, timeout=60)
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def test_passwords_take_turns(side: PublisherSide) -> None:
    slots, tokens = [], [secret(side)]
    for _ in range(3):
        rotating = side.token_rotation()
        planned = [(change.action, change.after) for change in rotating.preview().changes]
        made = side.succeed(rotating)
        assert planned == [(result.change.action, result.change.after) for result in made.results]
        newest = rotating.newest
        assert newest is not None and not newest.open and newest.customer == "retired"
        slots.append(newest.slot)
        tokens.append(secret(side))
        assert [works(side, token) for token in tokens] == [False] * (len(tokens) - 1) + [True]
    assert slots == ["password2", "password1", "password2"]
    assert not any(password in line for line in side.said for _, password in tokens)


def test_the_former_works_until_the_overlap_is_over(side: PublisherSide) -> None:
    before = secret(side)
    outcome = side.drive(side.token_rotation(overlap_seconds=600), wait=False)
    assert outcome.failed is None and outcome.resume_at is not None
    assert (works(side, before), works(side, secret(side))) == (True, True) and secret(side) != before
    rotating = side.token_rotation(overlap_seconds=0)
    side.succeed(rotating)
    assert rotating.newest is not None and rotating.newest.number == 1
    assert (works(side, before), works(side, secret(side))) == (False, True)


def test_a_run_that_is_killed_is_finished_by_the_next(side: PublisherSide) -> None:
    changes = len(side.succeed(side.token_rotation()).results)
    for at in range(1, changes + 1):
        killed = side.drive(Interrupted(side.token_rotation(), at=at, made=True))
        assert killed.failed is not None, at
        assert works(side, secret(side)), f"killed at change {at}"
        rotating = side.token_rotation()
        if rotating.newest is not None and rotating.newest.open:
            assert rotating.preview().changes[0].action != "begin"
        side.succeed(rotating)
        assert works(side, secret(side)), f"finished after {at}"
        assert len(side.token_rotation().facts.passwords) == 1


def test_a_job_of_a_killed_run_that_delivers_late_delivers_what_works(side: PublisherSide) -> None:
    before, late = secret(side), list[Mapping[str, Any]]()

    def killed(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters["phase"] != "stage":
            return side.run_runbook(name, parameters)
        late.append(parameters)  # the job has started, and nobody waits for it any more
        raise Killed

    def meanwhile(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters["phase"] == "stage":
            side.run_runbook(name, late[0])
        return side.run_runbook(name, parameters)

    first = side.by(killed).token_rotation()
    assert side.drive(first).failed is not None
    begun = first.observe().newest
    assert begun is not None and begun.customer == "prepared" and works(side, before)
    assert begun.wrapped == late[0]["wrapped_key"] and begun.wrapped not in repr(begun)
    rotating = side.by(meanwhile).token_rotation()
    side.succeed(rotating)
    ended = rotating.newest
    assert ended is not None and ended.rotation_id == begun.rotation_id and not ended.wrapped
    assert (works(side, before), works(side, secret(side))) == (False, True)


def test_a_password_for_a_wrapping_key_that_is_gone_is_made_again(side: PublisherSide) -> None:
    def killed(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters["phase"] == "stage":
            raise Killed
        return side.run_runbook(name, parameters)

    side.drive(side.by(killed).token_rotation())
    side.customer.keys.update_key_properties(WRAPPING_KEY, enabled=False)
    rotating = side.token_rotation()
    side.succeed(rotating)
    assert rotating.newest is not None and rotating.newest.number == 1
    assert works(side, secret(side))


def test_a_lost_answer_costs_nothing(side: PublisherSide) -> None:
    side.succeed(side.token_rotation())
    side.lab.fault("reset_after", match={"service": "arm", "path": "generateCredentials"})
    side.lab.fault("reset_after", match={"service": "table", "path": "AcrTokens"})
    before = secret(side)
    side.succeed(side.token_rotation())
    assert (works(side, before), works(side, secret(side))) == (False, True)


def test_in_an_emergency_the_stolen_token_ends_first(side: PublisherSide) -> None:
    stolen = secret(side)
    side.drive(side.token_rotation(overlap_seconds=600), wait=False)
    also_stolen = secret(side)
    actions = [change.action for change in side.token_rotation(emergency=True).preview().changes]
    assert actions[:3] == ["remove", "remove", "begin"]
    killed = side.drive(Interrupted(side.token_rotation(emergency=True), at=4, made=False))
    assert killed.failed is not None
    assert not works(side, stolen) and not works(side, also_stolen)
    side.succeed(side.token_rotation(emergency=True))
    assert works(side, secret(side)) and secret(side) not in (stolen, also_stolen)
    assert len(side.token_rotation().facts.passwords) == 1


def test_a_rotation_that_cannot_be_finished_is_superseded(side: PublisherSide) -> None:
    before = secret(side)
    stuck = side.token_rotation()
    side.drive(Interrupted(stuck, at=4, made=False))  # delivered, not tested
    side.customer.secrets.update_secret_properties(f"{SECRET}-pending", enabled=False)
    resumed = side.drive(side.token_rotation())
    assert resumed.failed is not None and resumed.failed.error is not None
    assert resumed.failed.change.action == "test" and resumed.failed.error.code == "VD-ROTATION-031"
    assert "VD-ROTATION-001" in resumed.failed.error.message and "was disabled" in resumed.failed.error.message
    assert secret(side) == before and works(side, before)
    side.drive(Interrupted(side.token_rotation(supersede=side.open_one(stuck)), at=2, made=False))
    side.succeed(side.token_rotation(supersede=side.open_one(side.token_rotation())))
    assert works(side, secret(side))


def test_another_rotation_in_between_is_noticed(side: PublisherSide) -> None:
    first = side.token_rotation()
    side.drive(Interrupted(first, at=2, made=False))
    side.succeed(side.token_rotation(supersede=side.open_one(first)))
    with pytest.raises(RunbookError) as failed:
        first.next_step()
    assert failed.value.code == "VD-ROTATION-034"


def test_a_phase_that_fails_is_reported(side: PublisherSide) -> None:
    before = secret(side)
    side.lab.fault("status", times=0, status=403, match={"service": "key_vault", "method": "PUT"})
    outcome = side.drive(side.token_rotation())
    assert outcome.failed is not None and outcome.failed.error is not None
    assert outcome.failed.error.code == "VD-ROTATION-031" and "VD-NET-003" in outcome.failed.error.message
    assert works(side, before)


def test_without_a_token_there_is_nothing_to_rotate(side: PublisherSide) -> None:
    unknown = replace(side.lab, env={**side.lab.env, "VIBEDATA_PUBLISHER_TOKEN_NAME": "nobody"})
    with pytest.raises(RunbookError) as failed:
        replace(side, lab=unknown).token_rotation().next_step()
    assert failed.value.code == "VD-ROTATION-035"


def test_a_run_that_was_overtaken_while_its_job_ran_changes_nothing(side: PublisherSide) -> None:
    before = secret(side)

    def overtaken(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        report = side.run_runbook(name, parameters)
        if parameters["phase"] == "prepare":
            side.succeed(side.token_rotation())  # somebody else runs the same command, to the rotation's end
        return report

    rotating = side.by(overtaken).token_rotation()
    side.succeed(rotating)
    assert rotating.newest is not None and (rotating.newest.number, rotating.newest.customer) == (1, "retired")
    assert (works(side, before), works(side, secret(side))) == (False, True)


@pytest.mark.parametrize("emergency", [False, True])
def test_a_promotion_that_the_customer_took_back_can_be_given_up(side: PublisherSide, emergency: bool) -> None:
    def killed(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        report = side.run_runbook(name, parameters)
        if parameters["phase"] == "promote":
            raise Killed
        return report

    before = secret(side)
    side.drive(side.by(killed).token_rotation())
    side.customer.secrets.update_secret_properties(SECRET, enabled=False)
    stuck = side.drive(side.token_rotation())
    assert stuck.failed is not None and stuck.failed.error is not None
    assert stuck.failed.error.code == "VD-ROTATION-031" and "VD-ROTATION-003" in stuck.failed.error.message
    given = {"emergency": True} if emergency else {"supersede": side.open_one(side.token_rotation())}
    side.succeed(side.token_rotation(**given))
    assert (works(side, before), works(side, secret(side))) == (False, True)


def test_the_credential_of_a_late_job_delays_no_later_rotation(side: PublisherSide) -> None:
    late = list[Mapping[str, Any]]()

    def killed(name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters["phase"] != "stage":
            return side.run_runbook(name, parameters)
        late.append(parameters)
        raise Killed

    side.drive(side.by(killed).token_rotation())
    side.succeed(side.token_rotation(supersede=side.open_one(side.token_rotation())))
    in_use = secret(side)
    assert side.run_runbook("rotate_acr_token", late[0])["error"] is None, "pending, and nobody promotes it"
    for request in ({}, {"emergency": True}):
        side.succeed(side.token_rotation(**request))
        assert (works(side, in_use), works(side, secret(side))) == (False, True)
        in_use = secret(side)


@pytest.mark.parametrize("operation", ["generateCredentials", "updateToken"])
def test_an_operation_that_does_not_end_fails_and_a_later_run_finishes(
    side: PublisherSide, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    side.succeed(side.token_rotation())
    side.lab.latency(operation=operation, seconds=24 * 3600)
    with monkeypatch.context() as short:
        short.setattr("runbook_lib.azure.operations.OPERATION_SECONDS", 1.0)
        outcome = side.drive(side.token_rotation())
    assert outcome.failed is not None and outcome.failed.error is not None
    assert outcome.failed.error.code == "VD-ARM-003" and outcome.failed.error.retryable
    assert works(side, secret(side))
    side.lab.control("DELETE", "/latency")
    side.succeed(side.token_rotation())
    assert works(side, secret(side))
