"""Drive the rotation of an instance's key: observe and look at the publisher's record, apply a change, run a phase."""

import os
from dataclasses import replace

from publisher.custody.key_records import HmacKeys
from publisher.custody.key_secrets import KeyCustody
from publisher.custody.wrapping import wrap
from publisher.rotation import hmac_key as hmac_rotation
from publisher.rotation.customer_phases import CustomerPhases, RunRunbook
from publisher.rotation.driven import DrivenRotation, Random
from publisher.rotation.hmac_key import GRACE_SECONDS, Facts
from publisher.rotation.plan import Request, Step
from publisher.rotation.record import Rotation, RotationRecords
from runbook_lib.azure.clients import AzureClients
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Change, Plan
from runbook_lib.errors import RunbookError, publisher
from runbook_lib.vault.hmac_key import KEY_BYTES

RUNBOOK = "rotate_hmac"
TABLE = "HmacRotations"
KEY_ID_BYTES = 8
# How often a key's record is read anew where somebody else changes it at the same moment.
CHANGE_TRIES = 5


class HmacRotation:
    """One run for one instance.

    Parameters: instance_id; request; clients, of the publisher's vault and tables; run_runbook, runs a phase at the
    customer's; redactor, learns the key; clock; random; grace_seconds, see publisher.rotation.hmac_key.
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
        """What was seen last."""
        return self.observe() if self._facts is None else self._facts

    @property
    def newest(self) -> Rotation | None:
        """The instance's last rotation, as it was last seen."""
        return self.facts.newest

    def next_step(self) -> Step:
        """Look, and return what is to be done now; raises what publisher.rotation.hmac_key.next_step does."""
        return hmac_rotation.next_step(self._request, self.observe())

    def preview(self) -> Plan:
        """Return all that a run would do."""
        return hmac_rotation.preview(self._request, self.observe())

    def observe(self) -> Facts:
        """Read what the publisher's record says of the instance."""
        newest = self._rotation.newest()
        self._rotation.take_up(newest)
        keys = tuple(self._keys.of_instance(self._instance_id))
        # Only after an emergency, or one that was given up, are there revoked keys whose secrets are still enabled.
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

    def apply(self, change: Change) -> None:
        """Make one change."""
        facts, action = self.facts, change.action
        if action == "keep":
            if self._custody.read(self._instance_id, self._key_id) is None:
                self._custody.keep(self._instance_id, self._key_id, self._random(KEY_BYTES))
        elif action == "begin":
            self._begin(facts.new)
        elif action == "end":
            self._rotation.end()
        elif action == "disable":
            self._custody.disable(self._instance_id, hmac_rotation.key_of(change))
        elif hmac_rotation.is_phase(change):
            self._run_phase(change)
        else:
            self._change_key(change)

    def look(self, change: Change) -> str | None:
        """Return what is seen at a change's target now."""
        key_id = hmac_rotation.key_of(change)
        if change.action == "keep":
            return "kept" if self._custody.read(self._instance_id, key_id) is not None else None
        if change.action == "disable":
            return "enabled" if self._custody.enabled(self._instance_id, key_id) else "disabled"
        if change.action in ("begin", "end") or hmac_rotation.is_phase(change):
            return self._rotation.look(change, new=self.facts.new)
        record = self._keys.read(self._instance_id, key_id)
        if record is None or (change.action == "retire" and self._custody.enabled(self._instance_id, key_id)):
            return None if record is None else "previous"
        return record.state if change.action != "limit" else str(record)

    def _begin(self, rotation: Rotation) -> None:
        """A key that was kept for a rotation that somebody else began is never used."""
        driven = self._rotation.begin(rotation)
        if driven is None or driven.credential_id != self._key_id:
            self._custody.disable(self._instance_id, self._key_id)

    def _run_phase(self, change: Change) -> None:
        rotation = self._rotation.recorded()
        if rotation.reached(change.after):
            return  # the phase before has reported that it is there already
        if change.action != "stage":
            self._phases.run(rotation, change.action, key_id=rotation.credential_id)
            return
        wrapping_key = self._phases.wrapping_key(rotation)
        key = self._custody.read(self._instance_id, rotation.credential_id)
        if key is None:
            raise publisher.KEY_LOST.error("its secret cannot be read", target=rotation.credential_id)
        for _ in range(CHANGE_TRIES):
            rotation = self._rotation.recorded()
            if rotation.reached(change.after):
                return
            if rotation.wrapped and rotation.wrapping_key_version == wrapping_key.version:
                self._phases.run(
                    rotation,
                    change.action,
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
                # Another operator drives the same: what that one has recorded is sent.
        raise publisher.OVERTAKEN.error(target=rotation.rotation_id)

    def _change_key(self, change: Change) -> None:
        facts = replace(self.facts, now=self._clock.now())
        if change.action == "accept":
            self._keys.add(hmac_rotation.key_after(change, replace(facts, newest=self._rotation.recorded())))
            return
        key_id = hmac_rotation.key_of(change)
        if change.action != "revoke":  # which comes before there is a rotation, and cannot come too often
            self._rotation.recorded()
        if change.action == "retire":
            # First the bytes: the record says that they are gone.
            self._custody.disable(self._instance_id, key_id)
        for _ in range(CHANGE_TRIES):
            known = self._keys.read(self._instance_id, key_id)
            if self._keys.change(hmac_rotation.key_after(change, replace(facts, keys=(known,) if known else ()))):
                return
        raise publisher.OVERTAKEN.error(target=key_id)
