"""A blob container in which blobs wait for a later run. Anybody with blob rights may write there.

The suite's blobs are authenticated: a blob's name holds the SHA-256 of its content, and its metadata has a code over
the name that only the suite can make (runbook_lib.spool.keys). So the listing alone shows which blobs the suite wrote.
Every other blob is a stranger's: a run never reads or counts it, and warns of all such blobs once. A blob of the suite
that could not be delivered is set aside: it comes after all others.

The cost is limited whatever others write: there are limits for pages, their number, and the bytes of a blob. A copy
under another name proves nothing, since the code covers the container and the name. If somebody puts a delivered blob
back under its own name, it is delivered again, and its receivers drop the copy (EventId, Idempotency-Key).
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
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
# 50,000 blobs. Blobs that are listed later wait until somebody has removed the strangers'.
MAX_PAGES = 50
# One run delivers at most this number of blobs from earlier runs. After this number of seconds it begins no further
# one. The next run delivers the rest.
BLOBS_PER_RUN = 100
SECONDS_PER_RUN = 60.0
# At most this number of characters of a stranger's name is shown.
SHOWN_CHARACTERS = 200
_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)

# A blob's metadata: the key's version, the code, when it was set aside, RFC 3339, and why it waits. Anybody with blob
# rights may change the last two, so nothing depends on them but the order and a text for people.
_KEY, _MAC, _REFUSED_AT, _WHY = "spoolkey", "spoolmac", "refusedat", "spoolwhy"
_ERROR_CODE = re.compile(r"VD-[A-Z]{1,16}-[0-9]{3}")
# The container's metadata: which strangers' blobs a run has warned of, and the proof that the suite wrote this.
_TOLD = "strangerstold"


class NotAuthenticError(Exception):
    """A blob's content does not have the SHA-256 that its name says."""

    def __init__(self) -> None:
        super().__init__("it was overwritten: its content has another SHA-256 than its name says")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """A blob of the suite, as the listing shows it.

    Attributes:
        name: Its name.
        size: In bytes.
        key: The version of the secret that made the code.
        mac: The code over its name.
        created: When it was written.
        refused_at: When it was set aside, RFC 3339, "" for never.
        held_for_ever: Somebody holds a lease on it that does not end by itself.
        why: The code of the error because of which it waits, "" if that is not known.
    """

    name: str
    size: int
    key: str
    mac: str
    created: datetime = _BEGINNING
    refused_at: str = ""
    held_for_ever: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strangers:
    """Blobs that the suite did not write. The last was written at `newest`. `more`: the listing was longer."""

    count: int = 0
    first: str = ""
    newest: datetime = _BEGINNING
    more: bool = False

    def __str__(self) -> str:
        """Return the text of a warning."""
        shown = self.first if len(self.first) <= SHOWN_CHARACTERS else self.first[:SHOWN_CHARACTERS] + "..."
        number = "a blob" if self.count == 1 else f"{self.count} blobs"
        beyond = f"; only the first {PAGE_BLOBS * MAX_PAGES} blobs were looked at" if self.more else ""
        return f"{number} that no runbook of this instance wrote{beyond}, such as {shown}"


