"""The cases of the proof: what each does, and its result."""

import hashlib
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from bench.proofs.chain import ACTS, Chain, step_alone
from bench.proofs.end_state import DELIVERED_PLACE, State, differences, end_state, without_report
from bench.proofs.logged_writes import unlogged_writes
from bench.proofs.moments import Moment, moment_of
from bench.proofs.run import Ran, deploy, failure, run
from bench.proofs.sources import digest_of_today
from bench.proofs.world import LOCKS, World
from tests.support.lock_race import race, race_of_processes
from tests.support.lock_rig import holder
from vibedata.deployment.chain import STEPS

UNDISTURBED, KILLED, WHOLE, RACE = "undisturbed", "killed", "killed, all steps again", "race"
TROUBLES: Mapping[str, Mapping[str, object]] = {
    "answer lost": {"action": "reset_after"},
    "connection reset": {"action": "reset_before"},
    "429": {"action": "throttle", "seconds": 1},
    "503": {"action": "status", "status": 503},
}
# Every EVERYth of the similar requests meets trouble, beginning with the first, second or third. It is sent again, and
# this counts as a request, too. So TURNS runs together disturb each request, and no request fails so often that the
# policy's retries run out.
TURNS, EVERY = 3, 4
RACES, ROUNDS = 10, 100
KILLED_BY_SIGNAL = -9
SEPARATOR = " / "


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One case.

    Attributes:
        proof: The kind of trouble.
        step: A step of the chain or the renewal, "" for a race.
        at: The name of a moment, or the number of the turn or race.
    """

    proof: str
    step: str
    at: str

    def __str__(self) -> str:
        """Return its name. `make proof CASE=...` takes this name."""
        return SEPARATOR.join((self.proof, self.step, self.at))

    @property
    def turn(self) -> int:
        """A number that depends only on the name. It decides the order of the cases, and their shard."""
        return int(hashlib.sha256(str(self).encode()).hexdigest()[:12], 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The result of one case.

    Attributes:
        sources: The digest of the sources that it was done with.
        ended: When the case ended: UTC, ISO 8601. A record of an earlier version of the proof has none.
        met: How many requests met trouble, or the rounds of a race.
        where: The process that was killed.
        problems: What was wrong, empty if all was right.
        made: The number of requests of an undisturbed step.
        writes: The number of writes of an undisturbed step.
        moments: The moments of an undisturbed step.
    """

    proof: str
    step: str
    at: str
    sources: str
    seconds: float
    ended: str = ""
    met: int = 0
    where: str = ""
    problems: list[str] = field(default_factory=list)
    made: int = 0
    writes: int = 0
    moments: list[str] = field(default_factory=list)

    @property
    def case(self) -> Case:
        """The case."""
        return Case(self.proof, self.step, self.at)

    def as_json(self) -> dict[str, Any]:
        """Return the record as it is kept."""
        return asdict(self)


