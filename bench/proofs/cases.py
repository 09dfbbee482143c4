"""The cases of the proof: what is done in each, and what it came to."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

from bench.proofs.end_state import State, differences, end_state
from bench.proofs.logged_writes import unlogged_writes
from bench.proofs.run import Ran, deploy, is_write, run
from bench.proofs.world import LOCKS, World
from tests.support.lock_race import race, race_of_processes
from tests.support.lock_rig import holder

UNDISTURBED, KILLED, RACE = "undisturbed", "killed", "race"
# Of a run in which trouble comes again and again, each so manieth request meets it: no request meets it so often that
# the retries of the policy come to their end.
STRIDE = 20
TROUBLES: Mapping[str, Mapping[str, object]] = {
    "answer lost": {"action": "reset_after"},
    "connection reset": {"action": "reset_before"},
    "429": {"action": "throttle", "seconds": 1},
    "503": {"action": "status", "status": 503},
}
RACES, ROUNDS = 10, 100
KILLED_BY_SIGNAL = -9
# The order of cases: those far apart come first, so that a part of them is a sample of the whole.
ORDER_BITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one case came to.

    proof, number: which case. met: so many requests met trouble; of a race, rounds. where: who was killed, and the
    request. problems: what was not as it must be, empty for nothing. requests, writes: of an undisturbed run.
    """

    proof: str
    number: int
    seconds: float
    met: int = 0
    where: str = ""
    problems: list[str] = field(default_factory=list)
    requests: int = 0
    writes: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the record as it is kept."""
        return asdict(self)


class Prover:
    """Does cases in one world. It begins with an undisturbed run, with which all others are compared."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._undisturbed: State = {}

    def undisturbed(self) -> Record:
        """Deploy without trouble."""
        started = time.monotonic()
        self._world.renew()
        ran = run(self._world, deploy(self._world))
        self._undisturbed = end_state(self._world)
        return Record(
            proof=UNDISTURBED,
            number=0,
            seconds=_since(started),
            requests=len(ran.requests),
            writes=sum(map(is_write, ran.requests)),
            problems=[*_failure("the run", ran), *unlogged_writes(self._world, ran.requests)],
        )

    def prove(self, proof: str, number: int) -> Record:
        """Do one case."""
        if proof == RACE:
            return self._race(number)
        self._world.renew()
        return self._killed(number) if proof == KILLED else self._troubled(proof, number)

    def _killed(self, number: int) -> Record:
        """Kill whoever makes the request of this number right after it, and run the same command again."""
        started, world = time.monotonic(), self._world
        first = run(world, deploy(world), {"action": "kill_client", "match": {"nth": number}})
        if not first.met:  # how often a run looks depends on the machine: it may have ended before
            return self._ended(KILLED, number, started, first, first)
        (met,) = first.met
        if first.exit_code == KILLED_BY_SIGNAL:
            # Its last job may run on. The next run has to wait for it.
            world.end_leases(only=LOCKS)
        else:
            world.wait_for_jobs()
            world.end_leases()
        again = run(world, deploy(world))
        return self._ended(KILLED, number, started, first, again, where=_where(world, met))

    def _troubled(self, proof: str, number: int) -> Record:
        """Let each STRIDEth request meet trouble, from the one of this number on. The run must get over it."""
        started = time.monotonic()
        trouble = {**TROUBLES[proof], "times": 0, "match": {"nth": number, "every": STRIDE}}
        ran = run(self._world, deploy(self._world), trouble)
        return self._ended(proof, number, started, ran, ran)

    def _race(self, number: int) -> Record:
        """Let two deployments race for the lock: with two threads in odd cases, with two processes in even ones."""
        started, lab = time.monotonic(), self._world.lab
        problems: list[str] = []
        try:
            if number % 2:
                race(lab, ROUNDS)
            else:
                with holder(lab) as one, holder(lab) as other:
                    race_of_processes([one, other], ROUNDS)
        except AssertionError as error:
            problems = [str(error)]
        return Record(proof=RACE, number=number, seconds=_since(started), met=ROUNDS, problems=problems)

    def _ended(self, proof: str, number: int, started: float, first: Ran, last: Ran, *, where: str = "") -> Record:
        requests = first.requests if last is first else [*first.requests, *last.requests]
        problems = [
            *_failure("the last run", last),
            *differences(end_state(self._world), self._undisturbed),
            *unlogged_writes(self._world, requests),
        ]
        return Record(
            proof=proof,
            number=number,
            seconds=_since(started),
            met=len(first.met),
            where=where,
            problems=problems,
        )


def cases(requests: int) -> Iterator[tuple[str, int]]:
    """Yield the cases of a deployment of so many requests: of each proof in turn, those far apart first."""
    counts: Mapping[str, int] = {KILLED: requests, **dict.fromkeys(TROUBLES, STRIDE), RACE: RACES}
    in_order = [
        [(proof, number) for number in sorted(range(1, count + 1), key=_turn)] for proof, count in counts.items()
    ]
    for turn in zip_longest(*in_order):
        yield from filter(None, turn)


def _turn(number: int) -> int:
    """Return the number with its bits the other way round."""
    return int(f"{number:0{ORDER_BITS}b}"[::-1], 2)


def _where(world: World, met: Mapping[str, Any]) -> str:
    jobs: dict[str, str] = {job["id"]: job["runbook"] for job in world.lab.control("GET", "/jobs")["jobs"]}
    return "operator" if met["job_id"] is None else jobs[met["job_id"]]


def _failure(what: str, ran: Ran) -> list[str]:
    return [] if ran.exit_code == 0 else [f"{what} ended with {ran.exit_code}: {ran.said}"]


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)
