"""Policies in the component registry. Each is a row of table Policies and has a default.

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
    """Return a recorded policy, None if none is recorded, and a warning, "" for none.

    Args:
        tables: The component registry.
        row: The key of the policy's row.
        parse: Makes a policy from its row. It returns None if the row is out of bounds.
        default: The policy to use if the row is out of bounds. Then there is a warning.
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
    """Return the network retry policy, which every runbook obeys, and a warning, "" for none.

    The default is used until the component registry exists, and if the recorded numbers are out of bounds.
    """
    default = NetworkRetryPolicy()
    policy, warning = read_policy(tables, NETWORK_RETRY_POLICIES, _network_retry_policy, default)
    return policy or default, warning


def network_retry_policy_in_force(
    tables: "TableServiceClient",
) -> tuple[NetworkRetryPolicy, str, RunbookError | None]:
    """Return the result of `read_network_retry_policy`, and why the policy cannot be read, None if it can be read.

    The reason is an error of area VD-NET. Then the default is used. The component registry may not exist yet, or this
    identity may not read it. If the run needs storage for other things, its own requests show the problem.
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
