"""One run in this process: settings, identity, log, failures, result line. A subclass does the work in between."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from traceback import format_exception
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from uuid import UUID

from runbook_lib.azure.clients import STORAGE_SCOPE, AzureClients
from runbook_lib.azure.identity import credential
from runbook_lib.azure.settings import Settings, automation_variable, load
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Plan, Result
from runbook_lib.component_registry.identity import compare_identity
from runbook_lib.component_registry.policies import network_retry_policy_in_force
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError
from runbook_lib.errors import run as run_errors
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.network.trouble import once_in_a_while
from runbook_lib.operations_log.events import RunIdentity
from runbook_lib.operations_log.journal import Journal
from runbook_lib.run.output import JobOutput
from runbook_lib.run.parameters import CommonParameters, HelpWanted, help_text, parse
from runbook_lib.run.result import Report, RunResult, failure_of, result_line
from runbook_lib.run.stopping import StopRequest
from runbook_lib.version import RUNBOOK_VERSION

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

EXIT_DONE = 0
UNREAD_TABLES = (
    "the network retry policy cannot be read, the default is used, and the identity of the instance was not compared"
)

P = TypeVar("P", bound=CommonParameters)
P_co = TypeVar("P_co", bound=CommonParameters, covariant=True)


class Described(Protocol[P_co]):
    """What every program of the suite says about itself. A program is a runbook, or a chain of runbooks."""

    @property
    def name(self) -> str:
        """The published name, e.g. `import_images`."""
        ...

    @property
    def summary(self) -> str:
        """One line for --help."""
        ...

    @property
    def parameters(self) -> type[P_co]:
        """The type of its parameters."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The process of a run. The parts of a chain run in the frame of the chain.

    Attributes:
        environ: The environment.
        output: The job's output.
        redactor: Masks secrets.
        clock: Gives the time.
        stop: The requests to stop.
        stop_asked: Whether no new change may begin.
        new_id: Makes run ids.
        credential: The credential to use, None to make one from the settings and the environment.
    """

    environ: Mapping[str, str]
    output: JobOutput
    redactor: Redactor
    clock: Clock
    stop: StopRequest
    stop_asked: Callable[[], bool]
    new_id: Callable[[], UUID]
    credential: "TokenCredential | None" = None


class OneRun(ABC, Generic[P]):
    """One run, from its parameters to its result. `run_id` is a UUID of this run alone."""

    def __init__(self, described: Described[P], frame: Frame, *, run_id: str) -> None:
        self._described = described
        self._frame = frame
        self._output = frame.output
        self._clock = frame.clock
        self._run_id = run_id
        self._correlation_id = str(frame.new_id())
        self._started = frame.clock.monotonic()
        self._tell = once_in_a_while(frame.output.info, frame.clock)
        self._policy = NetworkRetryPolicy(tell=self._tell)
        # The things that could not be read at the beginning, and why. They are reported at the end, unless the run's
        # own failure has reported them.
        self._identity_trouble: RunbookError | None = None
        self._policy_trouble: RunbookError | None = None
        self._journal = Journal(output=frame.output, redactor=frame.redactor)
        self._context: Context | None = None
        self._deployment_id = ""
        self._plan = Plan()
        self._plan_only = False
        self._results: Sequence[Result] = ()
        self._report: Report = {}
        self._parts: Sequence[RunResult] = ()

    @abstractmethod
    def _carry_out(self, context: Context, parameters: P) -> None:
        """Do the work of the run, and keep its plan, its results and its report."""

    @abstractmethod
    def _tell_publisher(self, context: Context, result: RunResult) -> None:
        """Send or keep the run's reports. Raises nothing."""

    def exit_code(self, arguments: Sequence[str]) -> int:
        """Run with a process's arguments, print the result line, and return the exit code."""
        described = self._described
        try:
            result = self.result(lambda: parse(described.parameters, arguments))
        except HelpWanted:
            self._output.info(help_text(described.name, described.summary, described.parameters))
            return EXIT_DONE
        self._output.result(result_line(result, self._frame.redactor.redact))
        return result.exit_code

    def result(self, parameters: Callable[[], P], *, tells: bool = True) -> RunResult:
        """Run, and return the result. `tells` says that a failure is shown. Raises HelpWanted, if `parameters` does."""
        error: RunbookError | None = None
        # A stop raises KeyboardInterrupt only until `defer`. So none can come later and prevent the result.
        try:
            try:
                self._run(parameters())
                error = failure_of(self._results, stopped=self._frame.stop_asked())
            except HelpWanted:
                raise
            except (Exception, SystemExit) as caught:  # noqa: BLE001 - the last place that can report it
                error = self._name(caught)
            finally:
                self._frame.stop.defer()
        except KeyboardInterrupt:
            error = run_errors.STOPPED.error("nothing was changed yet")
        return self._finish(error, tells=tells)

    def _run(self, parameters: P) -> None:
        self._deployment_id = parameters.correlation_id
        self._correlation_id = self._deployment_id or self._correlation_id
        self._plan_only = parameters.plan_only
        ids = f"run {self._run_id}, correlation {self._correlation_id}"
        how = f"{parameters.mode}, started by {parameters.starter}"
        self._output.info(f"{self._described.name} {RUNBOOK_VERSION}: {how}, {ids}")
        settings = load(parameters.settings, self._frame.environ, automation_variable())
        self._context = context = self._make_context(settings, parameters.starter)
        self._read_policy(context)
        self._carry_out(context, parameters)

    def _make_context(self, settings: Settings, started_by: str) -> Context:
        clients = AzureClients(
            settings=settings,
            credential=self._frame.credential or credential(settings, self._frame.environ, clock=self._clock),
            retry_policy_source=lambda: self._policy,
            clock=self._clock,
        )
        # Ask for a token first. Without a token nothing works, and each service would fail with other words.
        clients.credential.get_token(STORAGE_SCOPE)
        # Compare this before anything is logged or reported. If the settings mix two instances, neither is changed.
        self._identity_trouble = compare_identity(clients.table_service, settings)
        if not self._plan_only:
            self._journal.open_log(
                RunIdentity(
                    run_id=self._run_id,
                    correlation_id=self._correlation_id,
                    runbook=self._described.name,
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
            redactor=self._frame.redactor,
            retry_policy=lambda: self._policy,
            run_id=self._run_id,
            correlation_id=self._correlation_id,
            record=self._journal.record,
            deliver_log=self._journal.deliver,
        )

    def _read_policy(self, context: Context) -> None:
        if self._identity_trouble is not None:
            return  # the tables cannot be read: another request would only take the time again
        policy, warning, self._policy_trouble = network_retry_policy_in_force(context.clients.table_service)
        self._policy = replace(policy, tell=self._tell)
        if warning:
            self._output.warning(warning)

    def _finish(self, error: RunbookError | None, *, tells: bool) -> RunResult:
        # The output shows the cause first. Reports and events that wait because of it are mentioned afterwards.
        if error is not None and tells:
            self._tell_failure(error)
        result = self._result(error)
        self._journal.warn_of(UNREAD_TABLES, self._identity_trouble)
        self._journal.warn_of("the network retry policy cannot be read, the default is used", self._policy_trouble)
        if self._context is not None and not self._plan_only:
            self._tell_publisher(self._context, result)
        result = replace(result, duration_ms=self._duration_ms())
        self._journal.finish(result)
        return result

    def _tell_failure(self, error: RunbookError) -> None:
        self._journal.tell_failure(error)

    def _result(self, error: RunbookError | None) -> RunResult:
        return RunResult(
            runbook=self._described.name,
            version=RUNBOOK_VERSION,
            correlation_id=self._correlation_id,
            run_id=self._run_id,
            plan=self._plan,
            results=self._results,
            planned_only=self._plan_only,
            report=self._report,
            error=error,
            duration_ms=self._duration_ms(),
            parts=self._parts,
        )

    def _duration_ms(self) -> int:
        return round((self._clock.monotonic() - self._started) * 1000)

    def _name(self, error: BaseException) -> RunbookError:
        named = as_runbook_error(error)
        if named is None:
            self._output.verbose("".join(format_exception(error)))
            named = run_errors.UNEXPECTED.error(type(error).__name__)
        return named
