"""The type of a runbook (a few functions), and the one `main` that runs it."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, Protocol, TypeVar
from uuid import UUID, uuid4

from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock
from runbook_lib.basics.redaction import MIN_SECRET_LENGTH, Redactor
from runbook_lib.callbacks.delivery import Callbacks, tell_publisher
from runbook_lib.change import Action, Plan, Result
from runbook_lib.context import Context
from runbook_lib.engine import Work, apply_plan
from runbook_lib.one_run import Frame, OneRun
from runbook_lib.operations_log.entries import no_events
from runbook_lib.operations_log.events import TABLE, Entry
from runbook_lib.permissions.model import Permission
from runbook_lib.run.output import JobOutput, library_messages
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.run.result import Report, RunResult, no_report
from runbook_lib.run.stopping import stop_request

P = TypeVar("P", bound=CommonParameters)
F = TypeVar("F")


class Program(Protocol):
    """What `main` runs: a runbook, or a chain of runbooks (runbook_lib.chain)."""

    def exit_code(self, frame: Frame, run_id: str, arguments: Sequence[str]) -> int:
        """Run with a process's arguments, print the result line, and return the exit code."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook(Generic[P, F]):
    """One runbook.

    Attributes:
        name: The published name, e.g. `import_images`.
        summary: One line for --help.
        parameters: The type of its parameters.
        observe: Reads the world and returns facts. It writes nothing.
        plan: Returns the changes, from facts. It is pure. It raises RunbookError to refuse.
        actions: Returns how each kind of change is made and seen. It is called once.
        report: Returns counts and names that the result shows beside the changes. It is pure.
        events: Returns events for the log beside a change's own event.
        callbacks: The reports to the publisher, None for none.
        permissions: The permissions that it needs beside EVERY_RUNBOOK.
    """

    name: str
    summary: str
    parameters: type[P]
    observe: Callable[[Context, P], F]
    plan: Callable[[F], Plan]
    actions: Callable[[Context, F], Sequence[Action[Any]]]
    report: Callable[[F, Sequence[Result]], Report] = no_report
    events: Callable[[F, Result], Sequence[Entry]] = no_events
    callbacks: Callbacks[F] | None = None
    permissions: tuple[Permission, ...] = ()

    def exit_code(self, frame: Frame, run_id: str, arguments: Sequence[str]) -> int:
        """Run with a process's arguments, print the result line, and return the exit code."""
        return RunbookRun(self, frame, run_id=run_id).exit_code(arguments)


def main(
    program: Program,
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    stream: BinaryIO | None = None,
    clock: Clock = SYSTEM_CLOCK,
    new_id: Callable[[], UUID] = uuid4,
) -> int:
    """Run `program` and return the process's exit code: 0 done, 1 failed, 2 bad parameters or settings, 3 lock held.

    `argv` (without the program's name) and `environ` are by default the process's own, and `stream` is stdout. `new_id`
    makes run ids. This function raises nothing, and the last line of output is always the result. A run with plan_only
    writes nothing but its output: no event, no blob.
    """
    environ = os.environ if environ is None else environ
    redactor = Redactor()
    # Anybody on the sandbox's network who knows this header could ask for vibedata-uami's tokens.
    if len(environ.get("IDENTITY_HEADER", "")) >= MIN_SECRET_LENGTH:
        redactor.learn(environ["IDENTITY_HEADER"])
    run_id = str(new_id())
    output = JobOutput(
        sys.stdout.buffer if stream is None else stream,
        redactor=redactor,
        clock=clock,
        full_record=f"table {TABLE}, RunId {run_id}",
    )
    with stop_request() as stop, library_messages(output):
        frame = Frame(
            environ=environ,
            output=output,
            redactor=redactor,
            clock=clock,
            stop=stop,
            stop_asked=stop.asked,
            new_id=new_id,
        )
        return program.exit_code(frame, run_id, sys.argv[1:] if argv is None else argv)


class RunbookRun(OneRun[P], Generic[P, F]):
    """One run of a runbook: observe, plan, apply."""

    def __init__(self, runbook: Runbook[P, F], frame: Frame, *, run_id: str) -> None:
        super().__init__(runbook, frame, run_id=run_id)
        self._runbook = runbook
        self._facts: tuple[F] | tuple[()] = ()

    def _carry_out(self, context: Context, parameters: P) -> None:
        facts = self._runbook.observe(context, parameters)
        self._facts = (facts,)
        self._plan = self._runbook.plan(facts)
        self._output.info(f"{len(self._plan.changes)} to change, {len(self._plan.unchanged)} already right")
        if self._plan_only:
            self._journal.show_plan(self._plan)
        elif self._plan.changes:
            self._frame.stop.defer()
            self._results = self._apply(context, facts)
        self._report = self._runbook.report(facts, self._results)

    def _apply(self, context: Context, facts: F) -> list[Result]:
        self._journal.write_plan_ahead(self._plan)
        return apply_plan(
            self._plan,
            Work(
                actions=self._runbook.actions(context, facts),
                as_runbook_error=self._name,
                retry_policy=context.retry_policy,
                clock=self._clock,
                stop_asked=self._frame.stop_asked,
            ),
            on_result=lambda result: self._on_result(facts, result),
            on_stage_end=self._journal.flush,
            on_progress=lambda progress: self._output.progress(str(progress)),
        )

    def _on_result(self, facts: F, result: Result) -> None:
        self._journal.tell_result(result)
        for entry in self._runbook.events(facts, result):
            self._journal.record(entry)

    def _tell_publisher(self, context: Context, result: RunResult) -> None:
        tell_publisher(
            context,
            self._runbook.callbacks,
            self._facts,
            result,
            deployment_id=self._deployment_id,
            new_id=self._frame.new_id,
            may_send=not self._frame.stop_asked(),
        )
