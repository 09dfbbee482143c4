"""Drive the rotation of an instance's key: read the publisher's record, make changes, run phases."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from publisher.custody.wrapping import wrap
from publisher.rotation import hmac_key as hmac_rotation
from publisher.rotation.customer_phases import CustomerPhases, RunRunbook
from publisher.rotation.driven import DrivenRotation, Random
from publisher.rotation.hmac_key import GRACE_SECONDS, Facts, KeyChange
from publisher.rotation.plan import RETIRE, Phase, Request, Step
from publisher.rotation.record import Rotation, RotationRecords
from runbook_lib.azure.clients import AzureClients
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Action, Plan
from runbook_lib.errors import RunbookError, publisher
from runbook_lib.vault.hmac_key import KEY_BYTES

RUNBOOK = "rotate_hmac"
TABLE = "HmacRotations"
KEY_ID_BYTES = 8
# How often a key's record is read again if somebody else changes it at the same moment.
CHANGE_TRIES = 5


class HmacRotation:
    """One run for one instance.

    `clients` are those of the publisher's vault and tables. `run_runbook` runs a phase at the customer's. `redactor`
    learns the key. publisher.rotation.hmac_key explains `grace_seconds`.
    """

    def __init__(
        self,
        *,
        instance_id: str,
        request: Request,
        clients: AzureClients,
        run_runbook: RunRunbook,
        redactor: Redactor,
        clock: Clock,
        random: Random = os.urandom,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._instance_id = instance_id
        self._request = request
        self._keys = HmacKeys(clients.table_service)
        self._custody = KeyCustody(clients.secrets, redactor=redactor, clock=clock)
        records = RotationRecords(clients.table_service, TABLE)
        self._rotation = DrivenRotation(
            records=records, instance_id=instance_id, request=request, clock=clock, random=random
        )
        self._phases = CustomerPhases(runbook=RUNBOOK, run_runbook=run_runbook, records=records, clock=clock)
        self._clock = clock
        self._random = random
        self._grace_seconds = grace_seconds
        self._key_id = f"hmac-{random(KEY_ID_BYTES).hex()}"
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
        """Read the facts, and return the next step. Raises the same as publisher.rotation.hmac_key.next_step."""
        return hmac_rotation.next_step(self._request, self.observe())

    def preview(self) -> Plan:
        """Return all changes of a run."""
        return hmac_rotation.preview(self._request, self.observe())

    def observe(self) -> Facts:
        """Read the publisher's record of the instance."""
        newest = self._rotation.newest()
        self._rotation.take_up(newest)
        keys = tuple(self._keys.of_instance(self._instance_id))
        # A revoked key's secret can still be enabled only after an emergency, or after an abandoned rotation.
        after_revocation = newest is not None and (newest.emergency or newest.supersedes)
        revoked = [key.key_id for key in keys if key.state == "revoked"] if after_revocation else []
        self._facts = Facts(
            now=self._clock.now(),
            newest=newest,
            keys=keys,
            with_secret=frozenset(each for each in revoked if self._custody.enabled(self._instance_id, each)),
            new=self._rotation.new(newest, credential_id=self._key_id),
            driven=self._rotation.id,
            grace_seconds=self._grace_seconds,
        )
        return self._facts

    def actions(self) -> Sequence[Action[Any]]:
        """Return the action of each kind of change."""
        phases = {**hmac_rotation.PHASE_KINDS, RETIRE: hmac_rotation.RETIRE_FORMER}
        stage = phases.pop("stage")
        return (
            Action(hmac_rotation.REVOKE, self._change_key, see=self._see_key),
            Action(hmac_rotation.KEEP, self._keep, see=self._see_kept),
            Action(hmac_rotation.BEGIN, self._begin, see=self._rotation.see_begun),
            Action(hmac_rotation.ACCEPT, self._accept, see=self._see_key),
            Action(stage, self._stage, see=self._rotation.see_reached),
            *(Action(phase, self._run_phase, see=self._rotation.see_reached) for phase in phases.values()),
            Action(hmac_rotation.PROMOTE, self._change_driven_key, see=self._see_key),
            Action(hmac_rotation.SUCCEED, self._change_driven_key, see=self._see_key),
            Action(hmac_rotation.LIMIT, self._change_driven_key, see=self._see_limit),
            Action(hmac_rotation.RETIRE_KEY, self._retire_key, see=self._see_retired),
            Action(hmac_rotation.DISABLE, self._disable, see=self._see_disabled),
            Action(hmac_rotation.END, lambda _: self._rotation.end(), see=self._rotation.see_ended),
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
        """Return whether a key is retired: its record says so, and its secret is disabled."""
        state = self._see_key(change)
        return "previous" if state is not None and self._custody.enabled(self._instance_id, change.key_id) else state

    def _begin(self, rotation: Rotation) -> None:
        """Begin a rotation. If somebody else was first, the key that this run kept is never used."""
        driven = self._rotation.begin(rotation)
        if driven is None or driven.credential_id != self._key_id:
            self._custody.disable(self._instance_id, self._key_id)

    def _run_phase(self, phase: Phase) -> None:
        rotation = self._rotation.recorded()
        if not rotation.reached(phase.reached):  # otherwise an earlier phase has reported that this state is reached
            self._phases.run(rotation, phase.name, key_id=rotation.credential_id)

    def _stage(self, phase: Phase) -> None:
        rotation = self._rotation.recorded()
        if rotation.reached(phase.reached):
            return  # an earlier phase has reported that this state is reached
        wrapping_key = self._phases.wrapping_key(rotation)
        key = self._custody.read(self._instance_id, rotation.credential_id)
        if key is None:
            raise publisher.KEY_LOST.error("its secret cannot be read", target=rotation.credential_id)
        for _ in range(CHANGE_TRIES):
            rotation = self._rotation.recorded()
            if rotation.reached(phase.reached):
                return
            if rotation.wrapped and rotation.wrapping_key_version == wrapping_key.version:
                self._phases.run(
                    rotation,
                    phase.name,
                    key_id=rotation.credential_id,
                    wrapped_key=rotation.wrapped,
                    wrapping_key_version=rotation.wrapping_key_version,
                )
                return
            try:
                self._phases.deliver(
                    rotation, wrapped=wrap(key, wrapping_key.jwk), wrapping_key_version=wrapping_key.version
                )
            except RunbookError as error:
                if not error.is_(publisher.OVERTAKEN):
                    raise
                # Another operator drives the same rotation: send what that operator has recorded.
        raise publisher.OVERTAKEN.error(target=rotation.rotation_id)

    def _accept(self, change: KeyChange) -> None:
        facts = replace(self.facts, now=self._clock.now(), newest=self._rotation.recorded())
        self._keys.add(hmac_rotation.key_after(change, facts))

    def _change_driven_key(self, change: KeyChange) -> None:
        self._rotation.recorded()
        self._change_key(change)

    def _retire_key(self, change: KeyChange) -> None:
        self._rotation.recorded()
        # Disable the secret first, because the record says that the key is gone.
        self._custody.disable(self._instance_id, change.key_id)
        self._change_key(change)

    def _change_key(self, change: KeyChange) -> None:
        """Change a key's record without a check of the rotation: a key may be revoked at any time."""
        facts = replace(self.facts, now=self._clock.now())
        for _ in range(CHANGE_TRIES):
            known = self._keys.read(self._instance_id, change.key_id)
            if self._keys.change(hmac_rotation.key_after(change, replace(facts, keys=(known,) if known else ()))):
                return
        raise publisher.OVERTAKEN.error(target=change.key_id)
