"""A request for a phase of a rotation, the versions in the vault that it is about, and the rotation's state. Pure.

runbook_lib/rotation/rules.py has the rules.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from runbook_lib.rotation.states import Phase, State
from runbook_lib.rotation.versions import (
    VaultFacts,
    Version,
    former,
    is_overtaken,
    leftovers,
    open_rotation,
)

# A run may ask for a phase, or for the next one.
RequestedPhase = Literal[Phase, "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRequest:
    """A request for a phase.

    Attributes:
        phase: The wanted phase.
        rotation_id: The rotation's id.
        credential_id: The credential's id.
        secret: The name of the current secret.
        wrapped: Whether a wrapped credential is given.
        key_version: The version of the wrapping key that wrapped it.
        supersedes: The rotation that this one may replace, "" for none.
        overlap: How long the former credential stays in use.
        now: The present time (aware).
        expires: When the credential expires (aware), None if the publisher does not say it.
        delivery: The only delivery that counts (rule 11), "" for any delivery of the rotation.
        brings: The delivery of the wrapped credential, "" for none.
    """

    phase: RequestedPhase
    secret: str
    rotation_id: str
    credential_id: str
    wrapped: bool
    key_version: str
    supersedes: str
    overlap: timedelta
    now: datetime
    expires: datetime | None = None
    delivery: str = ""
    brings: str = ""

    @property
    def wanted(self) -> str:
        """The text of a version of this rotation, as Version.__str__ shows it."""
        return f"{self.credential_id} of rotation {self.rotation_id}"


def held(request: PhaseRequest, seen: VaultFacts) -> Version | None:
    """Return the pending version that the request is about, None if there is none that can be promoted."""
    if not request.delivery:
        version = open_rotation(seen)
        return version if version is not None and version.rotation_id == request.rotation_id else None
    there = [
        version
        for version in seen.pending.versions
        if version.enabled and means(request, version) and not is_overtaken(version, seen)
    ]
    return next((version for version in there if version.tested), there[0] if there else None)


def means(request: PhaseRequest, version: Version) -> bool:
    """Return whether the request is about this version (rules 1 and 11)."""
    if not request.delivery:
        return bool(request.rotation_id) and version.rotation_id == request.rotation_id
    ends = request.expires is None or request.expires == version.expires
    return ends and (version.delivery, version.credential_id) == (request.delivery, request.credential_id)


def state_for(request: PhaseRequest, seen: VaultFacts) -> State:
    """Return the state of the request's rotation or delivery (rule 1)."""
    if not request.delivery:
        return rotation_state(request.rotation_id, seen)
    current, pending = seen.current.in_use, held(request, seen)
    if current is not None and means(request, current):
        return "promoted" if former(seen) or leftovers(seen) else "retired"
    if pending is not None:
        return "tested" if pending.tested else "pending"
    return unstaged_state(seen)


def rotation_state(rotation_id: str, seen: VaultFacts) -> State:
    """Return the state of a rotation (rule 1)."""
    current, pending = seen.current.in_use, seen.pending.newest
    if current is not None and rotation_id and current.rotation_id == rotation_id:
        return "promoted" if former(seen) or leftovers(seen) else "retired"
    waits = pending is not None and pending.enabled and not is_overtaken(pending, seen)
    if pending is not None and waits and rotation_id and pending.rotation_id == rotation_id:
        return "tested" if pending.tested else "pending"
    return unstaged_state(seen)


def unstaged_state(seen: VaultFacts) -> State:
    """Return the state of a rotation that has staged nothing yet."""
    usable = seen.newest_key is not None and seen.newest_key.usable and not seen.key_deleted
    return "prepared" if usable else "none"
