"""Read the network retry policy of the component registry. Every runbook obeys it.

Source: docs/design.md#the-component-registry.
"""

import math
from typing import TYPE_CHECKING

from runbook_lib.network.retry import MAX_DELAY_SECONDS, MAX_RETRIES, NetworkRetryPolicy

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

TABLE = "Policies"
PARTITION = "policy"
ROW = "networkRetryPolicies"


def read_network_retry_policy(tables: "TableServiceClient") -> tuple[NetworkRetryPolicy, str]:
    """Return the recorded policy and a warning ("" if there is none).

    The default holds until the component registry exists, and if the recorded numbers are out of bounds.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        entity = tables.get_table_client(TABLE).get_entity(PARTITION, ROW)
    except ResourceNotFoundError:
        return NetworkRetryPolicy(), ""
    retries, delay = entity.get("max_retries"), entity.get("delay_seconds")
    if (
        not isinstance(retries, int)
        or isinstance(retries, bool)
        or not 0 <= retries <= MAX_RETRIES
        or not isinstance(delay, (int, float))
        or not math.isfinite(delay)
        or not 0 < delay <= MAX_DELAY_SECONDS
    ):
        return NetworkRetryPolicy(), f"policy {ROW} in table {TABLE} is out of bounds; the default is used"
    return NetworkRetryPolicy(max_retries=retries, delay_seconds=float(delay)), ""
