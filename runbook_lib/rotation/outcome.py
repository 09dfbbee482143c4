"""What a phase of a rotation leaves in the vault: a function of its decision. Pure."""

from dataclasses import replace

from runbook_lib.basics.clock import rfc3339
from runbook_lib.rotation.kinds import DISABLE, PROMOTE, STAGE, SecretVersion
from runbook_lib.rotation.request import held
from runbook_lib.rotation.rules import Decision
from runbook_lib.rotation.versions import Secret, VaultFacts, Version, pending_name


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
