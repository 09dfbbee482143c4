"""The files of releases in artifact storage: blob `<sha256>/<file name>` in container `artifacts`, written once.

A name holds the digest of its content, so that nothing needs to be believed: what is used is compared with its name.
A link is given away only to what was read and compared just before. Whoever may write blobs can still replace one
between that and the moment at which Automation fetches it: then Automation compares, with the content hash that a
package's import names. A blob's own hash, length and time are the writer's to choose, and prove nothing.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import parse_qs

from runbook_lib.basics.clock import Clock
from runbook_lib.basics.digest import digest_from_hex
from runbook_lib.errors import release
from runbook_lib.network.listing import bounded
from runbook_lib.release.artifacts import ArtifactBlob

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, UserDelegationKey

CONTAINER = "artifacts"
# Files that are hashed side by side: each has a part of MAX_BLOB_RANGE_BYTES in memory.
HASHED_AT_ONCE = 4
# How long a link to a package can be read: an import is begun at once, and fetches it within a minute or two.
LINK_LIFE = timedelta(minutes=30)
# The key that signs the links of a run, renewed when it would end before a link.
KEY_LIFE = timedelta(hours=1)
# Clocks differ: a key that is valid from now on may not be valid yet for the service.
CLOCK_SKEW = timedelta(minutes=5)


def blob_name(blob: ArtifactBlob) -> str:
    """Return the name of a file's blob. It ends with the file's: a wheel is known by its name."""
    return f"{blob.sha256}/{blob.filename}"


class ArtifactBlobs:
    """The container; for use by many threads.

    Parameters: learn_secret, told the signature of each link, so that none stands in a text. Raises azure.core's errors
    where the service cannot be reached or refuses, besides what the methods name.
    """

    def __init__(self, *, blob_service: "BlobServiceClient", clock: Clock, learn_secret: Callable[[str], None]) -> None:
        self._service = blob_service
        self._clock = clock
        self._learn_secret = learn_secret
        self._lock = threading.Lock()
        self._hashing = threading.BoundedSemaphore(HASHED_AT_ONCE)
        self._key: tuple[datetime, UserDelegationKey] | None = None

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of each blob by its name.

        Raises RunbookError VD-STORAGE-004 (no container), -005 (more than can be looked through).
        """
        from azure.core.exceptions import ResourceNotFoundError

        try:
            listed = self._service.get_container_client(CONTAINER).list_blobs()
            return {blob.name: blob.size for blob in bounded(listed, target=CONTAINER)}
        except ResourceNotFoundError as error:
            raise release.CONTAINER_MISSING.error(target=CONTAINER) from error

    def put_once(self, blob: ArtifactBlob, content: BinaryIO | bytes) -> None:
        """Write a file, unless it is there.

        Raises RunbookError VD-STORAGE-002 (the account takes no data), -003 (another content is there).
        """
        from azure.core.exceptions import HttpResponseError

        try:
            self._service.get_blob_client(CONTAINER, blob_name(blob)).upload_blob(content, overwrite=False)
        except HttpResponseError as error:
            # After a lost answer the repeated write meets its own blob.
            if error.status_code == 409 and (found := self.digest(blob)) is not None:
                if found == digest_from_hex(blob.sha256):
                    return
                raise release.STORED_FILE_DIFFERS.error(f"its content has {found}", target=_target(blob)) from error
            detail = f"status {error.status_code}, {getattr(error, 'error_code', None) or error.reason}"
            raise release.STORAGE_TAKES_NO_DATA.error(detail, target=_target(blob)) from error

    def digest(self, blob: ArtifactBlob) -> str | None:
        """Return the digest (sha256:HEX) of what a blob holds, read in parts; None if it is absent.

        All parts are of one version: the client asks for the later ones under the first one's ETag.
        """
        from azure.core.exceptions import ResourceNotFoundError

        found = hashlib.sha256()
        try:
            with self._hashing:
                for part in self._service.get_blob_client(CONTAINER, blob_name(blob)).download_blob().chunks():
                    found.update(part)
        except ResourceNotFoundError:
            return None
        return digest_from_hex(found.hexdigest())

    def read(self, blob: ArtifactBlob, max_bytes: int) -> bytes:
        """Return a file's bytes. Raises RunbookError VD-STORAGE-003 (others, more than `max_bytes`, or none)."""
        from azure.core.exceptions import ResourceNotFoundError

        content: bytes
        try:
            content = (
                self._service.get_blob_client(CONTAINER, blob_name(blob)).download_blob(0, max_bytes + 1).readall()
            )
        except ResourceNotFoundError as error:
            raise release.STORED_FILE_DIFFERS.error("it is gone", target=_target(blob)) from error
        found = hashlib.sha256(content).hexdigest()
        if found != blob.sha256:
            raise release.STORED_FILE_DIFFERS.error(f"its content has {found}", target=_target(blob))
        return content

    def link(self, blob: ArtifactBlob) -> str:
        """Return an https address that lets anybody read this one blob until LINK_LIFE from now.

        Its bytes are compared first. Raises RunbookError VD-STORAGE-003 (others, or none).
        """
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        found = self.digest(blob)
        if found != digest_from_hex(blob.sha256):
            detail = "it is gone" if found is None else f"its content has {found}"
            raise release.STORED_FILE_DIFFERS.error(detail, target=_target(blob))
        end = self._clock.now() + LINK_LIFE
        client = self._service.get_blob_client(CONTAINER, blob_name(blob))
        signature = generate_blob_sas(
            str(self._service.account_name),
            CONTAINER,
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
    return f"{CONTAINER}/{blob_name(blob)}"
