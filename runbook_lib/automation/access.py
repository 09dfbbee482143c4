"""The way to the customer's Automation account: the client, and the account that it asks (api 2024-10-23).

The modules beside this one read and change things in the account. Each is separate, so that a built runbook carries
only the modules that it uses.
"""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.azure.sdk_models import work_out_fields
from runbook_lib.azure.settings import Settings

if TYPE_CHECKING:
    from azure.mgmt.automation import AutomationClient

T = TypeVar("T")


class AccountAccess:
    """A client and an account. `at` is the resource group and the account, as the client's operations take them.

    Many threads may use it.
    """

    def __init__(self, *, client: "AutomationClient", settings: Settings) -> None:
        from azure.mgmt.automation import models

        work_out_fields(models)
        self.client = client
        self.at = (settings.resource_group, settings.automation_account)


def plain(value: str | Enum | None) -> str:
    """Return the text of a value. The SDK returns an enumeration if it knows the value, and otherwise a text."""
    return str(value.value if isinstance(value, Enum) else value)


def if_there(get: Callable[[], T]) -> T | None:
    """Return what `get` returns, None if Azure Resource Manager says that there is no such thing."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return get()
    except ResourceNotFoundError:
        return None
