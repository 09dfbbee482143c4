"""What a runbook is (a few functions), and the one `main` that runs it."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Generic, TypeVar
from uuid import UUID, uuid4

from runbook_lib.azure.clients import STORAGE_SCOPE, AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.settings import Settings, automation_variable, load
from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock
from runbook_lib.basics.redaction import MIN_SECRET_LENGTH, Redactor
from runbook_lib.callbacks.delivery import Callbacks, tell_publisher
from runbook_lib.change import Action, Plan, Result
from runbook_lib.component_registry.identity import compare_identity
from runbook_lib.component_registry.policies import network_retry_policy_in_force
from runbook_lib.context import Context
from runbook_lib.engine import Work, apply_plan
from runbook_lib.errors import RunbookError
from runbook_lib.errors import run as run_errors
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.network.trouble import once_in_a_while
from runbook_lib.operations_log.entries import no_events
from runbook_lib.operations_log.events import TABLE, Entry, RunIdentity
from runbook_lib.operations_log.journal import Journal
from runbook_lib.permissions.model import Permission
from runbook_lib.run.output import JobOutput, library_messages
from runbook_lib.run.parameters import CommonParameters, HelpWanted, help_text, parse
from runbook_lib.run.result import Report, RunResult, failure_of, no_report
from runbook_lib.run.stopping import StopRequest, stop_request
from runbook_lib.version import RUNBOOK_VERSION

EXIT_DONE = 0
UNREAD_TABLES = "the network retry policy cannot be read, the default holds, and nobody compared whose instance it is"

P = TypeVar("P", bound=CommonParameters)
F = TypeVar("F")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook(Generic[P, F]):
    """One runbook.

    name: as published, e.g. `import_images`. summary: one line for --help. observe: reads the world and writes nothing.
    plan: pure; facts to changes; refusals are RunbookErrors. actions: how each kind of change is made and seen; called
    once. report: what the result tells beside the changes; pure; counts and names. events: what the log tells beside a
    change's own event. callbacks: what the publisher is told. permissions: what it needs beside EVERY_RUNBOOK.
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


