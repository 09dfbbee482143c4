"""Whose instance the component registry is: one row of table Schema, compared by every runbook and command.

bootstrap_registry writes the row once. Settings that mix two instances, such as one's subscription and the other's
storage, then show at the first request, before anything is changed, logged or reported. Whoever may write to the table
can write the row: nothing of it is believed beyond whether it is the same.
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

# Of a column that somebody else wrote. A resource group's name has 90.
MAX_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose instance it is. Azure compares subscriptions and resource groups without case; these are in small letters.

    resource_group: the managed one.
    """

    instance_id: str
    subscription_id: str
    resource_group: str

    def __str__(self) -> str:
        """Return what a message shows of it."""
        return f"instance {self.instance_id}, subscription {self.subscription_id}, resource group {self.resource_group}"


def identity_of(settings: Settings) -> Identity:
    """Return whose instance the settings are about."""
    return Identity(
        instance_id=settings.instance_id,
        subscription_id=settings.subscription_id.lower(),
        resource_group=settings.resource_group.lower(),
    )


def identity_row(identity: Identity) -> Row:
    """Return the row that says whose instance it is."""
    values = (identity.instance_id, identity.subscription_id, identity.resource_group)
    partition, name = IDENTITY_KEY
    columns = dict(zip(IDENTITY_COLUMNS, values, strict=True))
    return Row(table=SCHEMA, partition=partition, name=name, columns=columns)


def check_recorded(entity: Entity, own: Identity) -> None:
    """Compare the row under IDENTITY_KEY with the settings' identity. Pure.

    Raises RunbookError VD-COMPONENT-008 (it is another instance's), -009 (it is malformed).
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
    """Compare whose instance the tables are with the settings, in one request.

    Return why that was not possible: an error of area VD-NET; None where they are the same, or where nobody has
    recorded it yet. Raises RunbookError VD-COMPONENT-008, -009.
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
