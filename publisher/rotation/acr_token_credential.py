"""The rotation of the token with which a customer reads the publisher's container registry.

ARM changes its passwords.
"""

import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from publisher.rotation import acr_token as acr_token_rotation
from publisher.rotation.acr_token import RULES, Facts, Password
from publisher.rotation.customer_phases import OVER, CustomerPhases, PhaseError, RunRunbook
from publisher.rotation.driven import DrivenRotation, Random
from publisher.rotation.plan import RotationRequest
from publisher.rotation.record import Rotation, RotationRecords
from publisher.rotation.run import NewCredential, RotationRun, rotation_run
from publisher.session import TokenResource
from runbook_lib.azure.clients import AzureClients
from runbook_lib.azure.operations import result_of
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Action
from runbook_lib.errors import publisher

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient
    from azure.mgmt.containerregistry import ContainerRegistryManagementClient
    from azure.mgmt.containerregistry.models import Token, TokenPassword

RUNBOOK = "rotate_acr_token"
TABLE = "AcrTokens"
# A password expires after this time even if nobody rotates it. Rotate it well before.
LIFE = timedelta(days=180)


def acr_token_rotation_run(
    *,
    instance_id: str,
    request: RotationRequest,
    tables: "TableServiceClient",
    subscription: AzureClients,
    token: TokenResource,
    run_runbook: RunRunbook,
    redactor: Redactor,
    clock: Clock,
    random: Random = os.urandom,
) -> RotationRun[Facts]:
    """Return one run for one instance.

    Args:
        instance_id: The instance.
        request: The operator's request.
        tables: The publisher's tables.
        subscription: Clients of the publisher's subscription.
        token: The customer's token.
        run_runbook: Runs a phase in the customer's tenant.
        redactor: Learns each password.
        clock: Gives the time.
        random: Returns unpredictable bytes.
    """
    return rotation_run(
        records=RotationRecords(tables, TABLE),
        instance_id=instance_id,
        request=request,
        runbook=RUNBOOK,
        run_runbook=run_runbook,
        clock=clock,
        random=random,
        credential=lambda rotation, phases: AcrTokenCredential(
            rotation=rotation,
            phases=phases,
            emergency=request.emergency,
            arm=subscription.container_registry_management,
            token=token,
            redactor=redactor,
            clock=clock,
        ),
    )


class AcrTokenCredential:
    """A customer's token. It implements publisher.rotation.run.PublisherCredential."""

    rules = RULES
    id_parameter = "credential_id"
    # If a password is generated again, the password before it no longer works.
    delivery_tries = 1

    def __init__(
        self,
        *,
        rotation: DrivenRotation,
        phases: CustomerPhases,
        emergency: bool,
        arm: "ContainerRegistryManagementClient",
        token: TokenResource,
        redactor: Redactor,
        clock: Clock,
    ) -> None:
        self._rotation = rotation
        self._phases = phases
        self._emergency = emergency
        self._arm = arm
        self._token = token
        self._redactor = redactor
        self._clock = clock

    def observe(self, newest: Rotation | None) -> Facts:
        """Read the token. Raises RunbookError VD-ROTATION-035 if there is none. See PublisherCredential."""
        passwords = self._passwords()
        return Facts(
            now=self._clock.now(),
            newest=newest,
            passwords=passwords,
            new=self._new(newest, passwords),
            driven=self._rotation.id,
        )

    def begin(self, new: Rotation, facts: Facts) -> None:
        """Record the new rotation, after making sure of the place of its password. See PublisherCredential."""
        self._rotation.begin(self._certain(new, facts))

    def new_credential(self, rotation: Rotation) -> Callable[[], NewCredential]:
        """Return a function that generates the rotation's password."""

        def generated() -> NewCredential:
            expires = self._clock.now() + LIFE
            return NewCredential(secret=self._generate(rotation.slot, expires_at=expires), expires=rfc3339(expires))

        return generated

    def actions(self) -> Sequence[Action[Any]]:
        """Return the actions that remove passwords. See PublisherCredential."""
        return tuple(Action(removal, self._remove, see=self._see_password) for removal in acr_token_rotation.REMOVALS)

    def _see_password(self, slot: str) -> str:
        return "there" if slot in {password.slot for password in self._passwords()} else "removed"

    def _generate(self, slot: str, *, expires_at: datetime) -> bytes:
        """Make a password and return the credential as the customer stores it."""
        from azure.mgmt.containerregistry.models import GenerateCredentialsParameters

        generating = self._arm.registries.begin_generate_credentials(
            self._token.resource_group,
            self._token.container_registry,
            GenerateCredentialsParameters(token_id=self._token.resource_id, name=slot, expiry=expires_at),
        )
        made = result_of(generating, target=f"{slot} of token {self._token.token}")
        password = next((each.value for each in made.passwords or () if each.name == slot), None)
        if not password or not made.username:
            raise publisher.TOKEN_NOT_RENEWED.error(f"ARM made no {slot}", target=self._token.token)
        self._redactor.learn(password)
        return json.dumps({"username": made.username, "password": password}).encode()

    def _remove(self, slot: str) -> None:
        """Remove a password: an update keeps only those that it names."""
        from azure.mgmt.containerregistry.models import (
            TokenCredentialsProperties,
            TokenPassword,
            TokenUpdateParameters,
            TokenUpdateProperties,
        )

        kept = [
            TokenPassword(name=each.name, expiry=each.expiry)
            for each in self._listed()
            if str(getattr(each.name, "value", each.name)) != slot
        ]
        updating = self._arm.tokens.begin_update(
            self._token.resource_group,
            self._token.container_registry,
            self._token.token,
            TokenUpdateParameters(
                properties=TokenUpdateProperties(credentials=TokenCredentialsProperties(passwords=kept))
            ),
        )
        result_of(updating, target=f"token {self._token.token}")

    def _passwords(self) -> tuple[Password, ...]:
        return tuple(
            Password(slot=str(getattr(each.name, "value", each.name)), created=each.creation_time)
            for each in self._listed()
            if each.creation_time is not None
        )

    def _listed(self) -> "list[TokenPassword]":
        from azure.core.exceptions import ResourceNotFoundError

        try:
            token: Token = self._arm.tokens.get(
                self._token.resource_group, self._token.container_registry, self._token.token
            )
        except ResourceNotFoundError as error:
            raise publisher.TOKEN_NOT_RENEWED.error("there is no such token", target=self._token.resource_id) from error
        credentials = token.properties.credentials if token.properties else None
        return list(credentials.passwords or ()) if credentials else []

    def _certain(self, new: Rotation, facts: Facts) -> Rotation:
        """Return the new rotation with the right place for its password.

        A killed run may have promoted the abandoned rotation without recording it. In an emergency both passwords are
        gone.
        """
        newest = self._rotation.newest()
        if newest is None or not newest.open or newest.promoted_at or self._emergency or not newest.delivery:
            return new  # a password that was never sent is not in use
        try:
            newest = self._phases.run(newest, "prepare", credential_id=newest.credential_id)
        except PhaseError as error:
            if error.customer_code != OVER:
                raise
            # Its password is not in use, and it never will be in use.
        return self._new(newest, facts.passwords)

    def _new(self, newest: Rotation | None, passwords: tuple[Password, ...]) -> Rotation:
        slot = acr_token_rotation.free_slot(newest, passwords)
        credential_id = f"{slot}-{self._rotation.new_id.partition('-')[0]}"
        return self._rotation.new(newest, credential_id=credential_id, slot=slot)
