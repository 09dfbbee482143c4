"""List the artifacts that refer to a manifest in a container registry, such as its signatures.

Source: OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema". The result is the container
registry's own claim and proves nothing. Only two answers 404 mean that there are none. A refusal, a failure or an
answer of another form is an error.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

from runbook_lib.basics import addresses
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.wire import Answer
from runbook_lib.errors import RunbookError, trust
from runbook_lib.network import link_field
from runbook_lib.network.header_fields import media_type
from runbook_lib.trust.descriptor import MANIFEST_TYPE, Descriptor, read_descriptor, shown
from runbook_lib.trust.good_signature import INDEX_TYPE, read_referrers
from runbook_lib.trust.manifest import MAX_SIGNATURE_MANIFEST_BYTES, type_of

# 100 signatures with their annotations have 80 KiB. Hostile JSON needs some 25 times its size in memory, and the
# sandbox has 400 MB. So the whole list has a limit, not only each page.
MAX_PAGE_BYTES = 1024 * 1024
MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_PAGES = 20
MAX_ENTRIES = 1000
# At most this number of entries without a type is read, with one request each. Anybody who can attach such entries can
# attach signatures, too.
MAX_LOOKED_AT = 20
FILTERS_APPLIED = "OCI-Filters-Applied"

_STEP = "2 of the workflow"


def list_referrers(
    reader: ContainerRegistryReader, repository: str, digest: str, artifact_type: str
) -> tuple[dict[str, Any], ...]:
    """Return the descriptors of the artifacts of `artifact_type` that refer to `repository@digest`, in listed order.

    It uses the referrers API, or the tag that stands in for it if the container registry does not have the API. Each
    descriptor has `artifactType` in small letters, and nothing else is checked. Some servers leave that member out:
    then the entry's manifest says the type. An entry whose manifest cannot be read may be a signature, and is in the
    result.

    Raises RunbookError VD-TRUST-014 (no list of referrers, or more than MAX_PAGES pages, MAX_LIST_BYTES, or MAX_ENTRIES
    of `artifact_type`) and the reader's errors.
    """
    query = f"?artifactType={quote(artifact_type, safe='')}"
    found, filtered = _listed(reader, repository, digest, artifact_type, query)
    if not found and filtered:
        # The server does not know the types of its entries, so its filter has left them out.
        found, _ = _listed(reader, repository, digest, artifact_type, "")
    return tuple(_of_type(reader, repository, found, artifact_type))


def _listed(
    reader: ContainerRegistryReader, repository: str, digest: str, artifact_type: str, query: str
) -> tuple[list[dict[str, Any]], bool]:
    """Return the entries that have, or may have, the type, and whether the server has left out others."""
    found: list[dict[str, Any]] = []
    filtered = False
    for answer in _pages(reader, repository, digest, query):
        filtered = filtered or "artifacttype" in answer.headers.get(FILTERS_APPLIED, "").lower()
        # The server may ignore the filter. So filter here in any case.
        entries = (entry for entry in read_referrers(answer.content) if isinstance(entry, dict))
        found += (entry for entry in entries if _type(entry) in ("", artifact_type))
        if len(found) > MAX_ENTRIES:
            what = f"the list has more than {MAX_ENTRIES} of {artifact_type}"
            raise trust.SIGNATURES_UNKNOWN.error(what, target=f"referrers of {repository}@{digest}")
    return found, filtered


def _type(entry: dict[str, Any]) -> str | None:
    """Return an entry's type in small letters, "" if it has none, None if it is not a text."""
    kind = entry.get("artifactType") or ""
    return kind.lower() if isinstance(kind, str) else None


def _of_type(
    reader: ContainerRegistryReader, repository: str, entries: list[dict[str, Any]], artifact_type: str
) -> Iterator[dict[str, Any]]:
    left = MAX_LOOKED_AT
    for entry in entries:
        if not _type(entry):
            manifest = _manifest_of(entry)
            if manifest is None:
                continue
            if left:
                left -= 1
                try:
                    if not _is_of_type(reader, repository, manifest, artifact_type):
                        continue
                except RunbookError as error:
                    # The code that reads the signature finds out what it is, or says that it cannot. If the server
                    # fails, ask it no further here.
                    left = 0 if error.retryable else left
        yield {**entry, "artifactType": artifact_type}


def _manifest_of(entry: dict[str, Any]) -> Descriptor | None:
    """Return the descriptor of a manifest that may be a signature's, None if the entry names none."""
    try:
        described = read_descriptor(entry, "the entry in the list of referrers", _STEP)
    except RunbookError:
        return None
    small = described.size <= MAX_SIGNATURE_MANIFEST_BYTES
    return described if described.media_type.lower() == MANIFEST_TYPE and small else None


def _is_of_type(reader: ContainerRegistryReader, repository: str, described: Descriptor, artifact_type: str) -> bool:
    """Whether the manifest has the type, or may have it."""
    manifest = reader.manifest(repository, described.digest, described.size)
    return manifest is None or type_of(manifest.content) == artifact_type


def _pages(reader: ContainerRegistryReader, repository: str, digest: str, query: str) -> Iterator[Answer]:
    target = f"referrers of {repository}@{digest}"
    path = f"referrers/{digest}{query}"
    read = 0
    for number in range(MAX_PAGES):
        answer = reader.page(repository, path, target, accept=INDEX_TYPE, max_bytes=MAX_PAGE_BYTES)
        if answer is None and number == 0:
            path = f"manifests/{digest.replace(':', '-')}"
            answer = reader.page(repository, path, target, accept=INDEX_TYPE, max_bytes=MAX_PAGE_BYTES)
            if answer is None:
                return
        if answer is None:
            raise trust.SIGNATURES_UNKNOWN.error("a page of the list is not there", target=target)
        found = media_type(answer.headers.get("Content-Type", ""))
        if found != INDEX_TYPE:
            raise trust.SIGNATURES_UNKNOWN.error(f"the list is of type {shown(found)}", target=target)
        read += len(answer.content)
        if read > MAX_LIST_BYTES:
            raise trust.SIGNATURES_UNKNOWN.error(f"the list has more than {MAX_LIST_BYTES} bytes", target=target)
        yield answer
        following = _next(answer, f"https://{reader.login_server}/v2/{repository}/", path, target)
        if following is None:
            return
        path = following
    raise trust.SIGNATURES_UNKNOWN.error(f"the list has more than {MAX_PAGES} pages", target=target)


def _next(answer: Answer, base: str, path: str, target: str) -> str | None:
    """Return the path of the next page (RFC 8288, rel="next") below `base`, None if there is none.

    It must be a page of this list, because the request carries the token.
    """
    try:
        links = link_field.links(answer.headers.get("Link", ""))
    except link_field.NotAFieldError as error:
        raise trust.SIGNATURES_UNKNOWN.error(f"its Link cannot be read: {error}", target=target) from error
    following = next((link.target for link in links if "next" in link.relations), None)
    if following is None:
        return None
    here = addresses.read(base + path)
    try:
        there = addresses.follow(here, following)
    except addresses.NotAnAddressError as error:
        raise trust.SIGNATURES_UNKNOWN.error(
            f"its next page is elsewhere, at no address: {error}", target=target
        ) from error
    # Some servers escape the colon of the digest.
    if there.origin != here.origin or unquote(there.path) != unquote(here.path):
        raise trust.SIGNATURES_UNKNOWN.error(f"its next page is elsewhere: {shown(there.shown)}", target=target)
    return path.partition("?")[0] + (f"?{there.query}" if there.query else "")
