"""A rotation's rows in table Credentials. They only record the vault's state: no run reads the state from them. Pure.

Each credential of a rotation has a row: pending, current, previous (still enabled), retired. The secret as a whole has
a row, too, as in bootstrap_registry. A credential from before the first rotation has no id, and only the secret's row.
"""

from collections.abc import Mapping, Sequence
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
from runbook_lib.rotation.credentials import secret_row
from runbook_lib.rotation.states import Standing
from runbook_lib.rotation.versions import VaultFacts, Version, open_rotation
from runbook_lib.vault.credential_states import CredentialState, secret_state

PENDING: Standing = "pending"
PREVIOUS: Standing = "previous"
RETIRED: Standing = "retired"


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
        state = secret_state(enabled=newest.enabled, not_before=None, expires=newest.expires, now=now)
        wanted.append(secret_row(CredentialState(kind=kind, id=secret, state=state, expires=newest.expires), seen))
    known = {row.key for row in wanted}
    for key, entity in recorded.items():
        # A credential that the vault no longer has.
        if key[0] == kind and key not in known and key[1] != key_of(secret) and entity.state != RETIRED:
            wanted.append(Row(table=CREDENTIALS, partition=kind, name=key[1], columns={"state": RETIRED}))
    return batches(changed(wanted, recorded))


def _states(seen: VaultFacts) -> dict[Version, Standing]:
    """Return for each credential the version that shows its state best, and that state."""
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
