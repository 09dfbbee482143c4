"""The place of a lock."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPlace:
    """The place of a lock.

    Attributes:
        blob_service: The client of the storage account.
        container: The container of the lock's blob.
        blob: The name of the lock's blob.
        name: The name for people, such as `the lock of the subscription`.
        one_account: Whether all holders of this lock start their jobs in the same Automation account. Then the account
            in the blob does not count.
    """

    name: str
    blob_service: "BlobServiceClient"
    container: str
    blob: str
    one_account: bool = False
