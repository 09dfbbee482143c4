"""A blob container in which something waits for a later run, and in which anybody with blob rights may write.

What waits is authenticated: a blob's name holds the SHA-256 of its content, and its metadata a code over the name that
only the suite can make (runbook_lib.spool.keys). So the listing alone tells what the suite wrote. All else is a
stranger's: it is never read, counts for nothing, and is told of once, however much there is. What the suite wrote and
could not deliver is set aside: it comes after all others.

Nothing here grows with what somebody writes: pages, their number and what is read of a blob are bounded. A copy under
another name proves nothing, since the code covers the container and the name. The same blob put back under its own name
is delivered anew, which its receivers make once (EventId, Idempotency-Key).
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from runbook_lib.azure.clients import AzureClients
from runbook_lib.basics.clock import from_rfc3339, rfc3339
from runbook_lib.spool.keys import VERSION, SpoolKeys

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobProperties, ContainerClient

# A name has up to 1,024 characters and metadata 8 KiB (learn.microsoft.com, naming-and-referencing-containers--blobs--
# and-metadata), so that a page of strangers' blobs is 10 MB of XML at the most. Ours take 0.5 KB each.
PAGE_BLOBS = 1000
# 50,000 blobs: what lies behind so many waits until somebody has removed the strangers.
MAX_PAGES = 50
# How much of a stranger's name is told.
SHOWN_CHARACTERS = 200
_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)

# A blob's metadata: the key's version, the code, and when it was set aside, RFC 3339.
_KEY, _MAC, _REFUSED_AT = "spoolkey", "spoolmac", "refusedat"
# The container's metadata: until when strangers' blobs were told of, and the proof that the suite says so.
_TOLD = "strangerstold"


class NotAuthenticError(Exception):
    """A blob has another content than the one that its name proves."""

    def __init__(self) -> None:
        super().__init__("it was overwritten: its content has another SHA-256 than its name says")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """A blob that the suite wrote, as it is listed.

    size: bytes. created: when it was written. refused_at: when it was set aside, "" for never. key, mac: its proof.
    held_for_ever: somebody holds a lease on it that does not end by itself.
    """

    name: str
    size: int
    key: str
    mac: str
    created: datetime = _BEGINNING
    refused_at: str = ""
    held_for_ever: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Strangers:
    """Blobs that the suite did not write. newest: when the last of them was written; more: the listing went on."""

    count: int = 0
    first: str = ""
    newest: datetime = _BEGINNING
    more: bool = False

    def __str__(self) -> str:
        """Return what there is to tell of them."""
        shown = self.first if len(self.first) <= SHOWN_CHARACTERS else self.first[:SHOWN_CHARACTERS] + "..."
        number = "a blob" if self.count == 1 else f"{self.count} blobs"
        beyond = f"; only the first {PAGE_BLOBS * MAX_PAGES} blobs were looked at" if self.more else ""
        return f"{number} that no runbook of this instance wrote{beyond}, such as {shown}"


class Spool:
    """One container. Raises azure.core's errors, and if a key is needed those of SpoolKeys.

    Parameters: clients; keys; container, its name; form, of the names that the suite gives: its last group is the
    SHA-256 of the content; max_bytes, of a blob.
    """

    def __init__(
        self, *, clients: AzureClients, keys: SpoolKeys, container: str, form: re.Pattern[str], max_bytes: int
    ) -> None:
        self._clients = clients
        self._keys = keys
        self._name = container
        self._form = form
        self._max_bytes = max_bytes

    def waiting(self) -> tuple[list[Spooled], Strangers]:
        """Return what waits, those that were set aside last, and what strangers wrote: one request where nothing waits.

        Where no container is, nothing waits.
        """
        from azure.core.exceptions import ResourceNotFoundError

        ours: list[Spooled] = []
        strangers = Strangers()
        try:
            for blob in self._listed():
                if blob is None:
                    strangers = replace(strangers, more=True)
                elif (found := self._authentic(blob)) is not None:
                    ours.append(found)
                else:
                    strangers = replace(
                        strangers,
                        count=strangers.count + 1,
                        first=strangers.first or blob.name,
                        newest=max(strangers.newest, blob.last_modified),
                    )
        except ResourceNotFoundError:
            return [], Strangers()
        return sorted(ours, key=lambda each: (each.refused_at, each.created, each.name)), strangers

    def read(self, blob: Spooled) -> bytes | None:
        """Return what a blob holds; None if it is gone. Raises NotAuthenticError."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            content = self._container().download_blob(blob.name, 0, self._max_bytes + 1).readall()
        except ResourceNotFoundError:
            return None
        if hashlib.sha256(content).hexdigest() != self._sha256_in(blob.name):
            raise NotAuthenticError
        return content

    def put(self, name: str, content: bytes) -> Spooled:
        """Keep `content` and return the blob. name: of the spool's form, with the SHA-256 of the content."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        key = self._keys.newest()
        kept = Spooled(name=name, size=len(content), key=key.version, mac=key.mac(self._name, _blob(name)))
        container = self._container()
        try:
            container.upload_blob(name, content, overwrite=False, metadata=_metadata(kept))
        except ResourceNotFoundError:
            container.create_container()
            container.upload_blob(name, content, overwrite=False, metadata=_metadata(kept))
        except ResourceExistsError:
            # An answer was lost and the retry finds the blob: its name holds the digest of its content.
            return kept
        return kept

    def remove(self, blob: Spooled, *, lease: str | None = None) -> None:
        """Remove a blob with its snapshots. lease: the one that the caller holds; another's does not keep it here."""
        from azure.core.exceptions import ResourceNotFoundError

        client = self.client(blob)
        try:
            self._freed(blob, lambda: client.delete_blob(delete_snapshots="include", lease=lease))
        except ResourceNotFoundError:
            return  # Another run delivered it as well, or an answer was lost and the retry finds it deleted.

    def set_aside(self, blob: Spooled, at: str, *, lease: str | None = None) -> None:
        """Let a blob that could not be delivered at a time in RFC 3339 come after all others."""
        from azure.core.exceptions import ResourceNotFoundError

        client, marks = self.client(blob), {**_metadata(blob), _REFUSED_AT: at}
        try:
            self._freed(blob, lambda: client.set_blob_metadata(marks, lease=lease))
        except ResourceNotFoundError:
            return  # somebody has deleted it, to have it forgotten

    def tell_once(self, strangers: Strangers, tell: Callable[[Strangers], object]) -> None:
        """Tell of strangers' blobs, unless a run has told of all of them: the container's metadata says until when.

        What else stands in the metadata goes: who fills it up, or writes our name in capitals, would have every run
        tell anew.
        """
        if not strangers.count:
            return
        container = self._container()
        marks: Mapping[str, object] = container.get_container_properties().metadata or {}
        key = self._keys.newest()
        told, _, mac = str(marks.get(_TOLD, "")).partition(" ")
        if key.proves(mac, self._name, _told(told)):
            until, _, count = told.partition(",")
            # A blob's time has whole seconds: one more of the same second shows by the count alone.
            if strangers.newest <= from_rfc3339(until) and strangers.count <= int(count):
                return
        tell(strangers)
        told = f"{rfc3339(strangers.newest)},{strangers.count}"
        container.set_container_metadata({_TOLD: f"{told} {key.mac(self._name, _told(told))}"})

    def client(self, blob: Spooled) -> "BlobClient":
        """Return the SDK's client of a blob."""
        return self._container().get_blob_client(blob.name)

    def _listed(self) -> "Iterator[BlobProperties | None]":
        """Yield the blobs as they are listed; None if the listing goes on beyond the bound."""
        pages = self._container().list_blobs(include=["metadata"], results_per_page=PAGE_BLOBS).by_page()
        for number, page in enumerate(pages):
            if number == MAX_PAGES:
                yield None
                return
            yield from page

    def _authentic(self, blob: "BlobProperties") -> Spooled | None:
        """Return what the suite wrote, None for a stranger's."""
        marks: Mapping[str, object] = blob.metadata or {}
        version, mac = str(marks.get(_KEY, "")), str(marks.get(_MAC, ""))
        if blob.size > self._max_bytes or not self._form.fullmatch(blob.name) or not VERSION.fullmatch(version):
            return None
        key = self._keys.of_version(version)
        if key is None or not key.proves(mac, self._name, _blob(blob.name)):
            return None
        return Spooled(
            name=blob.name,
            size=blob.size,
            key=version,
            mac=mac,
            created=blob.creation_time or blob.last_modified,
            refused_at=str(marks.get(_REFUSED_AT, "")),
            held_for_ever=blob.lease.duration == "infinite",
        )

    def _sha256_in(self, name: str) -> str:
        found = self._form.fullmatch(name)
        return "" if found is None else str(found[found.re.groups])

    def free(self, blob: Spooled) -> None:
        """Break the lease that somebody else holds on a blob."""
        from azure.storage.blob import BlobLeaseClient

        BlobLeaseClient(self.client(blob)).break_lease(0)

    def _freed(self, blob: Spooled, work: Callable[[], object]) -> None:
        """Do `work` on a blob; a lease that somebody else holds is broken first, where it is in the way."""
        from azure.core.exceptions import HttpResponseError

        try:
            work()
        except HttpResponseError as error:
            if error.status_code != 412:  # LeaseIdMissing, LeaseIdMismatchWithBlobOperation
                raise
            self.free(blob)
            work()

    def _container(self) -> "ContainerClient":
        return self._clients.blob_service.get_container_client(self._name)


def _blob(name: str) -> str:
    return f"blob\n{name}"


def _told(mark: str) -> str:
    return f"told\n{mark}"


def _metadata(blob: Spooled) -> dict[str, str]:
    return {_KEY: blob.key, _MAC: blob.mac}
