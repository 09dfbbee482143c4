"""Do the steps of a deployment and a renewal in one world, one after the other, and keep the state after each."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.proofs.end_state import State, end_state
from bench.proofs.logged_writes import unlogged_writes
from bench.proofs.moments import Moment, Request, moments, requests_of
from bench.proofs.run import Ran, command, deploy, failure, is_write, run
from bench.proofs.world import World
from vibedata.deployment.chain import STEPS

# The name of the snapshot before the first step. The snapshot after a step has the step's name.
EMPTY = "empty"
# After the deployment the certificate is renewed, until the vault has the new one. The rest of a renewal waits for
# hours. Tests kill it at each change (tests/wire/certificates).
RENEWAL = "renewal"
ACTS = (*STEPS, RENEWAL)
# Only in these steps the command's own requests are moments, because they are the same in every step.
WITH_COMMANDS_OWN = (STEPS[0], STEPS[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """How a step went without trouble, and the state that it has left.

    requests: its requests, each kind once. made, writes: how many requests it made, and how many of them change
        something.
    """

    state: State
    moments: Sequence[Moment]
    requests: Sequence[Request]
    made: int
    writes: int
    problems: Sequence[str]


class Chain:
    """The steps that were done without trouble so far. A step is done as soon as it is asked for."""

    def __init__(self, world: World) -> None:
        """Begin without a step."""
        self._world = world
        self._done: dict[str, Undisturbed] = {}

    def undisturbed(self, step: str) -> Undisturbed:
        """Return how a step went without trouble. Do the steps before it first."""
        for name in ACTS[: ACTS.index(step) + 1]:
            if name not in self._done:
                self._done[name] = self._do(name)
        return self._done[step]

    def put_back(self, step: str) -> None:
        """Go back to the end of the step before this one."""
        self._world.put_back(ACTS[ACTS.index(step) - 1] if step != ACTS[0] else EMPTY)

    def _do(self, step: str) -> Undisturbed:
        world = self._world
        if step == ACTS[0]:
            world.renew()
            world.keep(EMPTY)
        else:
            self.put_back(step)
        ran = run(world, step_alone(world, step))
        world.keep(step)
        return _undisturbed(world, step, ran)


def step_alone(world: World, step: str) -> Sequence[str]:
    """Return the command that does one step and reports it, or the command that begins the renewal."""
    return command("rotate-tls", "--now") if step == RENEWAL else deploy(world, "--only", step)


def _undisturbed(world: World, step: str, ran: Ran) -> Undisturbed:
    return Undisturbed(
        state=end_state(world),
        moments=moments(ran.requests, with_commands_own=step in WITH_COMMANDS_OWN),
        requests=requests_of(ran.requests),
        made=len(ran.requests),
        writes=sum(map(is_write, ran.requests)),
        problems=[*failure(f"the step {step}", ran), *unlogged_writes(world, ran.requests)],
    )