class Spool:
    """One container. Raises azure.core's errors, and those of SpoolKeys if it needs a key.

    Args:
        clients: The clients of the run.
        keys: The keys that authenticate the blobs.
        container: The container's name.
        stems: A pattern for the beginning of blobs' names, before the SHA-256 of their content.
        max_bytes: The maximum size of a blob.
    """

    def __init__(self, *, clients: AzureClients, keys: SpoolKeys, container: str, stems: str, max_bytes: int) -> None:
        self._clients = clients
        self._keys = keys
        self._name = container
        self._form = re.compile(rf"{stems}-(?P<sha256>[0-9a-f]{{64}})\.json")
        self._max_bytes = max_bytes

    def waiting(self) -> tuple[list[Spooled], Strangers]:
        """Return the waiting blobs, with those that were set aside at the end, and the strangers' blobs.

        It needs one request if nothing waits. If there is no container, nothing waits.
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
        """Return a blob's content. Return None if the blob is gone. Raises NotAuthenticError."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            content = self._container().download_blob(blob.name, 0, self._max_bytes + 1).readall()
        except ResourceNotFoundError:
            return None
        found = self._form.fullmatch(blob.name)
        if found is None or hashlib.sha256(content).hexdigest() != found["sha256"]:
            raise NotAuthenticError
        return content

    def put(self, stem: str, content: bytes, *, why: str) -> Spooled:
        """Keep `content` and return the blob.

        `stem` is the beginning of its name. `why` is an error's code, "" for none.
        """
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        name, key = f"{stem}-{hashlib.sha256(content).hexdigest()}.json", self._keys.newest()
        kept = Spooled(name=name, size=len(content), key=key.version, mac=key.mac(self._name, _blob(name)), why=why)
        container = self._container()

        def upload() -> None:
            # If an answer was lost, the retry finds the blob: its name holds the digest of its content.
            with suppress(ResourceExistsError):
                container.upload_blob(name, content, overwrite=False, metadata=_metadata(kept))

        try:
            upload()
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):  # another run has just made it
                container.create_container()
            upload()
        return kept

    def remove(self, blob: Spooled, *, lease: str | None = None) -> None:
        """Remove a blob with its snapshots. `lease` is the caller's. Another client's lease is broken."""
        from azure.core.exceptions import ResourceNotFoundError

        client = self.client(blob)
        try:
            self._freed(blob, lambda: client.delete_blob(delete_snapshots="include", lease=lease))
        except ResourceNotFoundError:
            return  # Another run delivered it as well, or an answer was lost and the retry finds it deleted.

    def set_aside(self, blob: Spooled, at: str, *, why: str, lease: str | None = None) -> None:
        """Set a blob aside that could not be delivered. It then comes after all others.

        `at` is the time of the failure (RFC 3339). `why` is the same as for `put`.
        """
        from azure.core.exceptions import ResourceNotFoundError

        client, marks = self.client(blob), {**_metadata(replace(blob, why=why)), _REFUSED_AT: at}
        try:
            self._freed(blob, lambda: client.set_blob_metadata(marks, lease=lease))
        except ResourceNotFoundError:
            return  # somebody has deleted it to give it up

    def tell_once(self, strangers: Strangers, tell: Callable[[Strangers], object]) -> None:
        """Warn of strangers' blobs, unless a run has warned of all of them. The container's metadata says that.

        All other metadata is removed: if somebody filled it up, or wrote our name in capitals, every run would warn
        again.
        """
        if not strangers.count:
            return
        container = self._container()
        marks: Mapping[str, object] = container.get_container_properties().metadata or {}
        key = self._keys.newest()
        told, _, mac = str(marks.get(_TOLD, "")).partition(" ")
        if key.proves(mac, self._name, _told(told)):
            until, _, count = told.partition(",")
            # A blob's time has whole seconds: only the count shows another blob of the same second.
            if strangers.newest <= from_rfc3339(until) and strangers.count <= int(count):
                return
        tell(strangers)
        told = f"{rfc3339(strangers.newest)},{strangers.count}"
        container.set_container_metadata({_TOLD: f"{told} {key.mac(self._name, _told(told))}"})

    def client(self, blob: Spooled) -> "BlobClient":
        """Return the SDK's client of a blob."""
        return self._container().get_blob_client(blob.name)

    def _listed(self) -> "Iterator[BlobProperties | None]":
        """Yield the blobs as they are listed, and None if the listing is longer than the limit."""
        pages = self._container().list_blobs(include=["metadata"], results_per_page=PAGE_BLOBS).by_page()
        for number, page in enumerate(pages):
            if number == MAX_PAGES:
                yield None
                return
            yield from page

    def _authentic(self, blob: "BlobProperties") -> Spooled | None:
        """Return the blob if the suite wrote it, None if a stranger did."""
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
            why=found.group() if (found := _ERROR_CODE.fullmatch(str(marks.get(_WHY, "")))) else "",
        )

    def free(self, blob: Spooled) -> None:
        """Break the lease that somebody else holds on a blob."""
        from azure.storage.blob import BlobLeaseClient

        BlobLeaseClient(self.client(blob)).break_lease(0)

    def _freed(self, blob: Spooled, work: Callable[[], object]) -> None:
        """Do `work` on a blob. If somebody else's lease prevents it, break the lease and try again."""
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
    return {_KEY: blob.key, _MAC: blob.mac, **({_WHY: blob.why} if blob.why else {})}
