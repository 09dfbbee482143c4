"""Decide which settings follow from an instance document, and which may come from the environment. Pure.

The settings of an instance come only from its document: from its parts, its `settings`, and the convention. The
environment gives only the settings that are the same for all instances, and only if the document does not give them. A
shell may still hold the addresses of another customer. Such a variable must neither redirect a command nor be ignored
silently. So a variable that contradicts the document is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from publisher.instances.document import PARTS_THAT_ARE_SETTINGS, Instance
from publisher.instances.store import Row
from runbook_lib.azure.settings import ENVIRONMENT_PREFIX, Settings, load
from runbook_lib.basics.visible_text import one_line
from runbook_lib.errors import RunbookError, publisher

# These settings do not belong to one instance. They describe the cloud, the publisher, and the trusted signers.
SHARED = ("arm_endpoint", "publisher_registry", "publisher_api", "trust_roots", "trusted_identity")
MAX_SHOWN_CHARACTERS = 120
TOKEN_NAME = "VIBEDATA_PUBLISHER_TOKEN_NAME"  # noqa: S105 - a variable's name


def settings_of(instance: Instance, environ: Mapping[str, str]) -> Settings:
    """Return the settings of an instance.

    Args:
        instance: The instance.
        environ: The environment. Only its variables VIBEDATA_<SETTING> count.

    Raises:
        RunbookError: VD-INSTANCE-003, with every variable that contradicts the document; VD-SETTINGS-002 if a variable
            is malformed.
    """
    shared = {name: environ.get(_variable(name), "") for name in SHARED}
    own = {setting: getattr(instance, part) for part, setting in PARTS_THAT_ARE_SETTINGS.items()}
    said = {**{name: value for name, value in shared.items() if value}, **instance.settings, **own}
    settings = load({}, {_variable(name): value for name, value in said.items()}, None)
    contradictions = [
        f"{_variable(name)} is {one_line(given, MAX_SHOWN_CHARACTERS)}, the document leads to {value or 'nothing'}"
        for name, value in asdict(settings).items()
        if (given := environ.get(_variable(name), "")) and not _same(given, value)
    ]
    if contradictions:
        target = f"{instance.display_name}, id {instance.id}, subscription {instance.subscription_id}"
        raise publisher.ENVIRONMENT_CONTRADICTS.error("; ".join(contradictions), target=target)
    return settings


def check_host(instance: Instance, rows: Iterable[Row]) -> None:
    """Check that no other instance has the public host of this one. rows: the publisher's instances.

    Raises RunbookError VD-DNS-007, and VD-SETTINGS-002 if the settings of this instance are malformed.
    """
    host = settings_of(instance, {}).public_host
    for row in rows:
        other = row.instance
        if other is not None and other.id != instance.id and _host_of(other) == host:
            raise publisher.NAME_OF_ANOTHER.error(f"it is the name of {other.id}", target=host)


def _host_of(instance: Instance) -> str:
    """Return the public host of an instance. If its settings are malformed, only its document can name one.

    Others may write to the table. Such a row must not stop the commands that work on other instances.
    """
    try:
        return settings_of(instance, {}).public_host
    except RunbookError:
        return instance.settings.get("public_host", "")


def environment_of(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment from which a runbook reads exactly these settings."""
    return {**environ, **{_variable(name): value for name, value in asdict(settings).items()}}


def token_environment(instance: Instance, environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that names the instance's own registry token.

    A shell may still hold the name of another customer's token. Then that token would be renewed and sent to this
    customer.

    Raises:
        RunbookError: VD-INSTANCE-009 if the document names no token, VD-INSTANCE-003 if the environment names another
            one.
    """
    given, name = environ.get(TOKEN_NAME, ""), instance.registry_token
    target = f"{instance.display_name}, id {instance.id}"
    if not name:
        raise publisher.NO_TOKEN_NAMED.error(target=target)
    if given and given.lower() != name.lower():
        detail = f"{TOKEN_NAME} is {one_line(given, MAX_SHOWN_CHARACTERS)}, the document's registry_token is {name}"
        raise publisher.ENVIRONMENT_CONTRADICTS.error(detail, target=target)
    return {**environ, TOKEN_NAME: name}


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def _same(given: str, value: str) -> bool:
    """Return whether two values mean the same.

    Azure ignores case in GUIDs, groups and hosts. An address may end with a slash.
    """
    return given.rstrip("/").lower() == value.rstrip("/").lower()
