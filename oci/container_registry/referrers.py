"""Make a container registry list a signature beside the signed artifact.

A container registry with the referrers API makes the list itself. For others, such as Docker Registry 2.8, the client
keeps the list: an index under the tag `sha256-<hex of the subject>` (OCI distribution 1.1, "Referrers Tag Schema"). Two
clients may write that index at the same time, and some servers have no conditional requests. So this client makes the
write conditional if the server gives an ETag. Then it reads the index again. If the index lacks the entry, the client
writes it again.
"""

from typing import Any

from oci.container_registry.writer import ContainerRegistryWriter
from oci.layout.writer import INDEX_MEDIA_TYPE, Descriptor, canonical
from runbook_lib.container_registry.wire import Answer
from runbook_lib.errors import build
from runbook_lib.trust.good_signature import read_referrers
from runbook_lib.trust.manifest import ARTIFACT_TYPE
from runbook_lib.trust.referrers import list_referrers

# An index is written at most this number of times, because other clients may write it, too.
MAX_WRITES = 5


class Referrers:
    """The list of signatures of one artifact, the subject.

    Raises RunbookError VD-TRUST-014 (an answer that is not a list), -054 (others write the list all the time), and the
    writer's errors.
    """

    def __init__(self, *, writer: ContainerRegistryWriter, repository: str, subject: str) -> None:
        self._writer = writer
        self._repository = repository
        self._subject = subject

    def lists(self, digest: str) -> bool:
        """Return whether the list has an artifact with this digest. Customers read the list in the same way."""
        listed = list_referrers(self._writer.reader(), self._repository, self._subject, ARTIFACT_TYPE)
        return any(entry.get("digest") == digest for entry in listed)

    def add(self, referrer: Descriptor) -> None:
        """Put an artifact on the list, if the container registry does not do this itself."""
        tag = self._subject.replace(":", "-")
        # The list is read once more after the last write. Otherwise a write that succeeded might count as a failure.
        for written in range(MAX_WRITES + 1):
            if self._get(f"referrers/{self._subject}") is not None:
                return
            held = self._get(f"manifests/{tag}")
            entries: tuple[Any, ...] = () if held is None else read_referrers(held.content)
            if any(isinstance(entry, dict) and entry.get("digest") == referrer.digest for entry in entries):
                return
            if written == MAX_WRITES:
                break
            index = {"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": [*entries, referrer.as_json()]}
            etag = "" if held is None else held.headers.get("ETag", "")
            self._writer.put_index(self._repository, tag, canonical(index), etag=etag)
        detail = f"written {MAX_WRITES} times, and still without {referrer.digest}"
        raise build.SIGNATURE_NOT_LISTED.error(detail, target=f"{self._repository}@{self._subject}")

    def _get(self, path: str) -> Answer | None:
        return self._writer.get(self._repository, path, accept=INDEX_MEDIA_TYPE)
