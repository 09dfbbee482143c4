"""Container-level immutability (WORM): the policies of the blob containers, and what they forbid.

Faithful: time-based retention at container level, unlocked and locked; ETags. A locked policy can only be extended, and
only five times. While a blob is retained, the same operations are forbidden as in Azure. An expired blob may be deleted
but never overwritten. Protected append writes and the audit log are there, too.
A container may be created with version-level immutability. Its policy is then the default for its blobs' versions, and
newer versions may be written. The account does not keep versions, so they are left out.
Left out: adding blocks to a block blob (the documentation says that allowProtectedAppendWritesAll allows it), legal
holds, the migration of a container to version level, the limit of 10,000 containers.

Sources: learn storage/blobs/immutable-storage-overview and immutable-container-level-worm-policies ("Scenarios");
Microsoft.Storage 2023-05-01 `BlobContainers_*ImmutabilityPolicy`; codes as users quote them
(MicrosoftDocs/feedback#1844, Azure/azure-powershell#26148, pulumi/pulumi-azure-native#2154). Not documented, so chosen
here: the status of a change that the policy's state forbids (409), and the code for deleting a container whose policy
is unlocked.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

MIN_DAYS = 1
MAX_DAYS = 146_000
MAX_EXTENSIONS = 5
DAY_SECONDS = 24 * 3600

# The operations on a blob that a policy can forbid.
Operation = Literal["create", "modify", "append", "delete", "harmless"]


class PolicyRefusedError(Exception):
    """ARM refuses a change of a policy."""

    def __init__(self, status: int, message: str, code: str = "ContainerImmutabilityPolicyFailure") -> None:
        """Keep the HTTP status, ARM's message and its code."""
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One entry of a policy's audit log."""

    kind: Literal["put", "lock", "extend"]
    days: int
    at: float  # seconds since the epoch
    object_id: str  # the principal's


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A container's policy."""

    days: int  # retention since a blob's creation
    state: Literal["Unlocked", "Locked"] = "Unlocked"
    allow_appends: bool = False  # allowProtectedAppendWrites
    allow_appends_all: bool = False  # allowProtectedAppendWritesAll
    etag: str  # with its quotes
    history: tuple[Update, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """What is known about an existing blob. Times are in seconds since the epoch."""

    created: float
    modified: float
    is_append_blob: bool


@dataclass(slots=True)
class Immutability:
    """The policies of one storage account, by container name."""

    policies: dict[str, Policy] = field(default_factory=dict)
    # Containers with version-level immutability, and since when (seconds since the epoch).
    version_level: dict[str, float] = field(default_factory=dict)
    _changes: int = 0

    def put(
        self, container: str, *, days: int, appends: tuple[bool, bool], if_match: str | None, at: float, by: str
    ) -> Policy:
        """Create or replace an unlocked policy; PolicyRefusedError if it is locked or the ETag differs.

        `appends` are allowProtectedAppendWrites and allowProtectedAppendWritesAll, which exclude each other.
        """
        _check_days(days)
        if all(appends):
            raise PolicyRefusedError(
                400,
                "The properties allowProtectedAppendWrites and allowProtectedAppendWritesAll are mutually exclusive.",
                "InvalidRequestPropertyValue",
            )
        now = self.policies.get(container)
        if now is not None:
            _check_state(now, "Unlocked")
        if if_match is not None:
            _check_etag(now, if_match)
        policy = Policy(
            days=days,
            allow_appends=appends[0],
            allow_appends_all=appends[1],
            etag=self._etag(),
            history=(*(now.history if now else ()), Update(kind="put", days=days, at=at, object_id=by)),
        )
        self.policies[container] = policy
        return policy

    def lock(self, container: str, *, if_match: str, at: float, by: str) -> Policy:
        """Lock the policy for good."""
        now = self._existing(container, if_match)
        _check_state(now, "Unlocked")
        update = Update(kind="lock", days=now.days, at=at, object_id=by)
        return self._store(container, replace(now, state="Locked", history=(*now.history, update)))

    def extend(self, container: str, *, days: int, if_match: str, at: float, by: str) -> Policy:
        """Extend a locked policy's retention to `days`."""
        _check_days(days)
        now = self._existing(container, if_match)
        _check_state(now, "Locked")
        if days <= now.days:
            raise PolicyRefusedError(
                409, "Operation not allowed on immutability policy: the retention interval can only be increased."
            )
        if sum(update.kind == "extend" for update in now.history) >= MAX_EXTENSIONS:
            raise PolicyRefusedError(
                409, f"Operation not allowed on immutability policy: it has been extended {MAX_EXTENSIONS} times."
            )
        update = Update(kind="extend", days=days, at=at, object_id=by)
        return self._store(container, replace(now, days=days, history=(*now.history, update)))

    def delete(self, container: str, *, if_match: str) -> str:
        """Delete an unlocked policy; return the ETag of the absent policy."""
        _check_state(self._existing(container, if_match), "Unlocked")
        del self.policies[container]
        return self._etag()

    def clear(self) -> None:
        """Forget every policy."""
        self.policies.clear()
        self.version_level.clear()

    def container_policy(self, container: str) -> Policy | None:
        """Return the policy that protects a container's blobs themselves, None if there is none."""
        return None if container in self.version_level else self.policies.get(container)

    def _existing(self, container: str, if_match: str) -> Policy:
        now = self.policies.get(container)
        _check_etag(now, if_match)
        if now is None:
            raise PolicyRefusedError(404, "The container has no immutability policy.", "ImmutabilityPolicyNotFound")
        return now

    def _store(self, container: str, policy: Policy) -> Policy:
        self.policies[container] = replace(policy, etag=self._etag())
        return self.policies[container]

    def _etag(self) -> str:
        self._changes += 1
        return f'"8de{self._changes:012x}"'


def _check_days(days: int) -> None:
    if not MIN_DAYS <= days <= MAX_DAYS:
        raise PolicyRefusedError(
            400,
            f"The immutabilityPeriodSinceCreationInDays {days} is not from {MIN_DAYS} to {MAX_DAYS}.",
            "InvalidRequestPropertyValue",
        )


def _check_state(policy: Policy, wanted: str) -> None:
    if policy.state != wanted:
        raise PolicyRefusedError(409, "Operation not allowed on immutability policy with current state.")


def _check_etag(policy: Policy | None, if_match: str) -> None:
    # The service's own examples send the ETag without quotes. Both forms are accepted, and `*`.
    given = if_match.strip().strip('"')
    if given != "*" and given != (policy.etag.strip('"') if policy else ""):
        raise PolicyRefusedError(412, "Operation not allowed on immutability policy with incorrect etag.")


def operation(*, method: str, component: str) -> Operation:
    """Tell what a request on a blob does. `component` is the query's `comp` ("" if there is none).

    Staging a block (`block`), leases, tiers, tags, aborting a copy and undeleting are never forbidden.
    """
    if method == "DELETE":
        return "delete"
    if method != "PUT":
        return "harmless"
    if component in ("", "blocklist"):
        return "create"
    if component == "appendblock":
        return "append"
    return "modify" if component in ("metadata", "properties", "snapshot", "page", "incrementalcopy") else "harmless"


def forbids(policy: Policy, wanted: Operation, blob: Blob | None, *, now: float) -> bool:
    """Tell whether the policy forbids the operation at `now` (epoch seconds) on the blob (None: no blob yet)."""
    if wanted == "harmless" or blob is None:
        return False
    if wanted == "append":
        return not (blob.is_append_blob and (policy.allow_appends or policy.allow_appends_all))
    if wanted == "delete":
        # Appending goes on after creation, so an append blob is retained from its last write.
        since = blob.modified if blob.is_append_blob else blob.created
        return now < since + policy.days * DAY_SECONDS
    return True  # an overwrite or a change, even after the retention has expired
