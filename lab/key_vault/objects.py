"""What a Key Vault's secrets, keys and certificates have in common. Pure; the clock is given.

They have versions, attributes, tags and soft deletion, and readers may see a write late.

Faithful: names without case, 409 on the name of a deleted object, recover and purge, purge protection, and the end of a
deleted object after its 90 days.
Not documented and chosen here: the lag. Key Vault says nothing of how consistent its reads are (UNCONFIRMED), so a test
may ask for the worst case: for `lag` seconds after a write, reads that name no version still show the state before it.
Writes, and reads of a version by its id, always see the present state.

Sources: learn key-vault/general/soft-delete-overview, about-keys-secrets-certificates ("names are case-insensitive");
codes and messages as recorded by the SDKs' tests and as users quote them (microsoft/AzureTRE#1760).
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
MAX_TAGS = 15
MAX_TAG_CHARACTERS = 256
RECOVERABLE_DAYS = 90
DAY_SECONDS = 24 * 3600

Content = TypeVar("Content")


class VaultRefusedError(Exception):
    """The vault refuses a request with an HTTP status, a code, a message, and an inner code ("" if none)."""

    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        """Keep the parts."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.inner = inner


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The attributes of a version that a client sets; None: not set. Times are in whole epoch seconds."""

    enabled: bool | None = None
    not_before: int | None = None
    expires: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version(Generic[Content]):
    """One version of a secret, key or certificate."""

    id: str  # 32 hexadecimal digits
    content: Content
    tags: Mapping[str, str]
    attributes: Attributes
    created: int
    updated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultObject(Generic[Content]):
    """A secret, key or certificate: its versions, the oldest first."""

    name: str  # as first written
    versions: tuple[Version[Content], ...] = ()
    deleted: int | None = None  # when it was deleted; None: it is not deleted


@dataclass(slots=True, kw_only=True)
class VaultOptions:
    """The settings of a vault as a whole."""

    purge_protection: bool = False

    @property
    def recovery_level(self) -> str:
        """The `recoveryLevel` of every object."""
        return "Recoverable" if self.purge_protection else "Recoverable+Purgeable"


class VaultObjects(Generic[Content]):
    """The secrets, the keys or the certificates of one vault. Soft deletion is on, as in every vault."""

    def __init__(self, *, kind: str, now: Callable[[], float], lag: Callable[[], float], options: VaultOptions) -> None:
        """Start empty. kind: "secret", "key" or "certificate". lag: seconds until readers see a write."""
        self._kind = kind
        self._now = now
        self._lag = lag
        self._options = options
        self._objects: dict[str, VaultObject[Content]] = {}
        # Name -> for each write that readers do not see yet: when they will see it, and what was there before.
        self._unseen: dict[str, list[tuple[float, VaultObject[Content] | None]]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._objects.clear()
        self._unseen.clear()

    def keep(self) -> Callable[[], None]:
        """Keep every object and what readers do not see yet, and return a function that puts them back."""
        objects, unseen = dict(self._objects), {name: list(writes) for name, writes in self._unseen.items()}

        def put_back() -> None:
            self._objects, self._unseen = dict(objects), {name: list(writes) for name, writes in unseen.items()}

        return put_back

    def require_name(self, name: str) -> None:
        """Refuse a name for a new version: 400 if it is malformed, 409 if a deleted object has it."""
        if NAME.fullmatch(name) is None:
            raise bad_parameter(f"The request URI contains an invalid name: {name}")
        found = self._true(name)
        if found is not None and found.deleted is not None:
            message = (
                f"{self._kind.capitalize()} {name} is currently in a deleted but recoverable state, and its name "
                f"cannot be reused; in this state, the {self._kind} can only be recovered or purged."
            )
            raise VaultRefusedError(409, "Conflict", message, "ObjectIsDeletedButRecoverable")

    def add(
        self, name: str, content: Content, *, tags: Mapping[str, str], attributes: Attributes, version_id: str = ""
    ) -> tuple[VaultObject[Content], Version[Content]]:
        """Add a version, with a new id if `version_id` is "". Refuse it as `require_name` does."""
        self.require_name(name)
        self._check_tags(tags)
        now = int(self._now())
        enabled = True if attributes.enabled is None else attributes.enabled
        version = Version(
            id=version_id or uuid.uuid4().hex,
            content=content,
            tags=dict(tags),
            attributes=replace(attributes, enabled=enabled),
            created=now,
            updated=now,
        )
        old = self._true(name) or VaultObject(name=name)
        new = replace(old, versions=(*old.versions, version))
        self._write(name, new)
        return new, version

    def find(self, name: str, version_id: str = "") -> tuple[VaultObject[Content], Version[Content]]:
        """Return a version ("": the latest that is seen), enabled or not; 404 if there is none."""
        return self._version(self._true(name) if version_id else self._seen(name), name, version_id)

    def update(
        self,
        name: str,
        version_id: str,
        *,
        change: Callable[[Content], Content],
        tags: Mapping[str, str] | None,
        attributes: Attributes,
    ) -> tuple[VaultObject[Content], Version[Content]]:
        """Change the given values of a version ("": the latest), even of a disabled one. None: no change."""
        if tags is not None:
            self._check_tags(tags)
        found, old = self._version(self._true(name), name, version_id)
        was = old.attributes
        new = replace(
            old,
            content=change(old.content),
            tags=old.tags if tags is None else dict(tags),
            attributes=Attributes(
                enabled=was.enabled if attributes.enabled is None else attributes.enabled,
                not_before=was.not_before if attributes.not_before is None else attributes.not_before,
                expires=was.expires if attributes.expires is None else attributes.expires,
            ),
            updated=int(self._now()),
        )
        changed = replace(found, versions=tuple(new if one is old else one for one in found.versions))
        self._write(name, changed)
        return changed, new

    def newest(self, name: str) -> Version[Content] | None:
        """Return the newest version as it is, None if there is none or the object is deleted."""
        found = self._true(name)
        return None if found is None or found.deleted is not None else found.versions[-1]

    def versions(self, name: str) -> list[tuple[VaultObject[Content], Version[Content]]]:
        """Return the versions by id, as the service lists them; none if there is no such object."""
        found = self._seen(name)
        if found is None or found.deleted is not None:
            return []
        return [(found, version) for version in sorted(found.versions, key=lambda version: version.id)]

    def listed(self, *, deleted: bool) -> list[VaultObject[Content]]:
        """Return the objects that are not deleted, or the deleted ones, by name."""
        every = [self._seen(name) for name in {*self._objects, *self._unseen}]
        found = [one for one in every if one is not None and (one.deleted is not None) == deleted]
        return sorted(found, key=lambda one: one.name.lower())

    def delete(self, name: str) -> VaultObject[Content]:
        """Delete softly, with all versions."""
        found, _ = self._version(self._true(name), name, "")
        gone = replace(found, deleted=int(self._now()))
        self._write(name, gone)
        return gone

    def deleted(self, name: str) -> VaultObject[Content]:
        """Return a deleted object; 404 if there is none."""
        return self._deleted(self._seen(name), name)

    def recover(self, name: str) -> VaultObject[Content]:
        """Undo a deletion."""
        back = replace(self._deleted(self._true(name), name), deleted=None)
        self._write(name, back)
        return back

    def purge(self, name: str) -> None:
        """Delete a deleted object for good; 403 under purge protection."""
        self._deleted(self._true(name), name)
        if self._options.purge_protection:
            message = (
                'Operation "purge" is not allowed because purge protection is enabled for this vault. Key Vault '
                "service will automatically purge it after the retention period has passed."
            )
            raise VaultRefusedError(403, "Forbidden", message, "ForbiddenByPolicy")
        self._write(name, None)

    def _write(self, name: str, new: VaultObject[Content] | None) -> None:
        lag, key = self._lag(), name.lower()
        if lag:
            self._unseen.setdefault(key, []).append((self._now() + lag, self._objects.get(key)))
        if new is None:
            del self._objects[key]
        else:
            self._objects[key] = new

    def _true(self, name: str) -> VaultObject[Content] | None:
        """Return the present object; None if there is none, or if it was deleted and its days are over."""
        key = name.lower()
        found = self._objects.get(key)
        if found is not None and found.deleted is not None and self._now() >= scheduled_purge(found.deleted):
            del self._objects[key]
            return None
        return found

    def _seen(self, name: str) -> VaultObject[Content] | None:
        """Return what a read without a version sees: the state before the oldest write that readers do not see yet."""
        key, now = name.lower(), self._now()
        unseen = [one for one in self._unseen.pop(key, ()) if one[0] > now and self._lag()]
        if not unseen:
            return self._true(name)
        self._unseen[key] = unseen
        return unseen[0][1]

    def _version(
        self, found: VaultObject[Content] | None, name: str, version_id: str
    ) -> tuple[VaultObject[Content], Version[Content]]:
        if found is None or found.deleted is not None:
            raise self._not_found(name)
        if not version_id:
            return found, found.versions[-1]
        version = next((version for version in found.versions if version.id == version_id), None)
        if version is None:
            raise self._not_found(f"{name}/{version_id}")
        return found, version

    def _deleted(self, found: VaultObject[Content] | None, name: str) -> VaultObject[Content]:
        if found is None or found.deleted is None:
            raise self._not_found(name)
        return found

    def _check_tags(self, tags: Mapping[str, str]) -> None:
        if len(tags) > MAX_TAGS or any(len(text) > MAX_TAG_CHARACTERS for pair in tags.items() for text in pair):
            raise bad_parameter(
                f"A {self._kind} takes at most {MAX_TAGS} tags of at most {MAX_TAG_CHARACTERS} characters."
            )

    def _not_found(self, name: str) -> VaultRefusedError:
        message = (
            f"A {self._kind} with (name/id) {name} was not found in this key vault. If you recently deleted this "
            f"{self._kind} you may be able to recover it using the correct recovery command. For help resolving this "
            "issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
        )
        return VaultRefusedError(404, f"{self._kind.capitalize()}NotFound", message)


def scheduled_purge(deleted: int) -> int:
    """Return when an object that was deleted at `deleted` is purged, in epoch seconds."""
    return deleted + RECOVERABLE_DAYS * DAY_SECONDS


def bad_parameter(message: str) -> VaultRefusedError:
    """Refuse with 400 BadParameter."""
    return VaultRefusedError(400, "BadParameter", message)
