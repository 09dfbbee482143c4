"""A rotation as a runbook: the common parts of rotate_hmac and rotate_acr_token.

It reads the vault, runbook_lib.rotation.rules decides, and the engine makes each change and reads it back. The new
state is then recorded in the component registry's table Credentials, if there is one.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

from runbook_lib.basics import base64url
from runbook_lib.basics.clock import rfc3339
from runbook_lib.basics.redaction import MIN_SECRET_LENGTH, Redactor
from runbook_lib.change import Action, NoChange, Plan, Result
from runbook_lib.component_registry.schema import CREDENTIALS, SCHEMA, Batch, Key, Recorded
from runbook_lib.component_registry.tables import ComponentTables
from runbook_lib.context import Context
from runbook_lib.errors import rotation
from runbook_lib.rotation.kinds import CREATE, DISABLE, PROMOTE, RECORD, RECOVER, STAGE, TEST, VaultObject
from runbook_lib.rotation.outcome import outcome
from runbook_lib.rotation.parameters import RotationParameters, delivery_of
from runbook_lib.rotation.record import to_record
from runbook_lib.rotation.request import PhaseRequest, held
from runbook_lib.rotation.rules import Decision, decide
from runbook_lib.rotation.vault import CredentialVault, new_version
from runbook_lib.rotation.versions import VaultFacts, Version, pending_name
from runbook_lib.run.result import Report

# The result's line cuts longer texts (runbook_lib.run.result).
PART_CHARACTERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A kind of credential.

    Attributes:
        kind: Its partition in table Credentials.
        secret: The name of the current secret.
        id_tag: The tag with the credential's id.
        text_of: Returns the text to store for the unwrapped bytes. The redactor learns the text. It raises
            VD-ROTATION-006.
        try_out: Uses a credential for its purpose. It raises VD-ROTATION-009 if the credential is refused.
    """

    kind: str
    secret: str
    id_tag: str
    content_type: str
    text_of: Callable[[bytes, Redactor], str]
    try_out: Callable[[Context, Version, str], None]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a rotation found. `recorded` is table Credentials by key, None if there is none.

    `wrapped` is the wrapped credential, "" for none.
    """

    credential: Credential
    request: PhaseRequest
    seen: VaultFacts
    recorded: Mapping[Key, Recorded] | None
    wrapped: str = field(repr=False)
    vault: CredentialVault = field(repr=False)
    tables: ComponentTables = field(repr=False)

    @cached_property
    def decision(self) -> Decision:
        """What the phase does. It is decided once, only from the other facts."""
        return decide(self.request, self.seen)

    @cached_property
    def batches(self) -> Sequence[Batch]:
        """The records to write after the changes."""
        if self.recorded is None:
            return ()
        then = outcome(self.decision, self.seen)
        return to_record(self.credential.kind, self.credential.secret, then, self.recorded, self.request.now)


def observe(
    context: Context,
    parameters: RotationParameters,
    credential: Credential,
    *,
    credential_id: str,
    expires: datetime | None = None,
) -> Facts:
    """Read the vault without values, and the records. Raises RunbookError VD-PARAM-002 (stage without an id)."""
    tables = ComponentTables(context.clients.table_service, retry_policy=context.retry_policy, clock=context.clock)
    # First: if a newer runbook has written the tables, this run must end.
    recorded = None if tables.recorded(SCHEMA) is None else tables.recorded(CREDENTIALS)
    vault = CredentialVault(
        clients=context.clients, clock=context.clock, secret=credential.secret, id_tag=credential.id_tag
    )
    request = PhaseRequest(
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
    """Plan the changes of the phase, then the records."""
    written = [RECORD.change(batch, batch.target, None, batch.wanted) for batch in facts.batches]
    unchanged = list(facts.decision.unchanged)
    if facts.recorded is None:
        unchanged.append(NoChange(f"table {CREDENTIALS}", "the component registry is not there yet"))
    return Plan(changes=(*facts.decision.changes, *written), unchanged=tuple(unchanged))


def actions(context: Context, facts: Facts) -> Sequence[Action[Any]]:
    """Return the actions in the vault and in the records."""
    vault, tables = facts.vault, facts.tables

    def key_shown(_: VaultObject) -> str | None:
        key, _deleted = vault.wrapping_key()
        return None if key is None else key.shown

    return (
        Action(RECOVER, make=vault.recover, see=lambda one: "deleted" if vault.is_deleted(one) else "there"),
        Action(CREATE, make=lambda _: vault.create_wrapping_key(), see=key_shown),
        Action(STAGE, make=partial(_stage, context, facts), see=partial(_see_staged, facts)),
        Action(TEST, make=partial(_test, context, facts), see=partial(_see_tested, facts)),
        Action(PROMOTE, make=partial(_promote, context, facts), see=lambda _: _in_use(vault, facts.credential.secret)),
        Action(DISABLE, make=vault.disable, see=lambda one: _STATES[vault.is_enabled(one)]),
        Action(
            RECORD,
            make=lambda batch: tables.write(batch, facts.recorded or {}),
            see=lambda batch: batch.seen(tables.read(batch)),
        ),
    )


_STATES = {True: "enabled", False: "disabled", None: None}


def _stage(context: Context, facts: Facts, request: PhaseRequest) -> None:
    vault, credential = facts.vault, facts.credential
    wanted = new_version(
        request.credential_id,
        request.rotation_id,
        delivery=request.brings,
        now=request.now,
        expires=request.expires,
    )
    # Only this expression has the bytes: the vault unwraps them, and stores them as text.
    vault.stage(
        credential.text_of(vault.unwrap(request.key_version, base64url.decode(facts.wrapped)), context.redactor),
        wanted,
        content_type=credential.content_type,
    )


def _see_staged(facts: Facts, request: PhaseRequest) -> str | None:
    """Return the text of the pending version that the request is about, or else of the newest one."""
    secret = facts.vault.secret(pending_name(request.secret))
    if held(request, replace(facts.seen, pending=secret)) is not None and request.delivery:
        return request.wanted  # no matter which rotation the version is labelled with
    return _shown(secret.newest)


def _test(context: Context, facts: Facts, request: PhaseRequest) -> None:
    version, text = _pending_text(context, facts, request)
    facts.credential.try_out(context, version, text)
    facts.vault.mark_tested(version)


def _see_tested(facts: Facts, request: PhaseRequest) -> str | None:
    secret = facts.vault.secret(pending_name(request.secret))
    meant = held(request, replace(facts.seen, pending=secret))
    if meant is not None:
        return "tested" if meant.tested else "not tested"
    return _shown(secret.newest)


def _promote(context: Context, facts: Facts, request: PhaseRequest) -> None:
    version, text = _pending_text(context, facts, request)
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
    facts.vault.promote(text, wanted, content_type=facts.credential.content_type)


def _in_use(vault: CredentialVault, secret: str) -> str | None:
    return _shown(vault.secret(secret).in_use)


def _shown(version: Version | None) -> str | None:
    return str(version) if version is not None and version.enabled else None


def _pending_text(context: Context, facts: Facts, request: PhaseRequest) -> tuple[Version, str]:
    """Return the pending version and its value, as they are now. The run may have observed another state."""
    version = _pending_now(facts, request)
    text = facts.vault.pending_value(version)
    if len(text) >= MIN_SECRET_LENGTH:
        context.redactor.learn(text)
    return version, text


def _pending_now(facts: Facts, request: PhaseRequest) -> Version:
    """Return the pending version that the request is about. Raises RunbookError VD-ROTATION-001 (there is none now),
    -002 (another rotation has replaced it)."""
    current, pending = facts.vault.secrets()
    version = held(request, replace(facts.seen, current=current, pending=pending))
    if version is not None and not pending.deleted:
        return version
    name, newest = pending_name(facts.credential.secret), pending.newest
    if newest is None or pending.deleted or request.delivery or newest.rotation_id == request.rotation_id:
        raise rotation.PHASE_TOO_EARLY.error("it is gone; phase stage comes first", target=name)
    raise rotation.OTHER_ROTATION_PENDING.error(f"{newest}, since {rfc3339(newest.created)}", target=name)


def report(facts: Facts, results: Sequence[Result]) -> Report:
    """Return the state of the rotation and the wrapping key. Its JWK has several parts: the reader joins them."""
    decision = facts.decision
    done = {result.change for result in results if result.outcome == "done"}
    made = all(change in done for change in decision.changes)
    jwk = json.dumps(facts.vault.public_key, separators=(",", ":"), sort_keys=True) if facts.vault.public_key else ""
    return {
        "state": decision.reached if made else decision.state,
        "rotation_id": decision.request.rotation_id,
        "key_id": decision.request.credential_id,
        "wrapping_key": [jwk[start : start + PART_CHARACTERS] for start in range(0, len(jwk), PART_CHARACTERS)],
        "wrapping_key_version": facts.vault.public_version,
        "retire_after": rfc3339(decision.retire_after) if decision.retire_after else "",
    }
