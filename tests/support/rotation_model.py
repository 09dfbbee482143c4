"""A vault in memory: it makes the changes of a rotation's runbooks without the code under test.

It acts like a real vault: a new version becomes the newest one, a deleted secret shows only its newest version, and a
write to a deleted secret is refused. A promotion reads the pending secret once more, as the runbooks do.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from runbook_lib.change import Change
from runbook_lib.errors import RunbookError
from runbook_lib.rotation.request import PhaseRequest, held
from runbook_lib.rotation.rules import Decision, decide
from runbook_lib.rotation.versions import USABLE, Secret, VaultFacts, Version, WrappingKey, is_overtaken

SECRET, PENDING = "hmac-key", "hmac-key-pending"
START = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
OVERLAP = timedelta(hours=3)
GOOD = WrappingKey(version="k1", usable=True, shown=USABLE)


class Refused(Exception):  # noqa: N818 - the vault's answer
    """The vault refuses a change, or the runbook does so at its last look."""


@dataclass(slots=True, kw_only=True)
class Model:
    """The vault: its secrets by name, the wrapping key's versions, and the time."""

    now: datetime = START
    secrets: dict[str, Secret] = field(default_factory=lambda: {SECRET: Secret(), PENDING: Secret()})
    keys: tuple[WrappingKey, ...] = ()
    key_deleted: bool = False
    made: int = 0
    accepts: frozenset[str] | None = None  # the deliveries that pass the publisher's test; None for all

    def copy(self) -> "Model":
        return replace(self, secrets=dict(self.secrets))

    def seen(self, key_version: str = "k1") -> VaultFacts:
        shown = {
            name: replace(secret, versions=secret.versions[:1]) if secret.deleted else secret
            for name, secret in self.secrets.items()
        }
        return VaultFacts(
            current=shown[SECRET],
            pending=shown[PENDING],
            newest_key=self.keys[0] if self.keys else None,
            named_key=None
            if self.key_deleted
            else next((key for key in self.keys if key.version == key_version), None),
            key_deleted=self.key_deleted,
        )

    def state(self) -> tuple[object, ...]:
        """Return what makes two models different. Of times, it has only whether a promotion overtook a version."""
        seen = self.seen()
        secrets = tuple(
            (secret.deleted, tuple(_told_apart(version, seen) for version in secret.versions))
            for secret in self.secrets.values()
        )
        return (*secrets, tuple(key.usable for key in self.keys), self.key_deleted)

    def make(self, decision: Decision) -> None:
        """Make a decision's changes, in the order of their stages."""
        for change in sorted(decision.changes, key=lambda each: each.stage):
            self._make(change, decision.request)

    def _make(self, change: Change, request: PhaseRequest) -> None:
        kind, _, name = change.target.partition(" ")
        name, _, version = name.partition("/")
        if kind == "key":
            if change.action == "create":
                self.keys = (self._key(), *self.keys)
            self.key_deleted = False
            return
        secret = self.secrets[name]
        if change.action == "recover":
            self.secrets[name] = replace(secret, deleted=False)
            return
        if secret.deleted:
            raise Refused(f"{name} is deleted")
        if change.action == "stage":
            self.add(PENDING, self.version(request.rotation_id, request.credential_id, delivery=request.brings))
        elif change.action == "test":
            meant = held(request, self.seen())
            if meant is None:
                raise Refused("it is another's")
            if self.accepts is not None and meant.delivery not in self.accepts:
                raise Refused("the publisher does not take it")
            self.secrets[name] = replace(
                secret, versions=tuple(replace(v, tested="now") if v == meant else v for v in secret.versions)
            )
        elif change.action == "promote":
            pending = held(request, self.seen())
            if pending is None or not pending.enabled:
                raise Refused("it is another's")
            if not pending.tested:
                raise Refused("it is not tested")
            self.add(SECRET, self.version(request.rotation_id, pending.credential_id, delivery=pending.delivery))
        else:
            assert change.action == "disable"
            self.secrets[name] = replace(
                secret,
                versions=tuple(
                    replace(each, enabled=each.enabled and each.version != version) for each in secret.versions
                ),
            )

    def add(self, name: str, version: Version) -> None:
        secret = self.secrets[name]
        self.secrets[name] = replace(secret, versions=(version, *secret.versions))

    def version(
        self,
        rotation: str,
        credential: str = "",
        *,
        enabled: bool = True,
        tested: str = "",
        age: timedelta = timedelta(),
        delivery: str = "",
    ) -> Version:
        self.made += 1
        return Version(
            version=f"v{self.made}",
            enabled=enabled,
            created=self.now - age,
            credential_id=credential or (f"key-{rotation}" if rotation else ""),
            rotation_id=rotation,
            tested=tested,
            delivery=delivery,
            written=f"{self.made:06}",
        )

    def _key(self) -> WrappingKey:
        return replace(GOOD, version=f"k{len(self.keys) + 1}")

    def request(self, phase: str, rotation: str, *, supersedes: str = "", key_version: str = "k1") -> PhaseRequest:
        staged = phase in ("stage", "auto") and bool(rotation)
        return PhaseRequest(
            phase=phase,  # type: ignore[arg-type]
            secret=SECRET,
            rotation_id=rotation,
            credential_id=f"key-{rotation}" if staged else "",
            wrapped=staged,
            key_version=key_version if staged else "",
            supersedes=supersedes,
            overlap=OVERLAP,
            now=self.now,
        )

    def run(self, phase: str, rotation: str, *, supersedes: str = "") -> Decision | str:
        """Run a phase, and return the decision, or the code of the refusal."""
        newest = self.keys[0].version if self.keys else ""
        try:
            decision = decide(
                self.request(phase, rotation, supersedes=supersedes, key_version=newest), self.seen(newest)
            )
        except RunbookError as error:
            return error.code
        self.make(decision)
        return decision


def _told_apart(version: Version, seen: VaultFacts) -> tuple[object, ...]:
    late = is_overtaken(version, seen)
    return version.enabled, version.rotation_id, version.delivery, bool(version.tested), late
