"""The files of releases in artifact storage: blob `<sha256>/<file name>` in container `artifacts`, written once.

A name holds the digest of its content. So a run compares every file with its name before it uses the file. It makes a
link only for a file that it has just compared. A person who may write blobs can still replace the file before
Automation fetches it. But Automation compares it with the content hash of the package's import. The writer of a blob
chooses its stored hash, length and time, so these prove nothing.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import parse_qs

from runbook_lib.azure.blobs import write_once
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.digest import digest_from_hex
from runbook_lib.daemon_threads import DaemonThreads
from runbook_lib.errors import release
from runbook_lib.network.listing import bounded
from runbook_lib.release.artifacts import ArtifactBlob
from runbook_lib.release.model import ARTIFACT_CONTAINER

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, UserDelegationKey

# Files that are read, written or hashed side by side, in threads of their own. Each has several parts of
# MAX_BLOB_RANGE_BYTES in memory, and glibc gives each thread a heap, which keeps the room of what was freed. 64 threads
# kept 12 MB more.
FILES_AT_ONCE = 2
# How long a link to a package works. An import begins at once, and fetches the package within a minute or two.
LINK_LIFE = timedelta(minutes=30)
# The life of the key that signs the links of a run. It is renewed if it would end before a link.
KEY_LIFE = timedelta(hours=1)
# Clocks differ: a key that is valid from now on may not be valid yet for the service.
CLOCK_SKEW = timedelta(minutes=5)


def blob_name(blob: ArtifactBlob) -> str:
    """Return the name of a file's blob. It ends with the file's name, because Automation reads a wheel's name."""
    return f"{blob.sha256}/{blob.filename}"


class ArtifactBlobs:
    """The container. Many threads may use it.

    `learn_secret` gets the signature of each link, so that no text shows it. Every method may raise azure.core's errors
    if the service cannot be reached or refuses.
    """

    def __init__(self, *, blob_service: "BlobServiceClient", clock: Clock, learn_secret: Callable[[str], None]) -> None:
        self._service = blob_service
        self._clock = clock
        self._learn_secret = learn_secret
        self._lock = threading.Lock()
        self._threads = DaemonThreads(FILES_AT_ONCE)
        self._key: tuple[datetime, UserDelegationKey] | None = None

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of each blob by its name.

        Raises RunbookError VD-STORAGE-004 (no container), -005 (too many blobs).
        """
        from azure.core.exceptions import ResourceNotFoundError

        try:
            listed = self._service.get_container_client(ARTIFACT_CONTAINER).list_blobs()
            return {blob.name: blob.size for blob in bounded(listed, target=ARTIFACT_CONTAINER)}
        except ResourceNotFoundError as error:
            raise release.CONTAINER_MISSING.error(target=ARTIFACT_CONTAINER) from error

    def keep(self, blob: ArtifactBlob, copy: Callable[[BinaryIO], object]) -> None:
        """Write a file. `copy` writes its bytes to the empty file that it gets.

        Raises the errors of put_once and of `copy`.
        """

        def write() -> None:
            with TemporaryFile() as file:
                copy(file)
                file.seek(0)
                self._put_once(blob, file)

        self._threads.do(write)

    def put_once(self, blob: ArtifactBlob, content: bytes) -> None:
        """Write a file if it does not exist. Raises the errors of runbook_lib.azure.blobs.write_once."""
        self._threads.do(lambda: self._put_once(blob, content))

    def _put_once(self, blob: ArtifactBlob, content: BinaryIO | bytes) -> None:
        write_once(
            self._service.get_blob_client(ARTIFACT_CONTAINER, blob_name(blob)),
            content,
            digest=blob.digest,
            found=lambda: self._digest(blob),
        )

    def digest(self, blob: ArtifactBlob) -> str | None:
        """Return the digest (sha256:HEX) of a blob's content, None if it is absent, `N bytes` if it is too large.

        The content is read in parts. All parts belong to one version: the client reads them on condition of one ETag.
        """
        return self._threads.do(lambda: self._digest(blob))

    def _digest(self, blob: ArtifactBlob) -> str | None:
        from azure.core.exceptions import ResourceNotFoundError

        found = hashlib.sha256()
        try:
            download = self._service.get_blob_client(ARTIFACT_CONTAINER, blob_name(blob)).download_blob()
            # Somebody may have replaced the blob by a huge one since its size was listed.
            if download.size > blob.max_bytes:
                return f"{download.size} bytes"
            for part in download.chunks():
                found.update(part)
        except ResourceNotFoundError:
            return None
        return digest_from_hex(found.hexdigest())

    def read(self, blob: ArtifactBlob, max_bytes: int) -> bytes:
        """Return a file's bytes.

        Raises RunbookError VD-STORAGE-003 (wrong content, more than `max_bytes`, or absent).
        """
        return self._threads.do(lambda: self._read(blob, max_bytes))

    def _read(self, blob: ArtifactBlob, max_bytes: int) -> bytes:
        from azure.core.exceptions import ResourceNotFoundError

        content: bytes
        try:
            content = (
                self._service.get_blob_client(ARTIFACT_CONTAINER, blob_name(blob))
                .download_blob(0, max_bytes + 1)
                .readall()
            )
        except ResourceNotFoundError as error:
            raise release.STORED_FILE_DIFFERS.error("it is gone", target=_target(blob)) from error
        found = hashlib.sha256(content).hexdigest()
        if found != blob.sha256:
            raise release.STORED_FILE_DIFFERS.error(f"its content has {found}", target=_target(blob))
        return content

    def link(self, blob: ArtifactBlob) -> str:
        """Return an https address that lets anybody read this one blob until LINK_LIFE from now.

        Its bytes are compared first. Raises RunbookError VD-STORAGE-003 (wrong or absent).
        """
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        found = self.digest(blob)
        if found != blob.digest:
            detail = "it is gone" if found is None else f"its content has {found}"
            raise release.STORED_FILE_DIFFERS.error(detail, target=_target(blob))
        end = self._clock.now() + LINK_LIFE
        client = self._service.get_blob_client(ARTIFACT_CONTAINER, blob_name(blob))
        signature = generate_blob_sas(
            str(self._service.account_name),
            ARTIFACT_CONTAINER,
            client.blob_name,
            user_delegation_key=self._signing_key(end),
            permission=BlobSasPermissions(read=True),
            expiry=end,
            protocol="https",
        )
        self._learn_secret(_signature(signature))
        return f"{client.url}?{signature}"

    def _signing_key(self, needed_until: datetime) -> "UserDelegationKey":
        with self._lock:
            if self._key is None or self._key[0] < needed_until:
                now = self._clock.now()
                end = now + KEY_LIFE
                self._key = end, self._service.get_user_delegation_key(now - CLOCK_SKEW, end)
            return self._key[1]


def _signature(query: str) -> str:
    return parse_qs(query)["sig"][0]


def _target(blob: ArtifactBlob) -> str:
    return f"{ARTIFACT_CONTAINER}/{blob_name(blob)}"
