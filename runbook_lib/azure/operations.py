"""Wait for a long-running operation of Azure Resource Manager, for a limited time."""

from typing import TYPE_CHECKING, TypeVar

from runbook_lib.errors import azure

if TYPE_CHECKING:
    from azure.core.polling import LROPoller

# The operations that this waits for take seconds. The SDK's poller has no deadline: it polls as long as the service
# says that the operation runs, and sleeps as long as a Retry-After says.
OPERATION_SECONDS = 300.0

T = TypeVar("T")


def result_of(poller: "LROPoller[T]", *, target: str) -> T:
    """Return the result of a long-running operation. `target` names what it changes.

    Raises RunbookError VD-ARM-003 (it still runs after OPERATION_SECONDS), and azure.core's errors. The poller's thread
    does not keep the process alive.
    """
    poller.wait(OPERATION_SECONDS)
    if not poller.done():
        raise azure.OPERATION_STILL_RUNS.error(f"{OPERATION_SECONDS:.0f} s after it began", target=target)
    return poller.result()