class Prover:
    """Does cases in one world."""

    def __init__(self, world: World) -> None:
        """Begin without undisturbed runs. Each step is done undisturbed when a case first needs it."""
        self._world = world
        self._chain = Chain(world)

    def undisturbed(self, step: str) -> Record:
        """Do a step without trouble, unless this was done already."""
        started = time.monotonic()
        found = self._chain.undisturbed(step)
        return Record(
            proof=UNDISTURBED,
            step=step,
            at="",
            sources=digest_of_today(),
            seconds=_since(started),
            ended=_now(),
            problems=list(found.problems),
            made=found.made,
            writes=found.writes,
            moments=list(map(str, found.moments)),
        )

    def prove(self, case: Case) -> Record:
        """Do one case. Raises ValueError if its name is not the name of a case."""
        started = time.monotonic()
        try:
            ended = self._ended(case)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            ended = {"problems": [f"it did not end: {error}"]}
        return Record(**asdict(case), sources=digest_of_today(), seconds=_since(started), ended=_now(), **ended)

    def _ended(self, case: Case) -> dict[str, Any]:
        """Return the parts of a record that tell how the case ended."""
        if case.proof == RACE:
            return self._race(int(case.at))
        if case.proof in (KILLED, WHOLE):
            return self._killed(case.step, moment_of(case.at), all_steps=case.proof == WHOLE)
        return self._troubled(TROUBLES[case.proof], case.step, int(case.at))

    def _killed(self, step: str, moment: Moment, *, all_steps: bool) -> dict[str, Any]:
        """Kill the process that makes the request, right after it. Then run the same command again, or all steps."""
        world = self._world
        wanted = self._chain.undisturbed(STEPS[-1] if all_steps else step).state
        self._chain.put_back(step)
        fault = {"action": "kill_client", "match": {**moment.request.match(), "nth": moment.count}}
        first = run(world, deploy(world, "--from", step) if all_steps else step_alone(world, step), [fault])
        if not first.met:  # the number of some requests depends on the machine
            return {"problems": self._problems([first], wanted)}
        (met,) = first.met
        if first.exit_code == KILLED_BY_SIGNAL:
            # Its last job may still run. The next run has to wait for it.
            world.end_leases(only=LOCKS)
        else:
            world.wait_for_jobs()
            world.end_leases()
        world.end_claims()
        again = run(world, deploy(world) if all_steps else step_alone(world, step))
        # The reported steps depend on which commands ran.
        left_out = [DELIVERED_PLACE] if all_steps else []
        # If a job was killed after its last change, the command sees that nothing is left to do, and starts no
        # job. Then the instance does not report this step.
        unreported = "" if any(entry["job_id"] for entry in again.requests) else step
        problems = self._problems([first, again], wanted, left_out=left_out, unreported=unreported)
        return {"met": 1, "where": self._who(met), "problems": problems}

    def _troubled(self, trouble: Mapping[str, object], step: str, turn: int) -> dict[str, Any]:
        """Disturb every EVERYth request of each kind, beginning with the `turn`th. The run must still succeed."""
        undisturbed = self._chain.undisturbed(step)
        self._chain.put_back(step)
        troubles = [
            {**trouble, "times": 0, "match": {**request.match(), "nth": turn, "every": EVERY}}
            for request in undisturbed.requests
        ]
        ran = run(self._world, step_alone(self._world, step), troubles)
        return {"met": len(ran.met), "problems": self._problems([ran], undisturbed.state)}

    def _race(self, number: int) -> dict[str, Any]:
        """Let two deployments race for the lock: with two threads in odd cases, with two processes in even ones."""
        lab = self._world.lab
        problems: list[str] = []
        try:
            if number % 2:
                race(lab, ROUNDS)
            else:
                with holder(lab) as one, holder(lab) as other:
                    race_of_processes([one, other], ROUNDS)
        except AssertionError as error:
            problems = [str(error)]
        return {"met": ROUNDS, "problems": problems}

    def _problems(
        self, runs: Sequence[Ran], wanted: State, *, left_out: Sequence[str] = (), unreported: str = ""
    ) -> list[str]:
        found = end_state(self._world)
        compared = [
            without_report({name: told for name, told in state.items() if name not in left_out}, unreported)
            for state in (found, wanted)
        ]
        return [
            *failure("the last run", runs[-1]),
            *differences(*compared),
            *unlogged_writes(self._world, [entry for ran in runs for entry in ran.requests]),
        ]

    def _who(self, met: Mapping[str, Any]) -> str:
        jobs: dict[str, str] = {job["id"]: job["runbook"] for job in self._world.lab.control("GET", "/jobs")["jobs"]}
        return "operator" if met["job_id"] is None else jobs[met["job_id"]]


def cases_of_step(step: str, moments: Sequence[str]) -> Iterator[Case]:
    """Yield the cases of a step with these moments, in no order."""
    killed = [Case(KILLED, step, moment) for moment in moments]
    yield from killed
    if step in STEPS:
        # One moment is enough for this: the work of the other steps depends only on the state.
        yield from (Case(WHOLE, step, case.at) for case in sorted(killed, key=lambda case: case.turn)[:1])
    yield from (Case(trouble, step, str(turn)) for trouble in TROUBLES for turn in range(1, TURNS + 1))


def races() -> Iterator[Case]:
    """Yield the cases of the race."""
    yield from (Case(RACE, "", str(number)) for number in range(1, RACES + 1))


def case_of(name: str) -> Case:
    """Return the case of a name. Raises ValueError."""
    proof, step, at = name.split(SEPARATOR, 2)
    case = Case(proof, step, at)
    if proof not in (KILLED, WHOLE, *TROUBLES, RACE) or step not in (*ACTS, "") or (proof == RACE) != (step == ""):
        raise ValueError(f"{name!r} is no case")
    return case


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
