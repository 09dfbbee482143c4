"""An attacker who may start the customer's jobs works against the publisher's rotation, in every order within limits.

The publisher drives rotation `r`, whose delivery is D. The attacker sees every id and every wrapped credential, and
starts any phase with any parameters at any time. The attacker may have a credential that the publisher accepts (a
stolen one), or none.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from runbook_lib.basics import base64url
from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import RunbookError
from runbook_lib.rotation.parameters import delivery_of
from runbook_lib.rotation.record import to_record
from runbook_lib.rotation.request import PhaseRequest, held
from runbook_lib.rotation.rules import Decision, decide
from runbook_lib.rotation.versions import leftovers
from tests.support.rotation_model import GOOD, OVERLAP, PENDING, SECRET, Model, Refused

PHASES = ("stage", "test", "promote")
OURS, JUNK, STOLEN, FORMER, NEXT = "d" * 64, "e" * 64, "5" * 64, "f" * 64, "a" * 64


def request(model: Model, phase: str, rotation: str, delivery: str, *, named: bool, key: str = "key-r") -> PhaseRequest:
    asked = model.request(phase, rotation)
    staged = phase == "stage"
    return replace(
        asked,
        credential_id=key,
        wrapped=staged,
        key_version="k1" if staged else "",
        brings=delivery if staged else "",
        delivery=delivery if named else "",
    )


def attempt(model: Model, asked: PhaseRequest) -> Decision | str:
    """Run a phase as a job does. Return the decision, or the code of the refusal."""
    try:
        decision = decide(asked, model.seen())
        model.make(decision)
    except RunbookError as error:
        return error.code
    except Refused:
        return "refused"
    return decision


def attacks(deliveries: Mapping[str, str]) -> dict[str, Callable[[Model], object]]:
    """Return the moves of the attacker. `deliveries` has the delivery of each credential id."""
    made: dict[str, Callable[[Model], object]] = {}
    for rotation in ("x", "r", "a"):
        for name, delivery in deliveries.items():
            for key in ("key-r", f"key-{name}"):
                made[f"stage {name} as {key} of {rotation}"] = lambda model, r=rotation, d=delivery, k=key: attempt(  # type: ignore[misc]
                    model, request(model, "stage", r, d, named=False, key=k)
                )
        for phase in ("test", "promote", "retire"):
            made[f"{phase} {rotation}"] = lambda model, r=rotation, p=phase: attempt(  # type: ignore[misc]
                model, replace(request(model, p, r, "", named=False), overlap=OVERLAP * 0)
            )
        made[f"auto {rotation}"] = lambda model, r=rotation: attempt(model, model.request("auto", r))  # type: ignore[misc]
    for phase in ("test", "promote", "retire"):
        made[f"{phase} our own delivery"] = lambda model, p=phase: attempt(  # type: ignore[misc]
            model, replace(request(model, p, "x", OURS, named=True), overlap=OVERLAP * 0)
        )
    return made


def start(accepts: frozenset[str]) -> Model:
    model = Model(keys=(GOOD,), accepts=accepts)
    model.add(SECRET, model.version("a", "key-a", delivery=FORMER))
    return model


def in_use(model: Model) -> str:
    version = model.secrets[SECRET].in_use
    assert version is not None, "the credential in use is lost"
    return version.delivery


def publisher(model: Model, delivery: str = OURS, rotation: str = "r", key: str = "key-r") -> str:
    """Drive the rotation to its promotion. Return "" or the code of the refusal."""
    for phase in PHASES:
        result = attempt(model, request(model, phase, rotation, delivery, named=True, key=key))
        if not isinstance(result, Decision):
            return result
    return ""


def test_who_has_no_credential_stops_no_phase_wherever_they_come_between() -> None:
    """The attacker makes two moves at each place between two phases. Each phase still succeeds the first time."""
    moves = attacks({"junk": JUNK, "ours": OURS, "former": FORMER})
    front = [start(frozenset({OURS}))]
    tried = 0
    for phase in (*PHASES, "retire"):
        for _ in range(2):
            found = {model.state(): model for model in front}
            for model in front:
                for move in moves.values():
                    after = model.copy()
                    move(after)
                    tried += 1
                    assert in_use(after) in (FORMER, OURS), "what the publisher did not send is in use"
                    found.setdefault(after.state(), after)
            front = list(found.values())[:400]
        following = []
        for model in front:
            asked = request(model, phase, "r", OURS, named=True)
            result = attempt(model, replace(asked, overlap=OVERLAP * 0) if phase == "retire" else asked)
            assert isinstance(result, Decision), f"{phase}: {result}"
            following.append(model)
        front = list({model.state(): model for model in following}.values())
    assert tried > 5_000
    for model in front:
        assert in_use(model) == OURS
        assert [v.delivery for v in model.secrets[SECRET].versions if v.enabled and v.delivery != OURS] == []


@pytest.mark.slow
def test_who_has_a_stolen_credential_can_make_the_publisher_begin_anew_and_no_more() -> None:
    """A stolen credential may be promoted in between.

    Then the rotation is over and says so, and the next one succeeds.
    """
    moves = attacks({"stolen": STOLEN, "junk": JUNK})
    front = [start(frozenset({OURS, STOLEN, NEXT}))]
    codes = set()
    for phase in PHASES:
        for _ in range(3):
            found = {model.state(): model for model in front}
            for model in front:
                for move in moves.values():
                    after = model.copy()
                    move(after)
                    found.setdefault(after.state(), after)
            front = list(found.values())[:300]
        following = []
        for model in front:
            result = attempt(model, request(model, phase, "r", OURS, named=True))
            if isinstance(result, Decision):
                following.append(model)
                continue
            codes.add(result)
            # The key was revoked in an emergency, so it is not accepted any more. The next rotation succeeds at once.
            model.accepts = frozenset({NEXT})
            assert publisher(model, NEXT, "n", "key-n") == "" and in_use(model) == NEXT
        front = following
    assert front and codes == {"VD-ROTATION-003"}


@pytest.mark.parametrize("named", [True, False])
def test_a_delivery_that_was_in_use_never_comes_back(named: bool) -> None:
    model = start(frozenset({OURS, FORMER}))
    assert publisher(model) == ""
    replayed = attempt(model, request(model, "stage", "x", FORMER, named=named, key="key-a"))
    assert replayed == "VD-ROTATION-003"
    assert in_use(model) == OURS


def test_what_was_staged_before_the_last_promotion_is_over() -> None:
    """A rotation that was given up may have been delivered. Its late jobs, and anybody's jobs, change nothing."""
    model = start(frozenset({OURS, NEXT}))
    for phase in ("stage", "test"):
        assert isinstance(attempt(model, request(model, phase, "r", OURS, named=True)), Decision)
    assert publisher(model, NEXT, "n", "key-n") == ""
    for named in (True, False):
        for phase in ("stage", "promote"):
            late = attempt(model, request(model, phase, "r", OURS, named=named))
            assert late in ("VD-ROTATION-001", "VD-ROTATION-003")
    assert in_use(model) == NEXT


