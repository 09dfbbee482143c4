"""How a container registry comes to list a signature beside what it signs.

One with the referrers API lists what names a subject by itself. For one without, the client keeps the list: an index
under the tag `sha256-<hex of the subject>` (OCI distribution 1.1, "Referrers Tag Schema"; Docker Registry 2.8 is such a
one). Two clients may write that index at once, and not every server knows conditions: the write is conditional where
the server gives an ETag, and what is there afterwards is read again until it has the entry.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests.utils import parse_header_links

from oci.container_registry_writer import ContainerRegistryWriter
from oci.layout import INDEX_MEDIA_TYPE, Descriptor, canonical
from runbook_lib import strict_json
from runbook_lib.container_registry_wire import Answer
from runbook_lib.errors import RunbookError

# A subject gathers a signature for each time that its release was built. More is somebody's mistake.
MAX_PAGES = 50
# How often an index that others write, too, is tried.
MAX_WRITES = 5


class Referrers:
    """What a container registry lists beside one artifact, its subject.

    Errors (RunbookError): VD-TRUST-054 (an answer that is no list, or others write it all the time), and the writer's.
    """

    def __init__(self, *, writer: ContainerRegistryWriter, repository: str, subject: str) -> None:
        self._writer = writer
        self._repository = repository
        self._subject = subject
        self._tag = subject.replace(":", "-")

    def lists(self, digest: str) -> bool:
        """Return whether a reader of the list meets this digest."""
        listed = self._from_api()
        entries = self._from_tag()[0] if listed is None else listed
        return any(entry["digest"] == digest for entry in entries)

    def add(self, referrer: Descriptor) -> None:
        """Put an artifact on the list, where the container registry does not do so by itself."""
        for _ in range(MAX_WRITES):
            if self._from_api() is not None:
                return
            entries, etag = self._from_tag()
            if any(entry["digest"] == referrer.digest for entry in entries):
                return
            index = {"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": [*entries, referrer.as_json()]}
            self._writer.put_index(self._repository, self._tag, canonical(index), etag=etag)
        raise self._failed(f"written {MAX_WRITES} times, and still without {referrer.digest}")

    def _from_api(self) -> list[dict[str, Any]] | None:
        """Return what the API lists, None where there is no such API."""
        entries: list[dict[str, Any]] = []
        for answer in self._pages():
            if answer is None:
                return None
            entries += self._entries(answer)
        return entries

    def _pages(self) -> Iterator[Answer | None]:
        path = f"/v2/{self._repository}/referrers/{self._subject}"
        for _ in range(MAX_PAGES):
            answer = self._writer.get(path, accept=INDEX_MEDIA_TYPE)
            yield answer
            links = [] if answer is None else parse_header_links(answer.headers.get("Link", ""))
            following = next((link["url"] for link in links if link.get("rel") == "next"), None)
            if following is None:
                return
            # Of an absolute address nothing but path and query counts: no other host is asked.
            parts = urlsplit(urljoin(path, following))
            path = f"{parts.path}?{parts.query}"
        raise self._failed(f"more than {MAX_PAGES} pages")

    def _from_tag(self) -> tuple[list[dict[str, Any]], str]:
        """Return what the index under the tag lists, and the ETag that it has, empty for none."""
        answer = self._writer.get(f"/v2/{self._repository}/manifests/{self._tag}", accept=INDEX_MEDIA_TYPE)
        return ([], "") if answer is None else (self._entries(answer), answer.headers.get("ETag", ""))

    def _entries(self, answer: Answer) -> list[dict[str, Any]]:
        try:
            entries: list[dict[str, Any]] = strict_json.loads(answer.content)["manifests"]
            if not all(isinstance(entry["digest"], str) for entry in entries):
                raise TypeError("a digest is no text")
        except (ValueError, TypeError, KeyError) as error:
            raise self._failed("the container registry's answer is no list") from error
        return entries

    def _failed(self, detail: str) -> RunbookError:
        return RunbookError("VD-TRUST-054", detail, target=f"{self._repository}@{self._subject}")
