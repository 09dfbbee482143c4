"""The plan of a rotation at the publisher: every path through it, interrupted at every point."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from publisher.custody.key_records import KeyRecord
from publisher.rotation.hmac_key import GRACE_SECONDS, PHASES, RULES, Facts
from publisher.rotation.plan import RotationRequest, after, next_step, preview
from publisher.rotation.record import Rotation
from runbook_lib.change import Change
from runbook_lib.errors import RunbookError

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc)
OVERLAP = 3600


def rotation(number: int, **given: Any) -> Rotation:
    return Rotation(
        instance_id="customer-1", number=number, rotation_id=f"r-{number}", credential_id=f"hmac-{number:016x}", **given
    )


def facts(**given: Any) -> Facts:
    start: dict[str, Any] = {"now": NOW, "newest": None, "keys": (), "with_secret": frozenset(), "new": rotation(1)}
    return Facts(**{**start, **given})


def request(**given: Any) -> RotationRequest:
    return RotationRequest(**{"overlap_seconds": OVERLAP, **given})


def steps(asked: RotationRequest, found: Facts) -> Iterator[tuple[Facts, Change | None, Facts]]:
    """Yield each change until the rotation is over, with the facts before and after it. None stands for a wait."""
    while True:
        step = next_step(RULES, asked, found)
        if step.wait_until is not None:
            waited = replace(found, now=step.wait_until)
            yield found, None, waited
            found = waited
        elif not step.plan.changes:
            return
        for change in sorted(step.plan.changes, key=lambda change: change.stage):
            made = after(RULES, change, found)
            if change.action == "revoke":
                made = replace(made, with_secret=made.with_secret | {change.target.removeprefix("key ")})
            yield found, change, made
            found = made


def last(asked: RotationRequest, found: Facts) -> Facts:
    for *_, reached in steps(asked, found):
        found = reached
    return replace(found, driven="")


def again(found: Facts) -> Facts:
    """Return the facts of the next run, which would begin another rotation."""
    number = 1 if found.newest is None else found.newest.number + 1
    given_up = found.newest.supersedes if found.newest else ()
    if found.newest and found.newest.open:
        given_up = (found.newest.rotation_id, *given_up)
    return replace(found, driven="", new=rotation(number, supersedes=given_up))


def states(found: Facts) -> dict[str, str]:
    return {key.key_id: key.state for key in found.keys}


def accepted(found: Facts) -> set[str]:
    return {key.key_id for key in found.keys if key.accepted(found.now)}


FIRST = last(request(), facts())


def test_the_first_key_needs_no_overlap() -> None:
    actions = [change.action for _, change, _ in steps(request(), facts()) if change is not None]
    assert " ".join(actions) == "keep begin accept prepare stage test promote promote retire end"
    assert all(change is not None for _, change, _ in steps(request(), facts()))
    assert states(FIRST) == {f"hmac-{1:016x}": "current"}
    assert FIRST.newest is not None and not FIRST.newest.open


def test_the_next_key_takes_the_place_of_the_former() -> None:
    made = [change.action if change else "wait" for _, change, _ in steps(request(), again(FIRST))]
    assert " ".join(made) == (
        "keep begin accept prepare stage test promote promote succeed wait retire limit wait retire end"
    )
    assert states(last(request(), again(FIRST))) == {f"hmac-{1:016x}": "retired", f"hmac-{2:016x}": "current"}
    assert [change.action for change in preview(RULES, request(), again(FIRST)).changes] == [
        action for action in made if action != "wait"
    ]


@pytest.mark.parametrize("overlap", [0, OVERLAP])
def test_broken_off_anywhere_it_is_finished_and_no_key_in_use_is_refused(overlap: int) -> None:
    old, new = f"hmac-{1:016x}", f"hmac-{2:016x}"
    asked = request(overlap_seconds=overlap)
    ways = list(steps(asked, again(FIRST)))
    for index, (found, _, _) in enumerate(ways):
        # The process ends here. The next run sees only the record.
        is_open = found.newest is not None and found.newest.open
        rest = list(steps(asked, replace(found, driven="") if is_open else again(found)))
        retired_at: datetime | None = None
        for _, change, reached in [*ways[:index], *rest]:
            assert reached.newest is not None
            if reached.newest.number == 2 and reached.newest.reached("pending"):
                assert new in accepted(reached), (index, change)
                if reached.newest.reached("retired") and retired_at is None:
                    retired_at = reached.now
            if retired_at is None or reached.now < retired_at + timedelta(seconds=GRACE_SECONDS):
                assert old in accepted(reached), (index, change)
        final = rest[-1][2]
        assert states(final) == {old: "retired", new: "current"}
        assert final.newest is not None and not final.newest.open


def test_an_emergency_refuses_first_and_waits_for_nothing() -> None:
    made = list(
        steps(request(emergency=True, overlap_seconds=0), replace(again(FIRST), new=rotation(2, emergency=True)))
    )
    assert made[0][1] is not None and made[0][1].action == "revoke"
    assert accepted(made[0][2]) == set()
    assert [change.action for _, change, _ in made if change][1:3] == ["keep", "begin"]
    assert all(change is not None for _, change, _ in made)
    final = made[-1][2]
    assert states(final) == {f"hmac-{1:016x}": "revoked", f"hmac-{2:016x}": "current"}
    assert final.with_secret == frozenset()


def test_an_emergency_gives_up_what_is_open() -> None:
    open_one = list(steps(request(), again(FIRST)))[4][2]
    assert open_one.newest is not None and open_one.newest.open
    found = replace(again(open_one), new=rotation(3, emergency=True, supersedes=("r-2",)))
    final = last(request(emergency=True, overlap_seconds=0), found)
    assert states(final) == {
        f"hmac-{1:016x}": "revoked",
        f"hmac-{2:016x}": "revoked",
        f"hmac-{3:016x}": "current",
    }
    assert next_step(RULES, request(emergency=True), replace(final, driven="r-3")).plan.changes == ()


def test_superseding_refuses_no_key_that_may_be_in_use() -> None:
    for _, _, open_one in list(steps(request(), again(FIRST)))[1:-1]:
        before = accepted(open_one)
        found = again(open_one)
        assert found.newest is not None
        superseding = request(supersede=found.newest.rotation_id)
        for _, change, reached in steps(superseding, found):
            if change is not None and change.action == "limit":
                break
            assert before <= accepted(reached) | {f"hmac-{1:016x}"}, change
        final = last(superseding, found)
        assert states(final)[f"hmac-{3:016x}"] == "current" and len(accepted(final)) == 1


def test_a_revoked_key_is_never_delivered() -> None:
    key = KeyRecord(
        instance_id="customer-1", key_id=rotation(1).credential_id, state="revoked", rotation_id="r-1", created_at=""
    )
    found = facts(newest=rotation(1), keys=(key,), driven="r-1")
    with pytest.raises(RunbookError) as failed:
        next_step(RULES, request(), found)
    assert failed.value.code == "VD-ROTATION-032"


def test_the_customers_phases_are_told_from_the_publishers_own_changes() -> None:
    kinds = tuple(PHASES.values())
    made = [change for _, change, _ in steps(request(), facts()) if change is not None]
    phases = [change for change in made if any(kind.is_of(change) for kind in kinds)]
    assert [change.action for change in phases] == ["prepare", "stage", "test", "promote", "retire"]


EDGE = "9999-12-31T23:59:59Z"


def test_a_time_that_cannot_be_reckoned_with_is_named_or_is_over() -> None:
    open_one = rotation(2, customer="promoted", promoted_at="2026-11-01T00:00:00Z")
    own = KeyRecord(
        instance_id="customer-1", key_id=open_one.credential_id, state="current", rotation_id="r", created_at=""
    )
    former = replace(own, key_id="hmac-old", state="previous", accept_until=EDGE)
    for promoted in ("", EDGE, "2026-11-01"):
        ill = facts(newest=open_one, keys=(replace(own, promoted_at=promoted), former))
        with pytest.raises(RunbookError, match=r"VD-ROTATION-040.*promotedAt") as caught:
            next_step(RULES, request(), ill)
        assert caught.value.target == f"customer-1/{own.key_id}"
    usable = replace(own, promoted_at="2026-11-01T00:00:00Z")
    step = next_step(RULES, request(), facts(newest=replace(open_one, customer="retired"), keys=(usable, former)))
    assert [(change.action, change.target) for change in step.plan.changes][:1] == [("retire", "key hmac-old")]
