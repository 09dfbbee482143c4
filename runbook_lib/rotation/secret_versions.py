"""Read the versions of a credential's secret, never a value."""

from typing import TYPE_CHECKING

from runbook_lib.network.listing import bounded
from runbook_lib.rotation.versions import DELIVERY_TAG, ROTATION_TAG, TESTED_TAG, Version
from runbook_lib.vault.secret_in_use import WRITTEN_TAG

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient, SecretProperties


def read_versions(secrets: "SecretClient", name: str, *, id_tag: str) -> tuple[Version, ...]:
    """Return the versions of a secret, the newest first, none if there is no such secret.

    id_tag: the tag with a credential's id. Raises azure.core's errors.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        listed = bounded(secrets.list_properties_of_secret_versions(name), target=name)
        found = [version_of(each, id_tag=id_tag) for each in listed]
    except ResourceNotFoundError:
        return ()
    # The vault's times are whole seconds. Within one second the writer's own time decides. After a repeated write both
    # times are equal: then any order is right, as long as it is always the same.
    return tuple(sorted(found, key=lambda version: (version.created, version.written, version.version), reverse=True))


def version_of(found: "SecretProperties", *, id_tag: str) -> Version:
    """Return a version as the vault lists it."""
    tags = found.tags or {}
    assert found.created_on is not None  # noqa: S101 - the vault gives it for every version
    return Version(
        version=found.version or "",
        enabled=bool(found.enabled),
        created=found.created_on,
        credential_id=tags.get(id_tag, ""),
        rotation_id=tags.get(ROTATION_TAG, ""),
        delivery=tags.get(DELIVERY_TAG, ""),
        tested=tags.get(TESTED_TAG, ""),
        written=tags.get(WRITTEN_TAG, ""),
        expires=found.expires_on,
    )
