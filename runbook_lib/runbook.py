"""What a runbook is: four functions, and the one `main` that runs them (design section 2)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from runbook_lib.azure_clients import AzureClients
from runbook_lib.change import Change, Plan
from runbook_lib.clock import Clock
from runbook_lib.parameters import CommonParameters
from runbook_lib.retry import PolicySource
from runbook_lib.secrets import Redactor
from runbook_lib.settings import Settings

if TYPE_CHECKING:
    from runbook_lib.output import JobOutput

P = TypeVar("P", bound=CommonParameters)
F = TypeVar("F")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a run hands to its runbook's functions.

    redactor: tell it every secret as soon as it is read. retry_policy: the network retry policy in force, for requests
    that no SDK makes. run_id: a UUID of this run alone. correlation_id: of the deployment that started it.
    """

    settings: Settings
    clients: AzureClients
    clock: Clock
    output: "JobOutput"
    redactor: Redactor
    retry_policy: PolicySource
    run_id: str
    correlation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook(Generic[P, F]):
    """One runbook.

    name: as published, e.g. `import_images`. summary: one line for --help. parameters: its parameters' dataclass.
    observe: reads the world and writes nothing. plan: pure; facts to changes; refusals are RunbookErrors. apply: makes
    one change, called by many threads at once; any exception is a failure of that change alone. look: returns what is
    observed at a change's target now, equal to `change.after` exactly when it is done; None for nothing.
    """

    name: str
    summary: str
    parameters: type[P]
    observe: Callable[[Context, P], F]
    plan: Callable[[F], Plan]
    apply: Callable[[Context, F, Change], None]
    look: Callable[[Context, F, Change], str | None]


def main(runbook: Runbook[P, F], argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run `runbook` and return the process's exit code."""
    raise NotImplementedError
