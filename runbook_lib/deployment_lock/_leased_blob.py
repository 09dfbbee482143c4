"""One lock's blob over the official client: made if absent, leased, renewed, written, read, given back.

Each request may be sent twice, since an answer may be lost: a lease is acquired under an id of our own choice, which
the service confirms again; a blob is made only where there is none; what is written is the same bytes.
"""

import uuid
from typing import TYPE_CHECKING

from runbook_lib.deployment_lock.content import MAX_CONTENT_BYTES, NOBODY
from runbook_lib.deployment_lock.lapse import means_lost
from runbook_lib.deployment_lock.place import LockPlace
from runbook_lib.network.failures import service_codes

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import BlobClient, BlobLeaseClient

# Somebody else has the lease (learn rest/api/storageservices/blob-service-error-codes).
_HELD = frozenset({"LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"})


class LeaseLostError(Exception):
    """The service says that the lease is not, or no longer, ours."""


class LeasedBlob:
    """One place and our lease there, once acquired. Raises azure.core's errors."""

    def __init__(self, place: LockPlace, *, lease_seconds: int) -> None:
        self._place = place
        self._lease_seconds = lease_seconds
        self._lease_id = str(uuid.uuid4())

    def acquire(self) -> bool:
        """Lease the blob. Return whether it is ours now; False: somebody else has it."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        try:
            try:
                self._lease().acquire(lease_duration=self._lease_seconds)
            except ResourceNotFoundError:
                self._make()
                self._lease().acquire(lease_duration=self._lease_seconds)
        except HttpResponseError as error:
            if error.status_code == 409 and not _HELD.isdisjoint(service_codes(error)):
                return False
            raise
        return True

    def renew(self) -> None:
        """Lease the blob for as long again. Raises LeaseLostError."""
        from azure.core.exceptions import HttpResponseError

        lease = self._lease()
        try:
            lease.renew()
        except HttpResponseError as error:
            if means_lost(error.status_code):
                raise _lost(error) from error
            raise
        # The client takes the id of the answer; a service that confirms another's lease has not confirmed ours.
        if lease.id != self._lease_id:
            raise LeaseLostError("the service has renewed another's lease")

    def write(self, content: bytes) -> None:
        """Let the blob hold `content`. Raises LeaseLostError."""
        from azure.core.exceptions import HttpResponseError
        from azure.storage.blob import ContentSettings

        settings = ContentSettings(content_type="application/json")
        try:
            self._blob().upload_blob(content, overwrite=True, lease=self._lease(), content_settings=settings)
        except HttpResponseError as error:
            if means_lost(error.status_code):
                raise _lost(error) from error
            raise

    def read(self) -> bytes:
        """Return what the blob holds, of too much only the beginning; NOBODY where there is none."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        try:
            return self._blob().download_blob(offset=0, length=MAX_CONTENT_BYTES + 1).readall()
        except ResourceNotFoundError:
            return NOBODY
        except HttpResponseError as error:
            if error.status_code != 416:  # an empty blob has no first byte; the suite leaves none
                raise
            return b""

    def release(self) -> None:
        """Give the lease back, whether or not it is ours: another's lease has another id."""
        from azure.core.exceptions import HttpResponseError

        try:
            self._lease().release()
        except HttpResponseError as error:
            if not means_lost(error.status_code):
                raise

    def _make(self) -> None:
        """Make the blob, and the container that it is to be in, where there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            self._make_blob()
        except ResourceNotFoundError:
            self._make_container()
            self._make_blob()

    def _make_blob(self) -> None:
        from azure.core.exceptions import HttpResponseError

        try:
            self._blob().upload_blob(NOBODY, overwrite=False)
        except HttpResponseError as error:
            # Somebody made it, and may have leased it, at the same moment: BlobAlreadyExists, LeaseIdMissing.
            if error.status_code not in (409, 412):
                raise

    def _make_container(self) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            self._place.blob_service.get_container_client(self._place.container).create_container()
        except ResourceExistsError:
            return  # somebody made it at the same moment

    def _blob(self) -> "BlobClient":
        return self._place.blob_service.get_blob_client(self._place.container, self._place.blob)

    def _lease(self) -> "BlobLeaseClient":
        from azure.storage.blob import BlobLeaseClient

        return BlobLeaseClient(self._blob(), lease_id=self._lease_id)


def _lost(error: "HttpResponseError") -> LeaseLostError:
    return LeaseLostError(" ".join((str(error.status_code), *service_codes(error))))
