"""Write a blob once: a blob that exists is never replaced."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from runbook_lib.errors import release as release_errors

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient


def write_once(
    client: "BlobClient", content: BinaryIO | bytes, *, digest: str, found: Callable[[], str | None], **options: Any
) -> None:
    """Write a blob, unless it exists with the same content.

    After a lost answer the write may be repeated. Then it finds its own blob, and this counts as written.

    Args:
        client: The client of the blob.
        content: The content.
        digest: The digest of the content.
        found: Returns the digest of the existing blob, None for no blob.
        options: Options of `upload_blob`.

    Raises:
        RunbookError: VD-STORAGE-002 (the account takes no data), -003 (the blob has another content).
        azure.core's errors: The service could not be reached.
    """
    from azure.core.exceptions import HttpResponseError

    try:
        client.upload_blob(content, overwrite=False, **options)
    except HttpResponseError as error:
        target = f"{client.container_name}/{client.blob_name}"
        there = found() if error.status_code == 409 else None
        if there == digest:
            return
        if there is not None:
            raise release_errors.STORED_FILE_DIFFERS.error(f"its content has {there}", target=target) from error
        detail = f"status {error.status_code}, {getattr(error, 'error_code', None) or error.reason}"
        raise release_errors.STORAGE_TAKES_NO_DATA.error(detail, target=target) from error
