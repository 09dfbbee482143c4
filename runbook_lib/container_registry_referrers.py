"""What refers to a manifest in a container registry: its signatures, among others.

Source: OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema". What is returned is what the
container registry says, and proves nothing. That it says nothing (404, twice) is all that counts as "there are none":
a refusal, a failure or an answer of another form is an error.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin

from runbook_lib.container_registry import ContainerRegistryReader
from runbook_lib.container_registry_wire import Answer
from runbook_lib.errors import RunbookError
from runbook_lib.notary_referrers import INDEX_TYPE, read_referrers

# 100 signatures with their annotations have 80 KiB. JSON that is made for it takes some 25 times its size once it is
# read, and the sandbox has 400 MB: so the whole list has a bound, not only each page.
MAX_PAGE_BYTES = 1024 * 1024
MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_PAGES = 20
MAX_ENTRIES = 1000


def list_referrers(
    reader: ContainerRegistryReader, repository: str, digest: str, artifact_type: str
) -> tuple[dict[str, Any], ...]:
    """Return the descriptors of what refers to `repository@digest` and is of `artifact_type`.

    By the referrers API; where the container registry does not have it, by the tag that stands in for it. Each has
    `artifactType`; nothing else is checked. Raises RunbookError VD-TRUST-014 (no list of referrers, or more than
    MAX_PAGES pages, MAX_LIST_BYTES, or MAX_ENTRIES of `artifact_type`) and the reader's errors.
    """
    found: list[dict[str, Any]] = []
    for page in _pages(reader, repository, digest, artifact_type):
        # The server may leave the filter out, and says so; it is applied here in any case.
        found += (one for one in page if isinstance(one, dict) and one.get("artifactType") == artifact_type)
        if len(found) > MAX_ENTRIES:
            what = f"the list has more than {MAX_ENTRIES} of {artifact_type}"
            raise RunbookError("VD-TRUST-014", what, target=f"referrers of {repository}@{digest}")
    return tuple(found)


def _pages(
    reader: ContainerRegistryReader, repository: str, digest: str, artifact_type: str
) -> Iterator[tuple[Any, ...]]:
    target = f"referrers of {repository}@{digest}"
    path = f"referrers/{digest}?artifactType={quote(artifact_type, safe='')}"
    read = 0
    for number in range(MAX_PAGES):
        answer = reader.page(repository, path, target, accept=INDEX_TYPE, max_bytes=MAX_PAGE_BYTES)
        if answer is None and number == 0:
            path = f"manifests/{digest.replace(':', '-')}"
            answer = reader.page(repository, path, target, accept=INDEX_TYPE, max_bytes=MAX_PAGE_BYTES)
            if answer is None:
                return
        if answer is None:
            raise RunbookError("VD-TRUST-014", "a page of the list is not there", target=target)
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type != INDEX_TYPE:
            raise RunbookError("VD-TRUST-014", f"the list is of type {media_type[:80]!r}", target=target)
        read += len(answer.content)
        if read > MAX_LIST_BYTES:
            raise RunbookError("VD-TRUST-014", f"the list has more than {MAX_LIST_BYTES} bytes", target=target)
        yield read_referrers(answer.content)
        following = _next(answer, f"https://{reader.login_server}/v2/{repository}/", path, target)
        if following is None:
            return
        path = following
    raise RunbookError("VD-TRUST-014", f"the list has more than {MAX_PAGES} pages", target=target)


def _next(answer: Answer, base: str, path: str, target: str) -> str | None:
    """Return the path of the next page (RFC 8288, rel="next"), None where there is none.

    It must be a page of this list: the token that is good for it goes there.
    """
    link, _, parameters = answer.headers.get("Link", "").strip().partition(">")
    if not link:
        return None
    url = urljoin(base + path, link.removeprefix("<"))
    if "next" not in parameters or url.partition("?")[0] != (base + path).partition("?")[0]:
        raise RunbookError("VD-TRUST-014", f"its next page is elsewhere: {ascii(url)[:200]}", target=target)
    return url.removeprefix(base)
