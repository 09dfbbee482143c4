"""Several runbooks in one job.

They run one after the other, and each observes, plans, applies and verifies as if it ran alone.

1. The job holds the lock of its instance (runbook_lib.deployment_lock) from before the first part to after the last. It
   has no right to the lock of the subscription, which is in the publisher's storage.
2. Each part is a separate run: it has its own run id, events and reports. Only the result line is the chain's.
3. No part begins after a failed part, after a stop, or without the lock. If the lock is lost, the present part begins
   no further change.
4. Nothing records how far a chain got. If the job was killed, it is started again, and each part finds out what is left
   to do.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from runbook_lib.automation.account import AutomationAccount
from runbook_lib.context import Context
from runbook_lib.deployment_lock.content import DeploymentJobs
from runbook_lib.deployment_lock.former_jobs import RUNBOOKS, end_former_jobs
from runbook_lib.deployment_lock.instance import instance_place, lock_policy
from runbook_lib.deployment_lock.lapse import LEASE_SECONDS
from runbook_lib.deployment_lock.lock import FORMER_JOBS, DeploymentLock, holding
from runbook_lib.errors import RunbookError
from runbook_lib.errors import run as run_errors
from runbook_lib.one_run import Frame, OneRun
from runbook_lib.permissions.model import Permission
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.run.result import RunResult
from runbook_lib.runbook import Runbook, RunbookRun

# The lease of a killed job ends within LEASE_SECONDS. The job that is started in its place waits for that.
WAIT_SECONDS = LEASE_SECONDS + 15


@dataclass(frozen=True, kw_only=True)
class ChainParameters(CommonParameters):
    """The parameters of every chain."""

    wait_seconds: int = field(
        default=WAIT_SECONDS, metadata={"help": "how long to wait if another deployment holds the instance's lock"}
    )

    def __post_init__(self) -> None:
        """Check the wait. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if self.wait_seconds < 0:
            raise run_errors.MALFORMED_PARAMETER.error("takes a number of seconds, from 0 up", target="wait_seconds")


C = TypeVar("C", bound=ChainParameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[C]):
    """One runbook of a chain. `parameters` returns the runbook's parameters from the chain's parameters."""

    runbook: Runbook[Any, Any]
    parameters: Callable[[C], CommonParameters]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Generic[C]):
    """Runbooks that run in one job, in the order of `parts`. The other fields are the same as those of Runbook."""

    name: str
    summary: str
    parameters: type[C]
    parts: tuple[Part[C], ...]

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """The permissions of its parts. It needs them beside EVERY_RUNBOOK."""
        return tuple(dict.fromkeys(each for part in self.parts for each in part.runbook.permissions))

    def exit_code(self, frame: Frame, run_id: str, arguments: Sequence[str]) -> int:
        """Run with a process's arguments, print the result line, and return the exit code."""
        return _ChainRun(self, frame, run_id=run_id).exit_code(arguments)


class _ChainRun(OneRun[C]):
    """One run of a chain."""

    def __init__(self, chain: Chain[C], frame: Frame, *, run_id: str) -> None:
        super().__init__(chain, frame, run_id=run_id)
        self._chain = chain

    def _carry_out(self, context: Context, parameters: C) -> None:
        given = replace(parameters, correlation_id=context.correlation_id)
        # The parts use one identity, so its tokens are requested only once.
        frame = replace(self._frame, credential=context.clients.credential)
        if self._plan_only:
            self._plan_parts(given, frame)
            return
        with self._locked(context, given) as lock:
            self._frame.stop.defer()
            frame = replace(frame, stop_asked=lambda: self._frame.stop_asked() or lock.is_lost())
            for part in self._chain.parts:
                if self._frame.stop_asked():
                    raise run_errors.STOPPED.error(f"{part.runbook.name} and the runbooks after it were not begun")
                lock.begin(part.runbook.name)
                ended = self._run_part(part, given, frame)
                lock.check()  # if the lock was lost, changes were left out
                if ended.error is not None:
                    raise ended.error

    def _plan_parts(self, given: C, frame: Frame) -> None:
        """Let each part plan. No part can know what it would find after changes that were not made."""
        for part in self._chain.parts:
            is_first = not any(before.to_change for before in self._parts)
            ended = self._run_part(part, given, frame, tells=is_first)
            if ended.error is None:
                continue
            if is_first:
                raise ended.error
            self._output.info(
                f"{part.runbook.name} cannot plan before the changes above are made ({ended.error.code});"
                " what it and the runbooks after it would do is not known yet"
            )
            return

    def _run_part(self, part: Part[C], given: C, frame: Frame, *, tells: bool = True) -> RunResult:
        run = RunbookRun(part.runbook, frame, run_id=str(frame.new_id()))
        ended = run.result(lambda: part.parameters(given), tells=tells)
        self._parts = (*self._parts, ended)
        self._results = (*self._results, *ended.results)
        return ended

    @contextmanager
    def _locked(self, context: Context, given: C) -> Iterator[DeploymentLock]:
        """Hold the instance's lock. The block begins when no job of an earlier deployment runs any more."""
        settings = context.settings
        lock = DeploymentLock(
            who=f"runbook {self._chain.name}, run {context.run_id}",
            jobs=DeploymentJobs(
                correlation_id=context.correlation_id,
                resource_group=settings.resource_group,
                automation_account=settings.automation_account,
            ),
            clock=context.clock,
            report=self._tell_of_lock,
        )
        place = instance_place(
            settings,
            context.clients.credential,
            retry_policy=lambda: lock_policy(context.retry_policy()),
            clock=context.clock,
        )
        with holding(lock, [place], wait_seconds=given.wait_seconds):
            former = lock.former_jobs()
            if former:
                lock.begin(FORMER_JOBS)
            for jobs in former:
                # If the content has our own correlation id, Automation has started this job again. It must not wait for
                # itself.
                own = self._chain.name if jobs.correlation_id == context.correlation_id else ""
                end_former_jobs(
                    AutomationAccount(client=context.clients.automation, settings=settings),
                    jobs.correlation_id,
                    runbooks=[name for name in RUNBOOKS if name != own],
                    stop=False,
                    check=lock.check,
                    report=self._tell_of_lock,
                    clock=context.clock,
                )
            lock.former_jobs_ended()
            yield lock

    def _tell_of_lock(self, line: str) -> None:
        warning = line.removeprefix("WARNING: ")
        if warning != line:
            self._output.warning(warning)
        else:
            self._output.info(line)

    def _tell_failure(self, error: RunbookError) -> None:
        if all(error is not part.error for part in self._parts):
            super()._tell_failure(error)

    def _tell_publisher(self, context: Context, result: RunResult) -> None:
        """Do nothing: each part has told the publisher how it ended."""
