"""Drive the rotation of a customer's container registry token: ARM for its passwords, the record, and the phases."""

import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from publisher.custody.wrapping import wrap
from publisher.rotation import acr_token as acr_token_rotation
from publisher.rotation.acr_token import Facts, Password
from publisher.rotation.customer_phases import OVER, CustomerPhases, PhaseError, RunRunbook, WrappingKey
from publisher.rotation.driven import DrivenRotation, Random
from publisher.rotation.plan import RETIRE, Phase, Request, Step
from publisher.rotation.record import Rotation, RotationRecords
from publisher.session import TokenResource
from runbook_lib.azure.clients import AzureClients
from runbook_lib.basics.clock import Clock, rfc3339
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Action, Plan
from runbook_lib.errors import publisher

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient
    from azure.mgmt.containerregistry import ContainerRegistryManagementClient
    from azure.mgmt.containerregistry.models import Token, TokenPassword

RUNBOOK = "rotate_acr_token"
TABLE = "AcrTokens"
# A password expires after this time even if nobody rotates it. Rotate it well before.
LIFE = timedelta(days=180)


class AcrTokenRotation:
    """One run for one instance.

    `tables` and `subscription` are the publisher's. `token` is the customer's token. `run_runbook` runs a phase at the
    customer's. `redactor` learns each password.
    """

    def __init__(
        self,
        *,
        instance_id: str,
        request: Request,
        tables: "TableServiceClient",
        subscription: AzureClients,
        token: TokenResource,
        run_runbook: RunRunbook,
        redactor: Redactor,
        clock: Clock,
        random: Random = os.urandom,
    ) -> None:
        self._request = request
        self._arm: ContainerRegistryManagementClient = subscription.container_registry_management
        self._token = token
        self._records = RotationRecords(tables, TABLE)
        self._rotation = DrivenRotation(
            records=self._records, instance_id=instance_id, request=request, clock=clock, random=random
        )
        self._phases = CustomerPhases(runbook=RUNBOOK, run_runbook=run_runbook, records=self._records, clock=clock)
        self._redactor = redactor
        self._clock = clock
        self._facts: Facts | None = None

    @property
    def facts(self) -> Facts:
        """The facts that the run read last."""
        return self.observe() if self._facts is None else self._facts

    @property
    def newest(self) -> Rotation | None:
        """The instance's last rotation, as the run read it last."""
        return self.facts.newest

    def next_step(self) -> Step:
        """Read the facts, and return the next step. Raises the same as publisher.rotation.acr_token.next_step."""
        return acr_token_rotation.next_step(self._request, self.observe())

    def preview(self) -> Plan:
        """Return all changes of a run."""
        return acr_token_rotation.preview(self._request, self.observe())

    def observe(self) -> Facts:
        """Read the publisher's record and the token. Raises RunbookError VD-ROTATION-035 if there is no token."""
        newest = self._rotation.newest()
        self._rotation.take_up(newest)
        passwords = self._passwords()
        self._facts = Facts(
            now=self._clock.now(),
            newest=newest,
            passwords=passwords,
            new=self._new(newest, passwords),
            driven=self._rotation.id,
        )
        return self._facts

    def actions(self) -> Sequence[Action[Any]]:
        """Return the action of each kind of change."""
        removals = (Action(removal, self._remove, see=self._see_password) for removal in acr_token_rotation.REMOVALS)
        phases = {**acr_token_rotation.PHASE_KINDS, RETIRE: acr_token_rotation.RETIRE_FORMER}
        stage = phases.pop("stage")
        return (
            *removals,
            Action(acr_token_rotation.BEGIN, self._begin, see=self._rotation.see_begun),
            Action(stage, self._stage, see=self._rotation.see_reached),
            *(Action(phase, self._run_phase, see=self._rotation.see_reached) for phase in phases.values()),
            Action(acr_token_rotation.END, lambda _: self._rotation.end(), see=self._rotation.see_ended),
        )

    def _see_password(self, slot: str) -> str:
        return "there" if slot in {password.slot for password in self._passwords()} else "removed"

    def _begin(self, new: Rotation) -> None:
        self._rotation.begin(self._certain(new))

    def _run_phase(self, phase: Phase) -> None:
        rotation = self._rotation.recorded()
        if not rotation.reached(phase.reached):  # otherwise an earlier phase has reported that this state is reached
            self._phases.run(rotation, phase.name, credential_id=rotation.credential_id)

    def _stage(self, phase: Phase) -> None:
        rotation = self._rotation.recorded()
        if rotation.reached(phase.reached):
            return  # an earlier phase has reported that this state is reached
        wrapping_key = self._phases.wrapping_key(rotation)
        rotation = self._rotation.recorded()
        if rotation.reached(phase.reached):
            return  # an earlier run has delivered a password: a new one would make it invalid
        if not rotation.wrapped or rotation.wrapping_key_version != wrapping_key.version:
            rotation = self._make_password(rotation, wrapping_key)
        self._phases.run(
            rotation,
            phase.name,
            credential_id=rotation.credential_id,
            wrapped_key=rotation.wrapped,
            wrapping_key_version=rotation.wrapping_key_version,
        )

    def _make_password(self, rotation: Rotation, wrapping_key: WrappingKey) -> Rotation:
        """Generate the rotation's password, record it wrapped, and return the record."""
        expires = self._clock.now() + LIFE
        # Only this expression has the password. Only the customer's vault can read its result.
        wrapped = wrap(self._generate(rotation.slot, expires_at=expires), wrapping_key.jwk)
        return self._phases.deliver(
            rotation, wrapped=wrapped, wrapping_key_version=wrapping_key.version, expires=rfc3339(expires)
        )

    def _generate(self, slot: str, *, expires_at: datetime) -> bytes:
        """Make a password and return the credential as the customer stores it."""
        from azure.mgmt.containerregistry.models import GenerateCredentialsParameters

        made = self._arm.registries.begin_generate_credentials(
            self._token.resource_group,
            self._token.container_registry,
            GenerateCredentialsParameters(token_id=self._token.resource_id, name=slot, expiry=expires_at),
        ).result()
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
        self._arm.tokens.begin_update(
            self._token.resource_group,
            self._token.container_registry,
            self._token.token,
            TokenUpdateParameters(
                properties=TokenUpdateProperties(credentials=TokenCredentialsProperties(passwords=kept))
            ),
        ).wait()

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

    def _certain(self, new: Rotation) -> Rotation:
        """Return the new rotation with the right place for its password. A killed run may have promoted the abandoned
        rotation without recording it. In an emergency both passwords are gone."""
        newest = self._rotation.newest()
        if newest is None or not newest.open or newest.promoted_at or self._request.emergency or not newest.delivery:
            return new  # a password that was never sent is not in use
        try:
            newest = self._phases.run(newest, "prepare", credential_id=newest.credential_id)
        except PhaseError as error:
            if error.customer_code != OVER:
                raise
            # Its password is not in use, and never will be.
        return self._new(newest, self.facts.passwords)

    def _new(self, newest: Rotation | None, passwords: tuple[Password, ...]) -> Rotation:
        slot = acr_token_rotation.free_slot(newest, passwords)
        credential_id = f"{slot}-{self._rotation.new_id.partition('-')[0]}"
        return self._rotation.new(newest, credential_id=credential_id, slot=slot)
