"""A rotation's rows in table Credentials. They only record the vault's state: no run reads the state from them. Pure.

Each credential of a rotation has a row: pending, current, previous (still enabled), retired. The secret as a whole has
a row, too, as in bootstrap_registry. A credential from before the first rotation has no id, and only the secret's row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from runbook_lib.basics.clock import rfc3339
from runbook_lib.component_registry.schema import (
    CREDENTIALS,
    CURRENT,
    Batch,
    Key,
    Recorded,
    Row,
    batches,
    changed,
    key_of,
)
from runbook_lib.rotation.kinds import DISABLE, PROMOTE, STAGE, SecretVersion
from runbook_lib.rotation.request import held
from runbook_lib.rotation.rules import Decision
from runbook_lib.rotation.states import Standing
from runbook_lib.rotation.versions import Secret, VaultFacts, Version, open_rotation, pending_name
from runbook_lib.vault.credential_states import secret_state

PENDING: Standing = "pending"
PREVIOUS: Standing = "previous"
RETIRED: Standing = "retired"


def outcome(decision: Decision, seen: VaultFacts) -> VaultFacts:
    """Return the vault's state after a decision's changes."""
    request, current, pending = decision.request, seen.current, seen.pending
    new = Version(
        version="",
        enabled=True,
        created=request.now,
        credential_id=request.credential_id,
        rotation_id=request.rotation_id,
        written=rfc3339(request.now),
        expires=request.expires,
        delivery=request.brings,
    )
    changes = decision.changes
    if any(map(STAGE.is_of, changes)):
        pending = replace(pending, versions=(new, *pending.versions))
    if any(map(PROMOTE.is_of, changes)):
        brought = held(request, seen)
        assert brought is not None  # noqa: S101 - without it nothing is promoted
        promoted = replace(new, expires=brought.expires, delivery=brought.delivery)
        current = replace(current, versions=(promoted, *current.versions))
    disabled = {change.subject for change in changes if DISABLE.is_of(change)}
    return replace(
        seen,
        current=_without(current, request.secret, disabled),
        pending=_without(pending, pending_name(request.secret), disabled),
    )


def _without(secret: Secret, name: str, disabled: set[SecretVersion]) -> Secret:
    versions = (
        replace(version, enabled=version.enabled and SecretVersion(name, version) not in disabled)
        for version in secret.versions
    )
    return replace(secret, versions=tuple(versions))


def to_record(
    kind: str, secret: str, seen: VaultFacts, recorded: Mapping[Key, Recorded], now: datetime
) -> Sequence[Batch]:
    """Return the batches that make the table say what is `seen`. `recorded` is table Credentials."""
    states = _states(seen)
    # The row with the secret's own name is the secret's, even if a credential has the same name.
    rows = [
        _row(kind, version, state)
        for version, state in states.items()
        if version.credential_id and key_of(version.credential_id) != key_of(secret)
    ]
    wanted = [row for row in rows if row.columns["state"] != RETIRED or row.key in recorded]
    newest = seen.current.newest
    if newest is not None and newest.rotation_id:
        wanted.append(_secret_row(kind, secret, newest, now))
    known = {row.key for row in wanted}
    for key, entity in recorded.items():
        # A credential that the vault no longer has.
        if key[0] == kind and key not in known and key[1] != key_of(secret) and entity.state != RETIRED:
            wanted.append(Row(table=CREDENTIALS, partition=kind, name=key[1], columns={"state": RETIRED}))
    return batches(changed(wanted, recorded))


def _states(seen: VaultFacts) -> dict[Version, Standing]:
    """Return for each credential the version that says most about it, and its state."""
    found: dict[str, tuple[Version, Standing]] = {}
    current, waiting = seen.current.in_use, open_rotation(seen)
    if waiting is not None:
        found[waiting.credential_id] = waiting, PENDING
    if current is not None:
        found[current.credential_id] = current, CURRENT
    for version in seen.current.versions:
        found.setdefault(version.credential_id, (version, PREVIOUS if version.enabled else RETIRED))
    for version in seen.pending.versions:
        found.setdefault(version.credential_id, (version, RETIRED))
    return dict(found.values())


def _row(kind: str, version: Version, state: Standing) -> Row:
    columns = {
        "state": state,
        "notBefore": "" if state == PENDING else version.written,
        "expires": rfc3339(version.expires) if version.expires else "",
    }
    return Row(table=CREDENTIALS, partition=kind, name=key_of(version.credential_id), columns=columns)


def _secret_row(kind: str, secret: str, newest: Version, now: datetime) -> Row:
    state = secret_state(enabled=newest.enabled, not_before=None, expires=newest.expires, now=now)
    expires = rfc3339(newest.expires) if newest.expires else ""
    columns = {"state": state, "notBefore": "", "expires": expires}
    return Row(table=CREDENTIALS, partition=kind, name=key_of(secret), columns=columns)