def test_a_retirement_takes_nothing_from_a_rotation_that_was_begun_since() -> None:
    model = start(frozenset({OURS, NEXT}))
    assert publisher(model) == ""
    assert isinstance(attempt(model, request(model, "stage", "n", NEXT, named=True, key="key-n")), Decision)
    attempt(model, request(model, "stage", "x", JUNK, named=False))
    attempt(model, replace(request(model, "retire", "r", "", named=False), overlap=OVERLAP * 0))
    meant = held(request(model, "test", "n", NEXT, named=True, key="key-n"), model.seen())
    assert meant is not None and meant.enabled
    assert publisher(model, NEXT, "n", "key-n") == ""


def test_another_expiry_is_another_delivery() -> None:
    """If somebody delivers the publisher's own bytes first, this person can choose neither their expiry nor their
    id.
    """
    model = start(frozenset({OURS}))
    evil = model.version("r", "key-r", delivery=OURS)
    model.add(PENDING, replace(evil, expires=model.now))
    asked = replace(request(model, "stage", "r", OURS, named=True), expires=model.now + OVERLAP)
    decision = decide(asked, model.seen())
    assert [change.action for change in decision.changes] == ["stage"]


def test_what_was_staged_by_others_is_swept_by_the_next_retirement() -> None:
    model = start(frozenset({OURS}))
    attempt(model, request(model, "stage", "x", JUNK, named=False))
    assert publisher(model) == ""
    assert {version.delivery for version in leftovers(model.seen())} == {JUNK, OURS}
    attempt(model, replace(request(model, "retire", "r", OURS, named=True), overlap=OVERLAP * 0))
    assert not any(version.enabled for version in model.secrets[PENDING].versions)


def test_a_credential_of_the_secrets_own_name_takes_no_row_from_it() -> None:
    model = start(frozenset())
    model.add(PENDING, model.version("x", SECRET))
    model.add(SECRET, replace(model.version("a", "key-a"), written=rfc3339(model.now)))
    batches = to_record("hmac-key", SECRET, model.seen(), {}, model.now)
    rows = [row.key for batch in batches for row in batch.rows]
    assert len(rows) == len(set(rows))


def test_a_delivery_is_named_by_the_bytes_and_not_by_how_they_are_written() -> None:
    wrapped = bytes(range(48)) * 8
    text = base64url.encode(wrapped)
    assert delivery_of(text) == hashlib.sha256(wrapped).hexdigest()
