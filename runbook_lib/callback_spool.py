"""Reports that wait for the publisher, in a blob container: the next run that can deliver them does, oldest first.

A blob's name says when its report was made, of what kind and id it is, and the SHA-256 of its content; what is read is
held against it, and against the allow-list, so that nothing leaves the tenant because somebody put it there. The
container is bounded by refusing more: nothing that waits is dropped for something newer.

A blob that was refused for what it holds stays in its place and says so in its metadata: it comes after all others.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.callback_client import CallbackReport
from runbook_lib.callback_payloads import MAX_PAYLOAD_BYTES, PayloadRefusedError, parse, to_json
from runbook_lib.errors import RunbookError

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, ContainerClient

CONTAINER = "callbacks-spool"
# A check of health every hour for forty days.
MAX_WAITING_REPORTS = 1000
MAX_WAITING_BYTES = 32 * 1024 * 1024

# A blob's metadata: when it was last refused for what it holds, RFC 3339.
_REFUSED_AT = "refusedat"

_NAME = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-([a-z]+)-([0-9a-f-]{36})-([0-9a-f]{64})\.json")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A report that waits. size: bytes. refused_at: when it was last refused for what it holds, "" for never."""

    name: str
    size: int
    refused_at: str = ""


class CallbackSpool:
    """The container. Raises azure.core's errors, besides what the methods name."""

    def __init__(self, blob_service: "BlobServiceClient") -> None:
        self._blob_service = blob_service

    def waiting(self) -> list[Waiting]:
        """Return what waits: one request. Where no container is, nothing waits.

        The oldest first, as names begin with when a report was made; then those that were refused, longest ago first.
        """
        from azure.core.exceptions import ResourceNotFoundError

        try:
            # One page (5,000 blobs) is more than the spool takes.
            page = list(next(iter(self._container().list_blobs(include=["metadata"]).by_page()), []))
            waiting = [Waiting(blob.name, blob.size, (blob.metadata or {}).get(_REFUSED_AT, "")) for blob in page]
            return sorted(waiting, key=lambda each: (each.refused_at, each.name))
        except ResourceNotFoundError:
            return []

    def read(self, name: str) -> CallbackReport | None:
        """Return a report; None where it is gone: another run has delivered it.

        Raises RunbookError VD-CALLBACK-026 where the blob is not what its name says, or may not leave.
        """
        from azure.core.exceptions import ResourceNotFoundError

        found = _NAME.fullmatch(name)
        if found is None:
            raise RunbookError("VD-CALLBACK-026", "it has no report's name", target=f"{CONTAINER}/{name}")
        try:
            content = self._container().download_blob(name, 0, MAX_PAYLOAD_BYTES + 1).readall()
        except ResourceNotFoundError:
            return None
        if hashlib.sha256(content).hexdigest() != found[3]:
            raise RunbookError("VD-CALLBACK-026", "its content has another SHA-256", target=f"{CONTAINER}/{name}")
        try:
            return CallbackReport(report_id=found[2], payload=parse(found[1], content))
        except PayloadRefusedError as error:
            raise RunbookError("VD-CALLBACK-026", str(error), target=f"{CONTAINER}/{name}") from error

    def put(self, report: CallbackReport, waiting: Sequence[Waiting]) -> Waiting:
        """Keep a report and return it. waiting: what waits already. Raises RunbookError VD-CALLBACK-027 (no room)."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        content = to_json(report.payload)
        added = Waiting(_name_of(report, content), len(content))
        size = sum(each.size for each in waiting) + added.size
        if len(waiting) >= MAX_WAITING_REPORTS or size > MAX_WAITING_BYTES:
            raise RunbookError("VD-CALLBACK-027", f"{len(waiting)} reports wait", target=CONTAINER)
        container = self._container()
        try:
            container.upload_blob(added.name, content, overwrite=False)
        except ResourceNotFoundError:
            container.create_container()
            container.upload_blob(added.name, content, overwrite=False)
        except ResourceExistsError:
            # An answer was lost and the retry finds the blob: its name holds the digest of its content.
            return added
        return added

    def remove(self, name: str) -> None:
        """Remove a report that was taken."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            self._container().delete_blob(name)
        except ResourceNotFoundError:
            # Another run delivered it as well, or an answer was lost and the retry finds it deleted.
            return

    def set_aside(self, name: str, at: str) -> None:
        """Let what was refused for what it holds, at a time in RFC 3339, come after all others."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            self._container().get_blob_client(name).set_blob_metadata({_REFUSED_AT: at})
        except ResourceNotFoundError:
            return  # somebody has deleted it, to have it forgotten

    def _container(self) -> "ContainerClient":
        return self._blob_service.get_container_client(CONTAINER)


def _name_of(report: CallbackReport, content: bytes) -> str:
    moment = report.payload.at.replace("-", "").replace(":", "")
    return f"{moment}-{report.payload.kind}-{report.report_id}-{hashlib.sha256(content).hexdigest()}.json"
