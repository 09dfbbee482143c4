"""The rotation of the key that signs an instance's callbacks.

It changes the key's record, and its secret in the vault.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from publisher.rotation import hmac_key as hmac_rotation
from publisher.rotation.customer_phases import RunRunbook
from publisher.rotation.driven import DrivenRotation, Random
from publisher.rotation.hmac_key import GRACE_SECONDS, RULES, Facts, KeyChange
from publisher.rotation.plan import RotationRequest
from publisher.rotation.record import Rotation, RotationRecords
from publisher.rotation.run import NewCredential, RotationRun, rotation_run
from runbook_lib.azure.clients import AzureClients
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Action
from runbook_lib.errors import publisher
from runbook_lib.vault.hmac_key import KEY_BYTES

RUNBOOK = "rotate_hmac"
TABLE = "HmacRotations"
KEY_ID_BYTES = 8
# How often a key's record is read again if somebody else changes it at the same moment.
CHANGE_TRIES = 5


def hmac_key_rotation(
    *,
    instance_id: str,
    request: RotationRequest,
    clients: AzureClients,
    run_runbook: RunRunbook,
    redactor: Redactor,
    clock: Clock,
    random: Random = os.urandom,
    grace_seconds: float = GRACE_SECONDS,
) -> RotationRun[Facts]:
    """Return one run for one instance.

    Args:
        instance_id: The instance.
        request: The operator's request.
        clients: Clients of the publisher's vault and tables.
        run_runbook: Runs a phase in the customer's tenant.
        redactor: Learns the key.
        clock: Gives the time.
        random: Returns unpredictable bytes.
        grace_seconds: See publisher.rotation.hmac_key.
    """
    return rotation_run(
        records=RotationRecords(clients.table_service, TABLE),
        instance_id=instance_id,
        request=request,
        runbook=RUNBOOK,
        run_runbook=run_runbook,
        clock=clock,
        random=random,
        credential=lambda rotation, _phases: HmacKeyCredential(
            instance_id=instance_id,
            rotation=rotation,
            keys=HmacKeys(clients.table_service),
            custody=KeyCustody(clients.secrets, redactor=redactor, clock=clock),
            clock=clock,
            random=random,
            grace_seconds=grace_seconds,
        ),
    )


class HmacKeyCredential:
    """An instance's key. It implements publisher.rotation.run.PublisherCredential."""

    rules = RULES
    id_parameter = "key_id"
    # The vault keeps the key, so each delivery sends the same key.
    delivery_tries = CHANGE_TRIES

    def __init__(
        self,
        *,
        instance_id: str,
        rotation: DrivenRotation,
        keys: HmacKeys,
        custody: KeyCustody,
        clock: Clock,
        random: Random,
        grace_seconds: float,
    ) -> None:
        self._instance_id = instance_id
        self._rotation = rotation
        self._keys = keys
        self._custody = custody
        self._clock = clock
        self._random = random
        self._grace_seconds = grace_seconds
        self._key_id = f"hmac-{random(KEY_ID_BYTES).hex()}"

    def observe(self, newest: Rotation | None) -> Facts:
        """Read the publisher's record of the instance. See PublisherCredential."""
        keys = tuple(self._keys.of_instance(self._instance_id))
        # A revoked key's secret can still be enabled only after an emergency, or after an abandoned rotation.
        after_revocation = newest is not None and (newest.emergency or newest.supersedes)
        revoked = [key.key_id for key in keys if key.state == "revoked"] if after_revocation else []
        return Facts(
            now=self._clock.now(),
            newest=newest,
            keys=keys,
            with_secret=frozenset(each for each in revoked if self._custody.enabled(self._instance_id, each)),
            new=self._rotation.new(newest, credential_id=self._key_id),
            driven=self._rotation.id,
            grace_seconds=self._grace_seconds,
        )

    def begin(self, new: Rotation, facts: Facts) -> None:  # noqa: ARG002 - as every credential
        """Record the new rotation.

        If somebody else began a rotation first, the key that was kept for this one is never used.
        """
        driven = self._rotation.begin(new)
        if driven is None or driven.credential_id != self._key_id:
            self._custody.disable(self._instance_id, self._key_id)

    def new_credential(self, rotation: Rotation) -> Callable[[], NewCredential]:
        """Return a function that returns the key. Raises RunbookError VD-ROTATION-032 if the key's secret is lost."""
        key = self._custody.read(self._instance_id, rotation.credential_id)
        if key is None:
            raise publisher.KEY_LOST.error("its secret cannot be read", target=rotation.credential_id)
        new = NewCredential(secret=key)
        return lambda: new

    def actions(self) -> Sequence[Action[Any]]:
        """Return the actions that change the key. See PublisherCredential."""
        return (
            Action(hmac_rotation.REVOKE, self._change_key, see=self._see_key),
            Action(hmac_rotation.KEEP, self._keep, see=self._see_kept),
            Action(hmac_rotation.ACCEPT, self._accept, see=self._see_key),
            Action(hmac_rotation.PROMOTE, self._change_driven_key, see=self._see_key),
            Action(hmac_rotation.SUCCEED, self._change_driven_key, see=self._see_key),
            Action(hmac_rotation.LIMIT, self._change_driven_key, see=self._see_limit),
            Action(hmac_rotation.RETIRE_KEY, self._retire_key, see=self._see_retired),
            Action(hmac_rotation.DISABLE, self._disable, see=self._see_disabled),
        )

    def _keep(self, key_id: str) -> None:
        if self._custody.read(self._instance_id, key_id) is None:
            self._custody.keep(self._instance_id, key_id, self._random(KEY_BYTES))

    def _see_kept(self, key_id: str) -> str | None:
        return "kept" if self._custody.read(self._instance_id, key_id) is not None else None

    def _disable(self, key_id: str) -> None:
        self._custody.disable(self._instance_id, key_id)

    def _see_disabled(self, key_id: str) -> str:
        return "enabled" if self._custody.enabled(self._instance_id, key_id) else "disabled"

    def _see_key(self, change: KeyChange) -> str | None:
        record = self._keys.read(self._instance_id, change.key_id)
        return None if record is None else record.state

    def _see_limit(self, change: KeyChange) -> str | None:
        record = self._keys.read(self._instance_id, change.key_id)
        return None if record is None else str(record)

    def _see_retired(self, change: KeyChange) -> str | None:
        """Return a key's state. A key whose secret is still enabled counts as `previous`: it is not retired yet."""
        state = self._see_key(change)
        return "previous" if state is not None and self._custody.enabled(self._instance_id, change.key_id) else state

    def _accept(self, _change: KeyChange) -> None:
        self._keys.add(hmac_rotation.key_added(self._rotation.recorded(), self._clock.now()))

    def _change_driven_key(self, change: KeyChange) -> None:
        self._rotation.recorded()
        self._change_key(change)

    def _retire_key(self, change: KeyChange) -> None:
        self._rotation.recorded()
        # Disable the secret first, because the record says that the key is gone.
        self._custody.disable(self._instance_id, change.key_id)
        self._change_key(change)

    def _change_key(self, change: KeyChange) -> None:
        """Change a key's record. This does not check the rotation, because a key may be revoked at any time."""
        now = self._clock.now()
        for _ in range(CHANGE_TRIES):
            known = self._keys.read(self._instance_id, change.key_id)
            if known is None:
                break
            if self._keys.change(hmac_rotation.key_changed(known, change, now)):
                return
        raise publisher.OVERTAKEN.error(target=change.key_id)