def main(
    runbook: Runbook[P, F],
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    stream: BinaryIO | None = None,
    clock: Clock = SYSTEM_CLOCK,
    new_id: Callable[[], UUID] = uuid4,
) -> int:
    """Run `runbook` and return the process's exit code: 0 done, 1 failed, 2 bad parameters or settings.

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
        run = _Run(
            runbook,
            environ=environ,
            output=output,
            redactor=redactor,
            clock=clock,
            stop=stop,
            run_id=run_id,
            correlation_id=str(new_id()),
            new_id=new_id,
        )
        return run.exit_code(sys.argv[1:] if argv is None else argv)


class _Run(Generic[P, F]):
    """One run, from its arguments to its result."""

    def __init__(
        self,
        runbook: Runbook[P, F],
        *,
        environ: Mapping[str, str],
        output: JobOutput,
        redactor: Redactor,
        clock: Clock,
        stop: StopRequest,
        run_id: str,
        correlation_id: str,
        new_id: Callable[[], UUID],
    ) -> None:
        self._runbook = runbook
        self._environ = environ
        self._output = output
        self._redactor = redactor
        self._clock = clock
        self._stop = stop
        self._run_id = run_id
        self._correlation_id = correlation_id
        self._new_id = new_id
        self._started = clock.monotonic()
        self._tell = once_in_a_while(output.info, clock)
        self._policy = NetworkRetryPolicy(tell=self._tell)
        # What could not be read beforehand, and why: told at the end, unless the run's own failure has told it.
        self._identity_trouble: RunbookError | None = None
        self._policy_trouble: RunbookError | None = None
        self._journal = Journal(output=output, redactor=redactor)
        self._context: Context | None = None
        self._deployment_id = ""
        self._facts: tuple[F] | tuple[()] = ()
        self._plan = Plan()
        self._plan_only = False
        self._results: Sequence[Result] = ()
        self._report: Report = {}

    def exit_code(self, arguments: Sequence[str]) -> int:
        """Run, print the result, and return the exit code."""
        error: RunbookError | None = None
        # A stop raises KeyboardInterrupt only until `defer`. So none can come later and prevent the result.
        try:
            try:
                self._run(arguments)
                error = failure_of(self._results, stopped=self._stop.asked())
            except HelpWanted:
                self._output.info(help_text(self._runbook.name, self._runbook.summary, self._runbook.parameters))
                return EXIT_DONE
            except (Exception, SystemExit) as caught:  # noqa: BLE001 - the last place that can report it
                error = self._name(caught)
            finally:
                self._stop.defer()
        except KeyboardInterrupt:
            error = run_errors.STOPPED.error("nothing was changed yet")
        return self._finish(error)

    def _run(self, arguments: Sequence[str]) -> None:
        parameters = parse(self._runbook.parameters, arguments)
        self._deployment_id = parameters.correlation_id
        self._correlation_id = self._deployment_id or self._correlation_id
        self._plan_only = parameters.plan_only
        ids = f"run {self._run_id}, correlation {self._correlation_id}"
        self._output.info(
            f"{self._runbook.name} {RUNBOOK_VERSION}: {parameters.mode}, started by {parameters.starter}, {ids}"
        )
        settings = load(parameters.settings, self._environ, automation_variable())
        self._context = context = self._make_context(settings, parameters.starter)
        self._read_policy(context)
        facts = self._runbook.observe(context, parameters)
        self._facts = (facts,)
        self._plan = self._runbook.plan(facts)
        self._output.info(f"{len(self._plan.changes)} to change, {len(self._plan.unchanged)} already right")
        if self._plan_only:
            self._journal.show_plan(self._plan)
        elif self._plan.changes:
            self._stop.defer()
            self._results = self._apply(context, facts)
        self._report = self._runbook.report(facts, self._results)

    def _make_context(self, settings: Settings, started_by: str) -> Context:
        clients = AzureClients(
            settings=settings,
            credential=credential(settings, self._environ, clock=self._clock),
            retry_policy_source=lambda: self._policy,
            clock=self._clock,
        )
        # Ask for a token first: without one nothing works, and each service would fail in its own words.
        clients.credential.get_token(STORAGE_SCOPE)
        # Before anything is logged or reported: where the settings mix two instances, nothing of either is touched.
        self._identity_trouble = compare_identity(clients.table_service, settings)
        if not self._plan_only:
            self._journal.open_log(
                RunIdentity(
                    run_id=self._run_id,
                    correlation_id=self._correlation_id,
                    runbook=self._runbook.name,
                    version=RUNBOOK_VERSION,
                    started_by=started_by,
                ),
                settings=settings,
                clients=clients,
                clock=self._clock,
            )
        return Context(
            settings=settings,
            clients=clients,
            clock=self._clock,
            output=self._output,
            redactor=self._redactor,
            retry_policy=lambda: self._policy,
            run_id=self._run_id,
            correlation_id=self._correlation_id,
            record=self._journal.record,
            deliver_log=self._journal.deliver,
        )

    def _read_policy(self, context: Context) -> None:
        if self._identity_trouble is not None:
            return  # the tables cannot be read: to ask again would only take the time again
        policy, warning, self._policy_trouble = network_retry_policy_in_force(context.clients.table_service)
        self._policy = replace(policy, tell=self._tell)
        if warning:
            self._output.warning(warning)

    def _apply(self, context: Context, facts: F) -> list[Result]:
        self._journal.write_plan_ahead(self._plan)
        return apply_plan(
            self._plan,
            Work(
                actions=self._runbook.actions(context, facts),
                as_runbook_error=self._name,
                retry_policy=context.retry_policy,
                clock=self._clock,
                stop_asked=self._stop.asked,
            ),
            on_result=lambda result: self._on_result(facts, result),
            on_stage_end=self._journal.flush,
            on_progress=lambda progress: self._output.progress(str(progress)),
        )

    def _on_result(self, facts: F, result: Result) -> None:
        self._journal.tell_result(result)
        for entry in self._runbook.events(facts, result):
            self._journal.record(entry)

    def _finish(self, error: RunbookError | None) -> int:
        # The output shows the cause first. Reports and events that wait because of it are mentioned afterwards.
        if error is not None:
            self._journal.tell_failure(error)
        result = self._result(error)
        self._journal.warn_of(UNREAD_TABLES, self._identity_trouble)
        self._journal.warn_of("the network retry policy cannot be read, the default holds", self._policy_trouble)
        self._tell_publisher(result)
        result = replace(result, duration_ms=self._duration_ms())
        self._journal.finish(result)
        return result.exit_code

    def _result(self, error: RunbookError | None) -> RunResult:
        return RunResult(
            runbook=self._runbook.name,
            version=RUNBOOK_VERSION,
            correlation_id=self._correlation_id,
            run_id=self._run_id,
            plan=self._plan,
            results=self._results,
            planned_only=self._plan_only,
            report=self._report,
            error=error,
            duration_ms=self._duration_ms(),
        )

    def _duration_ms(self) -> int:
        return round((self._clock.monotonic() - self._started) * 1000)

    def _tell_publisher(self, result: RunResult) -> None:
        if self._context is not None and not self._plan_only:
            tell_publisher(
                self._context,
                self._runbook.callbacks,
                self._facts,
                result,
                deployment_id=self._deployment_id,
                new_id=self._new_id,
                may_send=not self._stop.asked(),
            )

    def _name(self, error: BaseException) -> RunbookError:
        named = as_runbook_error(error)
        if named is None:
            self._output.verbose("".join(traceback.format_exception(error)))
            named = run_errors.UNEXPECTED.error(type(error).__name__)
        return named
