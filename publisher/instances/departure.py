"""Read and change what the publisher's services hold for an instance that is being deprovisioned.

All functions and methods raise azure.core's errors: a service cannot be reached, fails, or refuses the login.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from publisher.certificates.record import Issuance, Issuances
from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from publisher.instances.deprovisioning import (
    CLOSE,
    DISABLE,
    DISABLED,
    ENABLED,
    END,
    NO_PASSWORDS,
    OPEN,
    OVER,
    REMOVE,
    REVOKE,
    STAND,
    TOKEN,
    CertificateFacts,
    Facts,
)
from publisher.instances.document import Instance
from publisher.instances.store import Instances, Row, Standing
from publisher.session import TokenResource
from runbook_lib.azure.operations import result_of
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.basics.strict_json import member
from runbook_lib.change import Action
from runbook_lib.errors import publisher

if TYPE_CHECKING:
    from azure.mgmt.containerregistry import ContainerRegistryManagementClient
    from azure.mgmt.containerregistry.models import Token, TokenUpdateProperties
    from azure.mgmt.resource.resources import ResourceManagementClient

# The api-version of Microsoft.Solutions/applications.
API_VERSION = "2021-07-01"
# A record is read and written at most this number of times, because somebody else may change it at the same moment.
_TRIES = 5
# This number of an instance's last issuances is read. Several of them may have ended without a certificate.
_ISSUANCES = 10


def application_of(instance: Instance, arm: "ResourceManagementClient") -> str:
    """Return the application's state, "" if neither the application nor its resource group exists.

    The application counts as gone only if Azure answers that it does not exist. A test subscription has no application.
    There the resource group counts instead.

    Args:
        instance: The instance.
        arm: A client of the customer's subscription.
    """
    from azure.core.exceptions import ResourceNotFoundError

    if instance.application_id:
        try:
            # The SDK puts an id into the path without changing it.
            path = quote(instance.application_id.lstrip("/"), safe="/()")
            found = arm.resources.get_by_id(path, api_version=API_VERSION)
            return str(member(found.properties, "provisioningState") or "there")
        except ResourceNotFoundError:
            pass  # the resource group decides
    group = instance.managed_resource_group
    try:
        arm.resource_groups.get(group)
    except ResourceNotFoundError:
        return ""
    return f"not there, but resource group {group} is" if instance.application_id else "there"


class CertificateOrders:
    """The record of one instance's certificates.

    Args:
        instance_id: The instance.
        issuances: The publisher's table of certificates.
        clock: Gives the time.
    """

    def __init__(self, instance_id: str, issuances: Issuances, clock: Clock) -> None:
        self._id = instance_id
        self._issuances = issuances
        self._clock = clock

    def observe(self, application: str) -> CertificateFacts:
        """Read the record. application: the state that `application_of` returned.

        Raises RunbookError VD-ROTATION-040 if a row is malformed.
        """
        recent = self._issuances.recent(self._id, _ISSUANCES)
        return CertificateFacts(application=application, recent=tuple(recent))

    def actions(self) -> Sequence[Action[Any]]:
        """Return how an open issuance is closed."""
        return (Action(CLOSE, self._close, see=self._see),)

    def _close(self, issuance: Issuance) -> None:
        for _ in range(_TRIES):
            newest = self._issuances.newest(self._id)
            if newest is None or newest.number != issuance.number or not newest.open:
                return
            if self._issuances.change(replace(newest, ended_at=rfc3339(self._clock.now()))):
                return
        raise publisher.CHANGED_MEANWHILE.error(target=f"{self._id}: certificate rotation {issuance.number}")

    def _see(self, _issuance: Issuance) -> str:
        newest = self._issuances.newest(self._id)
        return OPEN if newest is not None and newest.open else OVER


class Departure:
    """One instance's departure.

    Args:
        instance: The instance that is deprovisioned.
        instances: The publisher's table of instances.
        container_registry: An ARM client of the publisher's container registry.
        token: The customer's token, None if there is none.
        keys: The records of the instance's HMAC keys.
        custody: The secrets of the instance's HMAC keys.
        clock: Gives the time.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        instances: Instances,
        container_registry: "ContainerRegistryManagementClient",
        token: TokenResource | None,
        keys: HmacKeys,
        custody: KeyCustody,
        clock: Clock,
    ) -> None:
        """Keep what the requests need."""
        self._instance = instance
        self._instances = instances
        self._registry = container_registry
        self._named = token
        self._keys = keys
        self._custody = custody
        self._clock = clock

    def observe(self, application: str) -> Facts:
        """Read what the publisher's services hold for the instance. application: what `application_of` returned.

        Raises RunbookError VD-INSTANCE-002 if the instance has no row.
        """
        keys = self._keys.of_instance(self._instance.id)
        token = self._token()
        return Facts(
            application=application,
            standing=self._row().standing,
            token=self._named.token if self._named and token else "",
            token_status=_status(token),
            passwords=_passwords(token),
            keys=tuple((key.key_id, key.state) for key in keys if key.state != "revoked"),
            secrets=tuple(key.key_id for key in keys if self._custody.enabled(self._instance.id, key.key_id)),
        )

    def actions(self) -> Sequence[Action[Any]]:
        """Return how each kind of change is made and seen."""
        return (
            Action(STAND, self._stand, see=self._see_standing),
            Action(TOKEN, self._switch, see=lambda _: _status(self._token())),
            Action(REVOKE, self._revoke, see=self._see_key),
            Action(DISABLE, self._disable, see=self._see_secret),
            Action(REMOVE, self._remove_passwords, see=self._see_passwords),
            Action(END, self._stand, see=self._see_standing),
        )

    def _row(self) -> Row:
        found = self._instances.row(self._instance.id)
        if found is None:
            raise publisher.NO_SUCH_INSTANCE.error(target=self._instance.id)
        return found

    def _stand(self, standing: Standing) -> None:
        self._instances.stand(self._instance.id, self._row(), standing, rfc3339(self._clock.now()))

    def _see_standing(self, _standing: Standing) -> str:
        return self._row().standing

    def _switch(self, status: str) -> None:
        from azure.mgmt.containerregistry.models import TokenUpdateProperties

        self._update(TokenUpdateProperties(status=status))

    def _remove_passwords(self, _token: str) -> None:
        from azure.mgmt.containerregistry.models import TokenCredentialsProperties, TokenUpdateProperties

        self._update(TokenUpdateProperties(credentials=TokenCredentialsProperties(passwords=[])))

    def _see_passwords(self, _token: str) -> str:
        return ", ".join(_passwords(self._token())) or NO_PASSWORDS

    def _update(self, properties: "TokenUpdateProperties") -> None:
        from azure.mgmt.containerregistry.models import TokenUpdateParameters

        if self._named is not None:
            updating = self._registry.tokens.begin_update(
                self._named.resource_group,
                self._named.container_registry,
                self._named.token,
                TokenUpdateParameters(properties=properties),
            )
            result_of(updating, target=f"token {self._named.token}")

    def _token(self) -> "Token | None":
        from azure.core.exceptions import ResourceNotFoundError

        if self._named is None:
            return None
        try:
            return self._registry.tokens.get(
                self._named.resource_group, self._named.container_registry, self._named.token
            )
        except ResourceNotFoundError:
            return None

    def _revoke(self, key_id: str) -> None:
        for _ in range(_TRIES):
            known = self._keys.read(self._instance.id, key_id)
            if known is None or self._keys.change(replace(known, state="revoked")):
                return
        raise publisher.CHANGED_MEANWHILE.error(target=key_id)

    def _see_key(self, key_id: str) -> str | None:
        known = self._keys.read(self._instance.id, key_id)
        return None if known is None else known.state

    def _disable(self, key_id: str) -> None:
        self._custody.disable(self._instance.id, key_id)

    def _see_secret(self, key_id: str) -> str:
        return ENABLED if self._custody.enabled(self._instance.id, key_id) else DISABLED


def _status(token: "Token | None") -> str:
    status = token.properties.status if token is not None and token.properties else None
    return "" if status is None else str(getattr(status, "value", status))


def _passwords(token: "Token | None") -> tuple[str, ...]:
    credentials = token.properties.credentials if token is not None and token.properties else None
    found = credentials.passwords or () if credentials else ()
    return tuple(str(getattr(each.name, "value", each.name)) for each in found)
