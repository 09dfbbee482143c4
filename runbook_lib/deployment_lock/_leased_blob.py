"""The blob of one lock, through the official client: create it, lease it, renew it, write, read, and give it back.

An answer may be lost, so each request can be sent twice without harm. We choose the id of the lease, and the service
confirms the same id again. A blob is created only if it does not exist. A repeated write has the same bytes.
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
    """The service says that the lease is not ours, or is no longer ours."""


class LeasedBlob:
    """One place, and our lease there after `acquire`. Raises azure.core's errors."""

    def __init__(self, place: LockPlace, *, lease_seconds: int) -> None:
        self._place = place
        self._lease_seconds = lease_seconds
        self._lease_id = str(uuid.uuid4())

    def acquire(self) -> bool:
        """Lease the blob. Return whether we have the lease now. False means that somebody else has it."""
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
        """Renew the lease for its whole time. Raises LeaseLostError."""
        from azure.core.exceptions import HttpResponseError

        lease = self._lease()
        try:
            lease.renew()
        except HttpResponseError as error:
            if means_lost(error.status_code):
                raise _lost(error) from error
            raise
        # The client takes the id from the answer. If the service confirms another lease, it has not confirmed ours.
        if lease.id != self._lease_id:
            raise LeaseLostError("the service has renewed another's lease")

    def write(self, content: bytes) -> None:
        """Write `content` to the blob. Raises LeaseLostError."""
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
        """Return the blob's content, or only its beginning if it is too long. Return NOBODY if there is no blob."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        try:
            return self._blob().download_blob(offset=0, length=MAX_CONTENT_BYTES + 1).readall()
        except ResourceNotFoundError:
            return NOBODY
        except HttpResponseError as error:
            if error.status_code != 416:  # an empty blob has no first byte; the suite never writes an empty blob
                raise
            return b""

    def release(self) -> None:
        """Give the lease back, even if it may not be ours.

        This cannot end another holder's lease, which has another id.
        """
        from azure.core.exceptions import HttpResponseError

        try:
            self._lease().release()
        except HttpResponseError as error:
            if not means_lost(error.status_code):
                raise

    def _make(self) -> None:
        """Create the blob if it does not exist, and also its container."""
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
            # At the same moment somebody else created it, and may have leased it: BlobAlreadyExists, LeaseIdMissing.
            if error.status_code not in (409, 412):
                raise

    def _make_container(self) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            self._place.blob_service.get_container_client(self._place.container).create_container()
        except ResourceExistsError:
            return  # somebody else created it at the same moment

    def _blob(self) -> "BlobClient":
        return self._place.blob_service.get_blob_client(self._place.container, self._place.blob)

    def _lease(self) -> "BlobLeaseClient":
        from azure.storage.blob import BlobLeaseClient

        return BlobLeaseClient(self._blob(), lease_id=self._lease_id)


def _lost(error: "HttpResponseError") -> LeaseLostError:
    return LeaseLostError(" ".join((str(error.status_code), *service_codes(error))))
