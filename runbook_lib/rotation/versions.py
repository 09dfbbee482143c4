"""The versions of a credential in the customer's vault, without values, and the state that they show. Pure.

Two secrets hold a credential: the current one, which is in use, and `<name>-pending`, which is not in use yet. The tags
of each version name its credential and its rotation. runbook_lib/rotation/rules.py has the rules.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.basics.clock import from_rfc3339
from runbook_lib.request_signing.signer import LIFE_SECONDS, SKEW_SECONDS
from runbook_lib.rotation.states import State
from runbook_lib.vault.hmac_key import KEY_CACHE_SECONDS

WRAPPING_KEY = "vibedata-wrapping"
# The tags of a version, beside the one with its credential's id.
ROTATION_TAG, TESTED_TAG, DELIVERY_TAG = "rotationId", "tested", "delivery"
# How long somebody may sign with the former key, and a signature is good. The longest job takes 3 h
# (docs/design.md#log-lock-callbacks, docs/azure-facts.md#python-and-its-limits).
OVERLAP_SECONDS = LIFE_SECONDS + SKEW_SECONDS + KEY_CACHE_SECONDS + 3 * 3600
USABLE = "RSA-3072 for wrapKey and unwrapKey, enabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a secret without its value.

    `credential_id` and `rotation_id` are "" if it has no such tag. `delivery` is the SHA-256 of the wrapped bytes, in
    hexadecimal, "" if it is not known. `tested` is RFC 3339, "" for never. `written` is by the writer's clock, and
    `created` by the vault's, in whole seconds. `expires` is None if the version does not say it.
    """

    version: str
    enabled: bool
    created: datetime
    credential_id: str = ""
    rotation_id: str = ""
    delivery: str = ""
    tested: str = ""
    written: str = ""
    expires: datetime | None = None

    def __str__(self) -> str:
        """Return the version's text for a plan."""
        if not self.rotation_id:
            return "a version of no rotation"
        return f"{self.credential_id} of rotation {self.rotation_id}"

    def is_like(self, other: "Version") -> bool:
        """Whether both hold the same credential."""
        mine, others = ((each.credential_id, each.rotation_id, each.delivery) for each in (self, other))
        return mine == others

    @property
    def age(self) -> tuple[datetime, str]:
        """A key to find the older of two versions: the vault's time, and within one second the writer's."""
        return self.created, self.written


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret with its versions, the newest first. A deleted secret shows only its newest version."""

    versions: tuple[Version, ...] = ()
    deleted: bool = False

    @property
    def newest(self) -> Version | None:
        """The newest version, enabled or not."""
        return self.versions[0] if self.versions else None

    @property
    def in_use(self) -> Version | None:
        """The newest enabled version."""
        return next((version for version in self.versions if version.enabled), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappingKey:
    """A version of the wrapping key. `shown` is USABLE, or says what is wrong with it."""

    version: str
    usable: bool
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultFacts:
    """The vault's state. `newest_key` is the wrapping key's newest version, and `named_key` the one that the run names.

    `key_deleted`: the wrapping key is deleted and can be recovered. Then `newest_key` is the version after that.
    """

    current: Secret
    pending: Secret
    newest_key: WrappingKey | None = None
    named_key: WrappingKey | None = None
    key_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A rotation that is not finished. `retire_after` is when it may be, None before it is promoted."""

    rotation_id: str
    state: State
    retire_after: datetime | None = None


def is_overtaken(pending: Version, seen: VaultFacts) -> bool:
    """Return whether a credential of any rotation came into use since this one was staged.

    The last promotion counts, even if its version was disabled since: no former credential ever becomes current.
    """
    newest = seen.current.newest
    return newest is not None and pending.age < newest.age


def open_rotation(seen: VaultFacts) -> Version | None:
    """Return the pending version, None if there is none, or if its rotation was promoted or overtaken."""
    pending = seen.pending.newest
    if pending is None or not pending.enabled or is_overtaken(pending, seen):
        return None
    return None if pending.rotation_id in {version.rotation_id for version in seen.current.versions} else pending


def unfinished_rotation(seen: VaultFacts) -> Unfinished | None:
    """Return the rotation that is not finished, None if there is none, or none that staged or promoted anything."""
    waiting, current = open_rotation(seen), seen.current.in_use
    if waiting is not None:
        return Unfinished(rotation_id=waiting.rotation_id, state="tested" if waiting.tested else "pending")
    first = _first_in_use(seen)
    if current is None or first is None or not current.rotation_id or not (former(seen) or leftovers(seen)):
        return None
    # The writer's time is the same before the vault shows the version and afterwards, so the record does not change.
    since = _time(first.written) or first.created
    due = since + timedelta(seconds=OVERLAP_SECONDS) if former(seen) else since
    return Unfinished(rotation_id=current.rotation_id, state="promoted", retire_after=due)


def _time(text: str) -> datetime | None:
    try:
        moment = from_rfc3339(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def pending_name(secret: str) -> str:
    """Return the name of the pending secret."""
    return f"{secret}-pending"


def former(seen: VaultFacts) -> list[Version]:
    """Return the enabled versions of the current secret with another credential than the one in use.

    All versions of one credential are equal, so a repeated promotion leaves nothing to retire.
    """
    current = seen.current.in_use
    if current is None:
        return []
    return [version for version in seen.current.versions if version.enabled and not version.is_like(current)]


def leftovers(seen: VaultFacts) -> list[Version]:
    """Return the enabled versions of the pending secret that can no longer be promoted, none of a deleted secret.

    A version that was staged after the last promotion is not among them: it may belong to a new rotation.
    """
    if seen.pending.deleted:
        return []
    return [
        version
        for version in seen.pending.versions
        if version.enabled
        and (is_overtaken(version, seen) or any(version.is_like(promoted) for promoted in seen.current.versions))
    ]


def in_use_since(seen: VaultFacts) -> datetime | None:
    """Return when the credential in use came into use, by the vault's clock: the time of the first of its versions."""
    first = _first_in_use(seen)
    return None if first is None else first.created


def _first_in_use(seen: VaultFacts) -> Version | None:
    first, current = None, seen.current.in_use
    for version in seen.current.versions:
        if current is not None and version.is_like(current):
            first = version
        elif first is not None:
            break
    return first
