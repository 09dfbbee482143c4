"""The certificate's state machine: every state with every phase, and every order of the phases within limits.

Rotations: `a` is an older one, `r` the requested one, `n` a later one, and "" is somebody's import.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

import pytest

from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import RunbookError, tls
from runbook_lib.tls_certificate.rules import FITS, OPERATION, SKEW, Decision, PhaseRequest, decide, state_of
from runbook_lib.tls_certificate.versions import (
    CREATE,
    DISABLE,
    DISCARD,
    INSTALL,
    PHASES,
    RECOVER,
    STATES,
    TEST,
    Leaf,
    Operation,
    RequestedPhase,
    VaultFacts,
    Version,
)

START = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
OVERLAP = timedelta(hours=8)
REFUSALS = (
    tls.PHASE_TOO_EARLY,
    tls.ROTATION_OVER,
    tls.CHAIN_OF_OTHER_KEY,
    tls.OTHER_CERTIFICATE_INSTALLED,
    tls.RETIREMENT_TOO_EARLY,
)
# The possible contents of the vault, the oldest version first: rotation, enabled, tested.
Held = tuple[tuple[str, bool, bool], ...]
VERSIONS: tuple[Held, ...] = (
    (),
    (("", True, False),),
    (("", False, False),),
    (("a", True, True),),
    (("a", False, True),),
    (("r", True, False),),
    (("r", True, True),),
    (("r", False, True),),
    (("a", True, True), ("r", True, False)),
    (("a", True, True), ("r", True, True)),
    (("a", False, True), ("r", True, True)),
    (("a", True, True), ("", True, False), ("r", True, True)),
    (("a", True, True), ("r", False, False)),
    (("r", True, True), ("", True, False)),
    (("r", True, True), ("n", True, False)),
)
PENDING = (
    None,
    Operation(request_id="p", csr=b"", key="k-p"),
    Operation(request_id="u", csr=b"", key="k-u", unfit="it asks for the names other.example"),
)


@dataclass(slots=True, kw_only=True)
class Model:
    """A vault in memory: what each change does to it, without the code under test."""

    now: datetime = START
    versions: tuple[Version, ...] = ()  # the newest first
    pending: Operation | None = None
    deleted: bool = False
    made: int = 0
    written: list[str] = field(default_factory=list)

    def copy(self) -> "Model":
        return replace(self, written=[])

    def add(self, rotation: str, *, enabled: bool = True, tested: bool = False, thumbprint: str = "") -> None:
        self.made += 1
        new = Version(
            version=f"v{self.made}",
            enabled=enabled,
            created=self.now,
            thumbprint=thumbprint or f"t{self.made}",
            rotation_id=rotation,
            tested="then" if tested else "",
        )
        self.versions = (new, *self.versions)

    def seen(self) -> VaultFacts:
        current, former = (self.versions or (None,))[0], self.versions[1:]
        if self.deleted:
            return VaultFacts(current=current, deleted=True)
        return VaultFacts(current=current, former=former, pending=self.pending)

    def run(self, phase: RequestedPhase, rotation: str, leaf: Leaf | None = None) -> Decision | RunbookError:
        request = PhaseRequest(phase=phase, rotation_id=rotation, leaf=leaf, overlap=OVERLAP, now=self.now)
        try:
            decision = decide(request, self.seen())
        except RunbookError as error:
            return error
        for change in sorted(decision.changes, key=lambda each: each.stage):
            self.written.append(change.action)
            if RECOVER.is_of(change):
                self.deleted = False
            elif DISCARD.is_of(change):
                assert self.pending is not None and change.subject == self.pending.request_id
                self.pending = None
            elif CREATE.is_of(change):
                assert self.pending is None and not self.deleted, "the vault answers 409"
                self.made += 1
                self.pending = Operation(request_id=f"p{self.made}", csr=b"", key=f"k-{self.made}")
            elif INSTALL.is_of(change):
                assert self.pending is not None and self.pending.key == change.subject.key
                self.pending = None
                self.add(decision.request.rotation_id, thumbprint=change.subject.thumbprint)
            elif TEST.is_of(change):
                assert change.subject == self.versions[0]
                self.versions = (replace(self.versions[0], tested="now"), *self.versions[1:])
            else:
                assert DISABLE.is_of(change)
                self.versions = tuple(
                    replace(each, enabled=each.enabled and each != change.subject) for each in self.versions
                )
        return decision

    def leaf(self) -> Leaf | None:
        """Return the certificate that an authority makes for the pending operation."""
        return None if self.pending is None else Leaf(thumbprint=f"for-{self.pending.key}", key=self.pending.key)


def models() -> Iterator[Model]:
    """Yield every observed state."""
    for held, pending, deleted in itertools.product(VERSIONS, PENDING, (False, True)):
        if deleted and (not held or pending):
            continue  # a deleted certificate has no operation
        model = Model(pending=pending, now=START - timedelta(hours=1))
        for rotation, enabled, tested in held:
            model.add(rotation, enabled=enabled, tested=tested)
        model.now, model.deleted = START, deleted
        yield model


def check(before: Model, after: Model, rotation: str) -> None:
    """Check what must hold after any phase of `rotation`."""
    old = {version.version: version for version in before.versions}
    new = {version.version: version for version in after.versions}
    assert old.keys() <= new.keys(), "a version is lost"
    assert not any(new[each].enabled and not old[each].enabled for each in old), "a version came back"
    disabled = {each for each in old if old[each].enabled and not new[each].enabled}
    if after.versions:
        assert after.versions[0].version not in disabled, "what the gateway reads was disabled"
    if disabled:
        current = after.versions[0]
        assert current.rotation_id == rotation and current.tested and current.enabled
        assert after.now - current.created >= OVERLAP, "retired before the overlap"
    if before.pending is not None and not before.pending.unfit and after.pending is None:
        assert len(after.versions) == len(before.versions) + 1, "a good operation was thrown away"
    assert after.deleted in (before.deleted, False)


LEAVES: tuple[Callable[[Model], Leaf | None], ...] = (
    lambda _: None,
    Model.leaf,
    lambda _: Leaf(thumbprint="foreign", key="foreign"),
    lambda model: Leaf(thumbprint=model.versions[0].thumbprint, key="old") if model.versions else None,
)


@pytest.mark.parametrize("phase", PHASES)
def test_every_state_with_every_phase(phase: RequestedPhase) -> None:
    outcomes = set()
    for start, leaf_of in itertools.product(models(), LEAVES):
        model = start.copy()
        leaf = leaf_of(start)
        result = model.run(phase, "r", leaf)
        check(start, model, "r")
        if isinstance(result, RunbookError):
            outcomes.add(result.code)
            assert result.is_(*REFUSALS)
            assert model.written == []
            continue
        outcomes.add(result.state)
        assert bool(result.changes) != bool(result.unchanged)
        assert STATES.index(result.reached) >= STATES.index(result.state) or result.state == "retired"
        if start.deleted:
            continue  # only the recovered certificate shows what to do, or to refuse
        assert state_of(result.request.rotation_id, model.seen()) == result.reached
        if phase != "auto":
            again = model.copy()
            repeated = again.run(phase, "r", leaf)
            assert isinstance(repeated, Decision), f"{phase} twice: {repeated}"
            assert repeated.changes == ()
            assert (again.versions, again.pending) == (model.versions, model.pending)
    assert len(outcomes) > 2  # the states do not all lead to the same outcome


def finish(model: Model, rotation: str) -> None:
    """Run a rotation as the publisher does, with a new order. It must reach its end."""
    phases: tuple[RequestedPhase, ...] = ("prepare", "install", "test", "retire")
    for phase in phases:
        if phase == "retire":
            model.now += OVERLAP
        for _ in range(2):  # if something was deleted, the first run only recovers it
            before = model.copy()
            leaf = model.leaf() if phase == "install" else None
            if phase == "install" and leaf is None and model.versions:
                leaf = Leaf(thumbprint=model.versions[0].thumbprint, key="")
            result = model.run(phase, rotation, leaf)
            assert isinstance(result, Decision), f"{phase} of {rotation}: {result}"
            check(before, model, rotation)
    assert state_of(rotation, model.seen()) == "retired"
    assert model.versions[0].rotation_id == rotation
    assert [version.version for version in model.versions if version.enabled] == [model.versions[0].version]


def test_every_state_has_a_way_to_the_end() -> None:
    for start in models():
        if "n" not in {version.rotation_id for version in start.versions}:
            finish(start.copy(), "n")
        if "r" not in {version.rotation_id for version in start.versions}:
            finish(start.copy(), "r")


def test_auto_alone_comes_to_the_end() -> None:
    for start in models():
        model = start.copy()
        if "n" in {version.rotation_id for version in model.versions}:
            continue
        for _ in range(8):
            model.now += OVERLAP
            before = model.copy()
            assert isinstance(model.run("auto", "n", model.leaf()), Decision)
            check(before, model, "n")
        assert state_of("n", model.seen()) == "retired"


def test_a_renewal_that_stopped_half_way_is_taken_up_weeks_later_with_the_same_key() -> None:
    model = Model()
    model.add("a", tested=True)
    model.run("prepare", "r")
    asked = model.pending
    model.now += timedelta(weeks=5)
    for rotation in ("r", "n"):
        result = model.run("prepare", rotation)
        assert isinstance(result, Decision) and result.changes == ()
    assert model.pending == asked
    finish(model, "n")
    refused = model.run("test", "r")
    assert isinstance(refused, RunbookError) and refused.is_(tls.PHASE_TOO_EARLY)


def test_somebody_elses_operation_is_discarded_and_said_so() -> None:
    model = Model(pending=PENDING[2])
    result = model.run("prepare", "r")
    assert isinstance(result, Decision)
    discard, create = result.changes
    assert (discard.action, discard.target, discard.before) == ("discard", OPERATION, PENDING[2] and PENDING[2].unfit)
    assert (create.action, create.before, create.after) == ("create", None, FITS)


def test_a_deleted_certificate_is_recovered_first_and_never_purged() -> None:
    for start in models():
        if start.deleted:
            model = start.copy()
            result = model.run("prepare", "n")
            assert not isinstance(result, RunbookError) or result.is_(tls.ROTATION_OVER)
            if isinstance(result, Decision):
                assert model.written[0] == "recover" and not model.deleted


def test_auto_without_an_id_takes_up_what_was_abandoned() -> None:
    model = Model()
    model.add("a", tested=True)
    model.add("r")
    reached = []
    for _ in range(4):
        result = model.run("auto", "")
        assert isinstance(result, Decision)
        reached.append((result.request.rotation_id, result.reached))
        model.now += OVERLAP
    assert reached == [("r", "tested"), ("r", "retired"), ("", "prepared"), ("", "prepared")]


def test_auto_waits_for_the_overlap_and_retire_says_until_when() -> None:
    model = Model()
    model.add("a", tested=True)
    model.add("r", tested=True)
    waits = model.run("auto", "r")
    assert isinstance(waits, Decision) and waits.changes == () and waits.retire_after == START + OVERLAP
    refused = model.run("retire", "r")
    assert isinstance(refused, RunbookError) and refused.is_(tls.RETIREMENT_TOO_EARLY)


ASKED = START - timedelta(days=3)  # when the signing request was made


def judged(written: str, phase: RequestedPhase, now: datetime) -> Decision | RunbookError:
    """Return what a phase decides on a tested version that was asked for at ASKED and has this tag."""
    model = Model(now=ASKED)
    model.add("a", tested=True)
    model.add("r", tested=True)
    model.versions = (replace(model.versions[0], written=written), *model.versions[1:])
    model.now = now
    return model.run(phase, "r")


def test_the_overlap_begins_with_the_installation_and_not_with_the_signing_request() -> None:
    written = rfc3339(START)
    waits = judged(written, "auto", START + OVERLAP - SKEW)
    assert isinstance(waits, Decision) and waits.changes == () and waits.retire_after == START + OVERLAP
    refused = judged(written, "retire", START + OVERLAP - SKEW)
    assert isinstance(refused, RunbookError) and refused.is_(tls.RETIREMENT_TOO_EARLY)
    retired = judged(written, "retire", START + OVERLAP)
    assert isinstance(retired, Decision) and retired.reached == "retired" and retired.changes


@pytest.mark.parametrize(
    "written",
    [
        "",
        "yesterday",
        "2026-11-25T12:00:00",  # without an offset
        "0001-01-01T00:00:00+14:00",
        "1970-01-01T00:00:00Z",  # before the signing request
        rfc3339(START + SKEW + timedelta(seconds=1)),
        "8999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_tag_without_a_possible_time_keeps_no_former_version(written: str) -> None:
    decision = judged(written, "auto", START)
    assert isinstance(decision, Decision) and decision.retire_after == ASKED + OVERLAP
    assert decision.reached == "retired" and decision.changes


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), SKEW])
def test_a_clock_that_was_a_little_ahead_counts_as_now(ahead: timedelta) -> None:
    waits = judged(rfc3339(START + ahead), "auto", START)
    assert isinstance(waits, Decision) and waits.changes == () and waits.retire_after == START + OVERLAP
