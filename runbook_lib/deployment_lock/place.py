"""Where a lock is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPlace:
    """Where a lock is.

    name: for people, such as `the lock of the subscription`. one_account: all of its holders start their jobs in the
    same Automation account, whatever the blob says.
    """

    name: str
    blob_service: "BlobServiceClient"
    container: str
    blob: str
    one_account: bool = False
