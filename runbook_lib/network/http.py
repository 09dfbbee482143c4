"""Limits: how many bytes of an answer are read, and over how many connections."""

from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import requests

# The number of threads of one run that may talk to one host at the same time (engine.MAX_PARALLEL). A sandbox allows
# 1,000 sockets to all its jobs together (docs/azure-facts.md#python-and-its-limits).
CONNECTIONS_PER_HOST = 64
# The hosts of one run: ARM, blob, table, vault, logs, two container registries and their storage behind redirects.
HOSTS = 16
READ_BYTES = 256 * 1024
# The limit of an answer that is read whole, after decoding. The SDKs ask for no larger ones: blobs come in ranges of 1
# MiB (MAX_BLOB_RANGE_BYTES in runbook_lib/azure/clients.py), and listings in pages of some MB.
MAX_CONTENT_BYTES = 16 * 1024 * 1024


class TooLarge(Exception):  # noqa: N818 - the caller names the error
    """The answer has more bytes than the caller allows."""


def read_capped(response: "requests.Response", max_bytes: int) -> bytes:
    """Return the body of a response opened with stream=True. Raises TooLarge past `max_bytes`."""
    content = BytesIO()
    copy_capped(response, max_bytes, content)
    return content.getvalue()


def copy_capped(response: "requests.Response", max_bytes: int, file: BinaryIO) -> None:
    """Write the body of a response opened with stream=True to `file`. Raises TooLarge past `max_bytes`."""
    size = 0
    for part in response.iter_content(READ_BYTES):
        size += len(part)
        if size > max_bytes:
            response.close()
            raise TooLarge
        file.write(part)
