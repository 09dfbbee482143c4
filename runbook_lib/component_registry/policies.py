"""Policies that the component registry holds: a row of table Policies each, with a default and a warning.

Source: docs/design.md#the-component-registry.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from runbook_lib.errors import RunbookError, azure
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.network.retry import MAX_DELAY_SECONDS, MAX_RETRIES, NetworkRetryPolicy

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

POLICIES = "Policies"
PARTITION = "policy"
NETWORK_RETRY_POLICIES = "networkRetryPolicies"

P = TypeVar("P")


def read_policy(
    tables: "TableServiceClient", row: str, parse: Callable[[Mapping[str, Any]], P | None], default: P
) -> tuple[P | None, str]:
    """Return a recorded policy, None where none is recorded, and a warning ("" where there is none).

    parse: makes a policy of its row, None where that is out of bounds: then the default holds, and is warned of.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        policy = parse(tables.get_table_client(POLICIES).get_entity(PARTITION, row))
    except ResourceNotFoundError:
        return None, ""
    if policy is None:
        return default, f"policy {row} in table {POLICIES} is out of bounds; the default is used"
    return policy, ""


def read_network_retry_policy(tables: "TableServiceClient") -> tuple[NetworkRetryPolicy, str]:
    """Return the network retry policy, obeyed by every runbook, and a warning ("" where there is none).

    The default holds until the component registry exists, and if the recorded numbers are out of bounds.
    """
    default = NetworkRetryPolicy()
    policy, warning = read_policy(tables, NETWORK_RETRY_POLICIES, _network_retry_policy, default)
    return policy or default, warning


def network_retry_policy_in_force(
    tables: "TableServiceClient",
) -> tuple[NetworkRetryPolicy, str, RunbookError | None]:
    """Return what `read_network_retry_policy` does, and why it cannot be read: an error of area VD-NET, None where it
    can. The component registry may not be there yet, or not for this identity; what is needed of storage shows by
    itself, and the default holds.
    """
    try:
        return *read_network_retry_policy(tables), None
    except Exception as error:
        named = as_runbook_error(error)
        if named is None or named.area != azure.NETWORK:
            raise
        return NetworkRetryPolicy(), "", named


def _network_retry_policy(row: Mapping[str, Any]) -> NetworkRetryPolicy | None:
    retries, delay = row.get("max_retries"), row.get("delay_seconds")
    if (
        not isinstance(retries, int)
        or isinstance(retries, bool)
        or not 0 <= retries <= MAX_RETRIES
        or not isinstance(delay, (int, float))
        or not math.isfinite(delay)
        or not 0 < delay <= MAX_DELAY_SECONDS
    ):
        return None
    return NetworkRetryPolicy(max_retries=retries, delay_seconds=float(delay))
