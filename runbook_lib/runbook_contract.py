"""What a runbook is: four functions, and what a run hands to them (design section 2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.settings import Settings
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.change import Change, Plan, Result
from runbook_lib.network.retry import PolicySource
from runbook_lib.operations_log.events import Entry
from runbook_lib.run.output import JobOutput
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.run.result import Report, no_report

P = TypeVar("P", bound=CommonParameters)
F = TypeVar("F")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a run hands to its runbook's functions.

    redactor: tell it every secret as soon as it is read. retry_policy: the network retry policy in force, for requests
    that no SDK makes. run_id: a UUID of this run alone. correlation_id: of the deployment that started it. record:
    writes an event of what was observed, unless the run only plans and has no log. deliver_log: sends what the
    operations log has so far, and returns why ingestion did not take it: "" where it did, None where there is no log.
    """

    settings: Settings
    clients: AzureClients
    clock: Clock
    output: JobOutput
    redactor: Redactor
    retry_policy: PolicySource
    run_id: str
    correlation_id: str
    record: Callable[[Entry], None]
    deliver_log: Callable[[], str | None]


def no_events(_facts: object, _result: Result) -> Sequence[Entry]:
    """Return the events of a runbook whose changes' own events tell all."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook(Generic[P, F]):
    """One runbook.

    name: as published, e.g. `import_images`. summary: one line for --help. parameters: its parameters' dataclass.
    observe: reads the world and writes nothing. plan: pure; facts to changes; refusals are RunbookErrors. apply: makes
    one change, called by many threads at once; any exception is a failure of that change alone. look: returns what is
    observed at a change's target now, equal to `change.after` exactly when it is done; None for nothing. report: what
    the result tells beside the changes, of the facts as they are when the changes are made; counts and names. events:
    what the operations log tells beside a change's own event, once that change has been made or has failed. callbacks:
    what the publisher is told at the end.
    """

    name: str
    summary: str
    parameters: type[P]
    observe: Callable[[Context, P], F]
    plan: Callable[[F], Plan]
    apply: Callable[[Context, F, Change], None]
    look: Callable[[Context, F, Change], str | None]
    report: Callable[[F], Report] = no_report
    events: Callable[[F, Result], Sequence[Entry]] = no_events
    callbacks: Callbacks[F] | None = None
