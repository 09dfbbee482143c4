"""The instance that the component registry belongs to: one row of table Schema. Every runbook and command compares it.

bootstrap_registry writes the row once. Settings may mix two instances, such as the subscription of one and the storage
of another. The comparison shows this at the first request, before anything is changed, logged or reported. Anybody who
may write to the table can write the row. So the row is used only for this comparison.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.azure.settings import Settings
from runbook_lib.basics.visible_text import one_line
from runbook_lib.component_registry.schema import IDENTITY_COLUMNS, IDENTITY_KEY, SCHEMA, Entity, Row
from runbook_lib.errors import RunbookError, azure, component_registry
from runbook_lib.network.failures import as_runbook_error

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

# The maximum length of a column that somebody else wrote. The name of a resource group has at most 90 characters.
MAX_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The names of an instance.

    Azure ignores case in subscriptions and resource groups, so these two are in small letters.

    Attributes:
        instance_id: The instance's id.
        subscription_id: The customer's subscription.
        resource_group: The managed resource group.
    """

    instance_id: str
    subscription_id: str
    resource_group: str

    def __str__(self) -> str:
        """Return the text for a message."""
        return f"instance {self.instance_id}, subscription {self.subscription_id}, resource group {self.resource_group}"


def identity_of(settings: Settings) -> Identity:
    """Return the identity of the instance that the settings are about."""
    return Identity(
        instance_id=settings.instance_id,
        subscription_id=settings.subscription_id.lower(),
        resource_group=settings.resource_group.lower(),
    )


def identity_row(identity: Identity) -> Row:
    """Return the row that records the identity."""
    values = (identity.instance_id, identity.subscription_id, identity.resource_group)
    partition, name = IDENTITY_KEY
    columns = dict(zip(IDENTITY_COLUMNS, values, strict=True))
    return Row(table=SCHEMA, partition=partition, name=name, columns=columns)


def check_recorded(entity: Entity, own: Identity) -> None:
    """Compare the row under IDENTITY_KEY with the settings' identity. Pure.

    Raises RunbookError VD-COMPONENT-008 (the tables belong to another instance), -009 (the row is malformed).
    """
    values = [entity.get(column) for column in IDENTITY_COLUMNS]
    texts = [value for value in values if isinstance(value, str) and value]
    if len(texts) != len(values):
        ill = [column for column, value in zip(IDENTITY_COLUMNS, values, strict=True) if value not in texts]
        raise component_registry.IDENTITY_MALFORMED.error(f"{', '.join(ill)}; the settings lead to {own}")
    instance_id, subscription_id, resource_group = texts
    recorded = Identity(
        instance_id=instance_id, subscription_id=subscription_id.lower(), resource_group=resource_group.lower()
    )
    if recorded != own:
        shown = Identity(
            instance_id=one_line(recorded.instance_id, MAX_SHOWN_CHARACTERS),
            subscription_id=one_line(recorded.subscription_id, MAX_SHOWN_CHARACTERS),
            resource_group=one_line(recorded.resource_group, MAX_SHOWN_CHARACTERS),
        )
        raise component_registry.ANOTHER_INSTANCE.error(f"the settings say {own}; the tables are of {shown}")


def compare_identity(tables: "TableServiceClient", settings: Settings) -> RunbookError | None:
    """Compare the recorded identity with the settings, with one request.

    Returns:
        None if both are the same, or if no identity is recorded yet. An error of area VD-NET if the row cannot be read.

    Raises:
        RunbookError: VD-COMPONENT-008, -009.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        entity = tables.get_table_client(SCHEMA).get_entity(*IDENTITY_KEY, select=list(IDENTITY_COLUMNS))
    except ResourceNotFoundError:
        return None
    except Exception as error:
        named = as_runbook_error(error)
        if named is None or named.area != azure.NETWORK:
            raise
        return named
    check_recorded(entity, identity_of(settings))
    return None
