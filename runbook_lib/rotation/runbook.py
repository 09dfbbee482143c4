"""A rotation as a runbook: what rotate_hmac and rotate_acr_token have in common.

The vault is read, runbook_lib.rotation.rules decides, and the engine makes the changes and looks at each. What
has changed is then recorded in the component registry's table Credentials, where there is one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from runbook_lib.basics import base64url
from runbook_lib.basics.clock import rfc3339
from runbook_lib.basics.redaction import MIN_SECRET_LENGTH, Redactor
from runbook_lib.change import Change, NoChange, Plan
from runbook_lib.component_registry.schema import CREDENTIALS, SCHEMA, Batch, Key, Recorded
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.context import Context
from runbook_lib.errors import rotation
from runbook_lib.rotation.parameters import RotationParameters, delivery_of
from runbook_lib.rotation.record import outcome, to_record
from runbook_lib.rotation.request import Request, held
from runbook_lib.rotation.rules import Decision, decide
from runbook_lib.rotation.vault import CredentialVault, new_version
from runbook_lib.rotation.versions import Secret, Seen, Version, pending_name
from runbook_lib.run.result import Report

# The result's line cuts longer texts (runbook_lib.run.result).
PART_CHARACTERS = 256
# After everything else of a plan.
RECORD_STAGE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A kind of credential.

    kind: its partition in table Credentials. secret: the current secret's name. id_tag: the tag with the credential's
    id. text_of: what is stored of the unwrapped bytes, known to the redactor from then on; raises VD-ROTATION-006.
    try_out: uses a credential's text as it is meant to be used; raises VD-ROTATION-009 where it is refused.
    """

    kind: str
    secret: str
    id_tag: str
    content_type: str
    text_of: Callable[[bytes, Redactor], str]
    try_out: Callable[[Context, Version, str], None]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a rotation found. recorded: table Credentials by key, None where there is none.

    wrapped: what was given to be unwrapped, "" for nothing. done: the changes that were seen to be made.
    """

    credential: Credential
    request: Request
    seen: Seen
    recorded: Mapping[Key, Recorded] | None
    wrapped: str = field(repr=False)
    vault: CredentialVault = field(repr=False)
    tables: ComponentTables = field(repr=False)
    done: set[Change] = field(default_factory=set, repr=False)

    @cached_property
    def decision(self) -> Decision:
        """What the phase does; worked out once, from the other facts alone."""
        return decide(self.request, self.seen)

    @cached_property
    def batches(self) -> Mapping[str, Batch]:
        """What is then to be recorded, by target."""
        if self.recorded is None:
            return {}
        then = outcome(self.decision, self.seen)
        found = to_record(self.credential.kind, self.credential.secret, then, self.recorded, self.request.now)
        return {batch.target: batch for batch in found}

    def version_of(self, target: str) -> tuple[str, Version]:
        """Return the secret's name and the version that a change's target names."""
        name, _, version = target.removeprefix("secret ").partition("/")
        secret = self.seen.current if name == self.credential.secret else self.seen.pending
        return name, next(each for each in secret.versions if each.version == version)


def observe(
    context: Context,
    parameters: RotationParameters,
    credential: Credential,
    *,
    credential_id: str,
    expires: datetime | None = None,
) -> Facts:
    """Read the vault, without a value, and what is recorded. Raises RunbookError VD-PARAM-002 (stage without an id)."""
    tables = ComponentTables(context.clients.table_service, retry_policy=context.retry_policy, clock=context.clock)
    # First of all: where a newer runbook has written, this one only stands in the way.
    recorded = None if tables.recorded(SCHEMA) is None else tables.recorded(CREDENTIALS)
    vault = CredentialVault(
        clients=context.clients, clock=context.clock, secret=credential.secret, id_tag=credential.id_tag
    )
    request = Request(
        phase=parameters.phase,  # type: ignore[arg-type] # one of PHASES
        secret=credential.secret,
        rotation_id=parameters.rotation_id,
        credential_id=credential_id,
        wrapped=bool(parameters.wrapped_key),
        key_version=parameters.wrapping_key_version,
        supersedes=parameters.supersedes,
        overlap=timedelta(seconds=parameters.overlap_seconds),
        now=context.clock.now(),
        expires=expires,
        delivery=parameters.delivery,
        brings=delivery_of(parameters.wrapped_key) if parameters.wrapped_key else "",
    )
    return Facts(
        credential=credential,
        request=request,
        seen=vault.seen(parameters.wrapping_key_version),
        recorded=recorded,
        wrapped=parameters.wrapped_key,
        vault=vault,
        tables=tables,
    )


def plan(facts: Facts) -> Plan:
    """Do what the phase does, then record it."""
    written = [Change(RECORD_STAGE, "record", batch.target, None, batch.wanted) for batch in facts.batches.values()]
    unchanged = list(facts.decision.unchanged)
    if facts.recorded is None:
        unchanged.append(NoChange(f"table {CREDENTIALS}", "the component registry is not there yet"))
    return Plan(changes=(*facts.decision.changes, *written), unchanged=tuple(unchanged))


def apply(context: Context, facts: Facts, change: Change) -> None:
    """Make one change."""
    vault, credential, request = facts.vault, facts.credential, facts.decision.request
    if change.action == "record":
        facts.tables.write(facts.batches[change.target], facts.recorded or {})
    elif change.action == "create":
        vault.create_wrapping_key()
    elif change.action == "recover":
        name = change.target.removeprefix("secret ")
        if change.target.startswith("key "):
            vault.recover_wrapping_key()
        else:
            vault.recover(name)
    elif change.action == "disable":
        vault.disable(*facts.version_of(change.target))
    elif change.action == "stage":
        wanted = new_version(
            request.credential_id,
            request.rotation_id,
            delivery=request.brings,
            now=request.now,
            expires=request.expires,
        )
        # The bytes are in this expression alone: the vault unwraps them, and takes them back as text.
        vault.stage(
            credential.text_of(vault.unwrap(request.key_version, base64url.decode(facts.wrapped)), context.redactor),
            wanted,
            content_type=credential.content_type,
        )
    else:
        _use_pending(context, facts, change)


def _use_pending(context: Context, facts: Facts, change: Change) -> None:
    """Test what is pending, or promote it: what is read now counts, whatever was observed."""
    vault, credential, request = facts.vault, facts.credential, facts.decision.request
    version = _pending_now(facts)
    text = vault.pending_value(version)
    if len(text) >= MIN_SECRET_LENGTH:
        context.redactor.learn(text)
    if change.action == "test":
        credential.try_out(context, version, text)
        vault.mark_tested(version)
        return
    if not version.tested:
        detail = "what is pending now is not tested; phase test comes first"
        raise rotation.PHASE_TOO_EARLY.error(detail, target=request.rotation_id)
    wanted = new_version(
        version.credential_id,
        request.rotation_id,
        delivery=version.delivery,
        now=request.now,
        expires=version.expires,
    )
    vault.promote(text, wanted, content_type=credential.content_type)


def _pending_now(facts: Facts) -> Version:
    """Return the pending version that is meant. Raises RunbookError VD-ROTATION-001 (there is none now), -002 (it is
    another rotation's by now)."""
    current, pending = facts.vault.secrets()
    version = held(facts.decision.request, replace(facts.seen, current=current, pending=pending))
    if version is not None and not pending.deleted:
        return version
    name, newest = pending_name(facts.credential.secret), pending.newest
    request = facts.decision.request
    if newest is None or pending.deleted or request.delivery or newest.rotation_id == request.rotation_id:
        raise rotation.PHASE_TOO_EARLY.error("it is gone; phase stage comes first", target=name)
    raise rotation.OTHER_ROTATION_PENDING.error(f"{newest}, since {rfc3339(newest.created)}", target=name)


def look(context: Context, facts: Facts, change: Change) -> str | None:  # noqa: ARG001 - the engine's signature
    """Return what is seen at a change's target now."""
    found = _look(facts, change)
    if found == change.after:
        facts.done.add(change)
    return found


def _look(facts: Facts, change: Change) -> str | None:
    if change.action == "record":
        batch = facts.batches[change.target]
        return batch.seen(facts.tables.read(batch))
    if change.target.startswith("key "):
        key, deleted = facts.vault.wrapping_key()
        if change.action == "recover":
            return "deleted" if deleted else "there"
        return None if key is None else key.shown
    name, _, version = change.target.removeprefix("secret ").partition("/")
    secret = facts.vault.secret(name)
    if change.action == "recover":
        return "deleted" if secret.deleted else "there"
    if change.action == "disable":
        found = next((each for each in secret.versions if each.version == version), None)
        return None if found is None else ("enabled" if found.enabled else "disabled")
    return _shown(facts, change, secret)


def _shown(facts: Facts, change: Change, secret: Secret) -> str | None:
    """Return what a secret says of its version that counts: the one that is meant, else the newest one."""
    request = facts.decision.request
    version = secret.in_use if change.action == "promote" else secret.newest
    meant = held(request, replace(facts.seen, pending=secret)) if change.action in ("stage", "test") else None
    if meant is not None and change.action == "test":
        return "tested" if meant.tested else "not tested"
    if meant is not None and request.delivery:
        return request.wanted  # whatever rotation it is labelled with
    return str(version) if version is not None and version.enabled else None


def report(facts: Facts) -> Report:
    """Tell how far the rotation is, and the wrapping key: its JWK in parts that are put together again."""
    decision = facts.decision
    made = all(change in facts.done for change in decision.changes)
    jwk = json.dumps(facts.vault.public_key, separators=(",", ":"), sort_keys=True) if facts.vault.public_key else ""
    return {
        "state": decision.reached if made else decision.state,
        "rotation_id": decision.request.rotation_id,
        "key_id": decision.request.credential_id,
        "wrapping_key": [jwk[start : start + PART_CHARACTERS] for start in range(0, len(jwk), PART_CHARACTERS)],
        "wrapping_key_version": facts.vault.public_version,
        "retire_after": rfc3339(decision.retire_after) if decision.retire_after else "",
    }
