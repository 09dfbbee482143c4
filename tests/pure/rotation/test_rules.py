"""The rotation's state machine: every observed state with every phase, and every order of them within limits.

Rotations: `a` is an older one, `r` the requested one, `b` another one, and `n` a later one.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from runbook_lib.errors import RunbookError
from runbook_lib.request_signing.signer import LIFE_SECONDS, SKEW_SECONDS
from runbook_lib.rotation.outcome import outcome
from runbook_lib.rotation.request import rotation_state
from runbook_lib.rotation.rules import SKEW, Decision, decide
from runbook_lib.rotation.versions import OVERLAP_SECONDS, Secret, WrappingKey, open_rotation
from runbook_lib.vault.hmac_key import KEY_CACHE_SECONDS
from tests.support.rotation_model import GOOD, OVERLAP, PENDING, SECRET, START, Model, Refused

PHASES = ("prepare", "stage", "test", "promote", "retire")
RANK = ("none", "prepared", "pending", "tested", "promoted", "retired")
REFUSALS = {f"VD-ROTATION-{number:03}" for number in (1, 2, 3, 4, 7, 8, 10)}

# The possible contents of a secret, the oldest version first: rotation, enabled, tested.
Held = tuple[tuple[str, bool, bool], ...]
CURRENT: tuple[Held, ...] = (
    (),
    (("", True, False),),
    (("a", True, False),),
    (("a", False, False),),
    (("r", True, False),),
    (("a", True, False), ("r", True, False)),
    (("a", False, False), ("r", True, False)),
    (("", True, False), ("a", True, False), ("r", True, False), ("r", True, False)),
    (("r", True, False), ("a", True, False)),
    (("a", True, False), ("r", False, False)),
    (("r", False, False),),
)
STAGED: tuple[Held, ...] = (
    (),
    (("r", True, False),),
    (("r", True, True),),
    (("r", False, True),),
    (("r", True, True), ("r", True, False)),
    (("b", True, False),),
    (("b", True, True), ("r", True, False)),
    (("r", True, True), ("b", True, True)),
    (("a", True, True),),
    (("b", False, True),),
)
KEYS = ((), (GOOD,), (WrappingKey(version="k1", usable=False, shown="disabled"),))


def models() -> Iterator[Model]:
    """Yield every observed state."""
    for current, staged, keys in itertools.product(CURRENT, STAGED, KEYS):
        for current_deleted, staged_deleted, key_deleted in itertools.product((False, True), repeat=3):
            if (current_deleted and not current) or (staged_deleted and not staged) or (key_deleted and not keys):
                continue
            model = Model(keys=keys, key_deleted=key_deleted)
            for name, held, deleted in ((SECRET, current, current_deleted), (PENDING, staged, staged_deleted)):
                for age, (rotation, enabled, tested) in zip(range(9, 0, -1), held, strict=False):
                    version = model.version(
                        rotation, enabled=enabled, tested="before" if tested else "", age=timedelta(hours=age - 8)
                    )
                    model.add(name, replace(version, created=START - timedelta(hours=age)))
                model.secrets[name] = replace(model.secrets[name], deleted=deleted)
            yield model


def in_use(model: Model) -> str | None:
    """Return the rotation whose credential a reader gets, None for no credential."""
    version = model.secrets[SECRET].in_use
    return None if version is None else version.rotation_id


def check(before: Model, after: Model, rotation: str) -> None:
    """Check what must hold after any phase of `rotation`."""
    was, now = in_use(before), in_use(after)
    assert now is not None or was is None, "the credential in use is lost"
    if now != was:
        staged = before.secrets[PENDING].newest
        assert now == rotation, "another rotation's credential is in use"
        assert staged is not None and staged.enabled and staged.rotation_id == rotation and staged.tested
        assert rotation not in {version.rotation_id for version in before.secrets[SECRET].versions}
    for name in (SECRET, PENDING):
        old = {version.version: version for version in before.secrets[name].versions}
        new = {version.version: version for version in after.secrets[name].versions}
        assert old.keys() <= new.keys()
        disabled = {version for version in old if old[version].enabled and not new[version].enabled}
        assert not any(new[version].enabled and not old[version].enabled for version in old)
        if name == SECRET and disabled:
            first = [v for v in before.secrets[SECRET].versions if v.rotation_id == rotation][-1]
            assert after.now - first.created >= OVERLAP, "retired before the overlap"
            assert was == now == rotation
        waiting = open_rotation(before.seen())
        if name == PENDING and waiting is not None:
            assert waiting.version not in disabled, "a rotation that waits lost its credential"


def finish(model: Model, rotation: str) -> None:
    """Run a rotation as the publisher does. It must reach its end."""
    waiting = open_rotation(model.seen())
    supersedes = waiting.rotation_id if waiting and waiting.rotation_id != rotation else ""
    for phase in PHASES:
        if phase == "retire":
            model.now += OVERLAP
        for _ in range(2):  # if something was deleted, the first retire only recovers it
            before = model.copy()
            result = model.run(phase, rotation, supersedes=supersedes)
            assert isinstance(result, Decision), f"{phase} of {rotation}: {result}"
            check(before, model, rotation)
    assert in_use(model) == rotation
    assert rotation_state(rotation, model.seen()) == "retired"
    assert [version.enabled for version in model.secrets[SECRET].versions if version.rotation_id != rotation] in (
        [],
        [False] * sum(version.rotation_id != rotation for version in model.secrets[SECRET].versions),
    )


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("phase", [*PHASES, "auto"])
def test_every_state_with_every_phase(phase: str, late: bool) -> None:
    """A phase does no harm, doing it twice equals doing it once, and the state that it reports is reached."""
    outcomes = set()
    for start, supersedes in itertools.product(models(), ("", "b")):
        if late:
            start.now += OVERLAP
        model = start.copy()
        try:
            result = model.run(phase, "r", supersedes=supersedes)
        except Refused:  # only the recovered secret shows that the rotation is over
            assert start.secrets[SECRET].deleted
            check(start, model, "r")
            continue
        if isinstance(result, str):
            assert result in REFUSALS and model.state() == start.state()
            outcomes.add(result)
            continue
        outcomes.add(result.reached)
        check(start, model, "r")
        reached = rotation_state("r", model.seen())
        # Of a deleted secret not all versions were seen
        if not any(secret.deleted for secret in start.secrets.values()):
            assert reached == result.reached
            expected = outcome(result, start.seen())
            for held, there in ((expected.current, SECRET), (expected.pending, PENDING)):
                assert [(v.enabled, str(v)) for v in held.versions] == [
                    (v.enabled, str(v)) for v in model.secrets[there].versions
                ]
        assert RANK.index(reached) >= RANK.index(result.state) or result.state == "retired"
        assert bool(result.changes) != bool(result.unchanged)
        if phase != "auto":
            again = model.copy()
            repeated = again.run(phase, "r", supersedes=supersedes)
            if start.secrets[SECRET].deleted:  # only the recovered secret shows what to do, or to refuse
                check(model, again, "r")
                continue
            assert isinstance(repeated, Decision)
            assert repeated.changes == () and again.state() == model.state()
    assert len(outcomes) > 2  # the states do not all lead to the same outcome


@pytest.mark.slow
def test_every_state_has_a_way_to_the_end() -> None:
    for start in models():
        finish(start.copy(), "n")
        over = rotation_state("r", start.seen()) not in ("promoted", "retired") and "r" in {
            version.rotation_id for version in start.seen().current.versions
        }
        if not over and not start.secrets[SECRET].deleted:
            finish(start.copy(), "r")


@pytest.mark.slow
def test_auto_alone_comes_to_the_end() -> None:
    for start in models():
        waiting = open_rotation(start.seen())
        supersedes = waiting.rotation_id if waiting else ""
        model = start.copy()
        for _ in range(12):
            model.now += OVERLAP
            before = model.copy()
            assert isinstance(model.run("auto", "n", supersedes=supersedes), Decision)
            check(before, model, "n")
        assert rotation_state("n", model.seen()) == "retired"


def test_auto_without_an_id_takes_up_what_was_abandoned() -> None:
    model = Model(keys=(GOOD,))
    model.add(SECRET, model.version("a"))
    model.run("stage", "r")
    model.now += timedelta(days=5)
    states = []
    for _ in range(4):
        result = model.run("auto", "")
        assert isinstance(result, Decision) and result.request.rotation_id == "r"
        states.append(result.reached)
        model.now += OVERLAP
    assert states == ["tested", "promoted", "retired", "retired"]


def steps() -> dict[str, Callable[[Model], object]]:
    """Return the possible next steps: a phase of one of two rotations, or something that people do to the vault."""

    def phase_of(phase: str, rotation: str, supersedes: str) -> Callable[[Model], object]:
        return lambda model: model.run(phase, rotation, supersedes=supersedes)

    def change(name: str, **fields: object) -> Callable[[Model], object]:
        def step(model: Model) -> None:
            model.secrets[name] = replace(model.secrets[name], **fields)  # type: ignore[arg-type]

        return step

    def disable(name: str) -> Callable[[Model], object]:
        def step(model: Model) -> None:
            held = model.secrets[name].versions
            if held:
                model.secrets[name] = replace(
                    model.secrets[name], versions=(replace(held[0], enabled=False), *held[1:])
                )

        return step

    made: dict[str, Callable[[Model], object]] = {}
    for rotation, other in (("r", "b"), ("b", "r")):
        for phase in PHASES[1:]:
            made[f"{phase} {rotation}"] = phase_of(phase, rotation, "")
        made[f"stage {rotation} over {other}"] = phase_of("stage", rotation, other)
    for name in (SECRET, PENDING):
        made[f"delete {name}"] = lambda model, name=name: (  # type: ignore[misc]
            change(name, deleted=True)(model) if model.secrets[name].versions else None
        )
        made[f"recover {name}"] = change(name, deleted=False)
        made[f"purge {name}"] = change(name, versions=(), deleted=False)
        made[f"disable {name}"] = disable(name)
    made["later"] = lambda model: setattr(model, "now", model.now + OVERLAP)
    return made


def test_two_rotations_and_people_in_every_order() -> None:
    """From each state that is reached within five steps a new rotation reaches its end. No step does harm."""
    start = Model(keys=(GOOD,))
    start.add(SECRET, start.version("a"))
    seen, front = {start.state()}, [start]
    for _ in range(5):
        reached = []
        for model, (name, step) in itertools.product(front, steps().items()):
            after = model.copy()
            step(after)
            phase, *words = name.split()
            if phase in PHASES:
                check(model, after, words[0])
            if after.state() not in seen:
                seen.add(after.state())
                reached.append(after)
        front = reached
        for model in front:
            finish(model.copy(), "n")
    assert len(seen) > 500


def test_a_stale_read_does_no_harm() -> None:
    """A run may see any earlier state. What it then does to the present vault is harmless, and the end is reached."""
    model = Model(keys=(GOOD,))
    model.add(SECRET, model.version("a"))
    history = [model.copy()]
    for rotation in ("r", "b"):
        for phase in PHASES:
            model.now += OVERLAP if phase == "retire" else timedelta(seconds=1)
            assert isinstance(model.run(phase, rotation), Decision)
            history.append(model.copy())
    tried = 0
    for (then, old), (now, true), phase in itertools.product(enumerate(history), enumerate(history), (*PHASES, "auto")):
        if then >= now or now > 5:
            continue  # a delay lasts seconds: a whole other rotation does not fit into it
        vault = true.copy()
        try:
            decision = decide(vault.request(phase, "r"), old.seen())
            vault.make(decision)
        except (RunbookError, Refused):
            pass
        tried += 1
        assert in_use(vault) in (in_use(true), "r")
        newest = vault.secrets[SECRET].newest
        assert newest is not None and newest.enabled
        finish(vault, "r")
    assert tried > 50


def test_a_stale_run_of_an_older_rotation_is_stopped_by_the_last_look() -> None:
    """Its pending secret is read once more before it is promoted."""
    model = Model(keys=(GOOD,))
    for phase in ("stage", "test"):
        model.run(phase, "r")
    old = model.seen()
    for phase in ("stage", "test", "promote"):
        assert isinstance(model.run(phase, "b", supersedes="r"), Decision)
    with pytest.raises(Refused):
        model.make(decide(model.request("promote", "r"), old))
    assert in_use(model) == "b"


def test_the_overlap_begins_when_the_credential_came_into_use() -> None:
    model = Model(keys=(GOOD,))
    model.add(SECRET, model.version("a"))
    for phase in PHASES[:-1]:
        model.run(phase, "r")
    model.now += OVERLAP / 2
    model.add(SECRET, model.version("r"))  # promoted again, by a run that did not see the first promotion
    assert model.run("retire", "r") == "VD-ROTATION-007"
    waiting = model.run("auto", "r")
    assert isinstance(waiting, Decision) and waiting.retire_after == START + OVERLAP and waiting.unchanged
    model.now = START + OVERLAP
    assert isinstance(model.run("retire", "r"), Decision)


def test_a_first_credential_has_nothing_to_wait_for() -> None:
    model = Model()
    for phase in PHASES:
        result = model.run(phase, "r")
        assert isinstance(result, Decision) and result.retire_after is None
    assert rotation_state("r", model.seen()) == "retired"


def test_the_overlap_is_what_may_still_use_the_former_credential() -> None:
    longest_job_seconds = 3 * 3600
    assert LIFE_SECONDS + SKEW_SECONDS + KEY_CACHE_SECONDS + longest_job_seconds == OVERLAP_SECONDS
    assert timedelta(seconds=SKEW_SECONDS) == SKEW


@pytest.mark.parametrize("backup", ["", "a"])
def test_a_vault_that_was_restored_from_an_old_backup(backup: str) -> None:
    """The remains of an earlier rotation block no rotation. The rotation whose key is lost brings it again."""
    model = Model(keys=(GOOD,))
    model.add(SECRET, model.version(backup))
    old = dict(model.secrets)
    model.run("stage", "r")
    staged = model.secrets[PENDING]
    finish(model, "r")
    model.secrets = {**old, PENDING: staged}  # from two times: a pending secret that was promoted long ago
    assert in_use(model) == backup and rotation_state("r", model.seen()) == "pending"
    refused = model.run("stage", "n")
    assert refused == "VD-ROTATION-002"
    finish(model.copy(), "n")
    finish(model, "r")


def test_clocks_that_differ_are_told() -> None:
    model = Model(keys=(GOOD,))
    model.add(SECRET, model.version("a"))
    for phase in PHASES[:-1]:
        model.run(phase, "r")
    model.now -= SKEW + timedelta(seconds=1)
    assert model.run("retire", "r") == "VD-ROTATION-008"


def test_a_wrapping_key_of_another_version_is_refused_and_an_older_one_is_good() -> None:
    model = Model(keys=(GOOD,))
    model.run("prepare", "r")
    model.keys = (replace(GOOD, version="k2"), *model.keys)  # somebody has rotated the key in between
    decision = decide(model.request("stage", "r", key_version="k1"), model.seen("k1"))
    assert decision.reached == "pending"
    with pytest.raises(RunbookError, match=r"version k9: there is no such version; the newest is k2"):
        decide(model.request("stage", "r", key_version="k9"), model.seen("k9"))


def test_one_rotation_brings_one_credential() -> None:
    model = Model(keys=(GOOD,))
    model.run("stage", "r")
    request = replace(model.request("stage", "r"), credential_id="another")
    with pytest.raises(RunbookError) as refused:
        decide(request, model.seen())
    assert refused.value.code == "VD-ROTATION-010" and "key-r of rotation r" in str(refused.value)


def test_a_pending_rotation_is_named_with_its_time() -> None:
    model = Model(keys=(GOOD,))
    model.run("stage", "b")
    with pytest.raises(RunbookError, match=r"key-b of rotation b, since 2026-11-25T12:00:00.000000Z"):
        decide(model.request("stage", "r"), model.seen())


def test_what_is_deleted_shows_only_its_newest_version() -> None:
    """So a retirement waits until the other versions show."""
    model = Model(keys=(GOOD,))
    model.add(SECRET, model.version("a"))
    for phase in PHASES[:-1]:
        model.run(phase, "r")
    model.secrets[SECRET] = replace(model.secrets[SECRET], deleted=True)
    model.now += OVERLAP
    assert model.seen().current == Secret(versions=model.secrets[SECRET].versions[:1], deleted=True)
    first = model.run("retire", "r")
    assert isinstance(first, Decision) and [change.action for change in first.changes] == ["recover"]
    second = model.run("retire", "r")
    assert isinstance(second, Decision) and second.reached == "retired"
