"""Listings of what others can add to, looked through within bounds."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from runbook_lib.errors import release

# Of one listing. What the suite itself keeps is far less: three blobs for each release, a row for each resource (of
# which a group has some thousands). Azure hands out 5,000 blobs or 1,000 rows at a time.
MAX_LISTED = 200_000

T = TypeVar("T")


def bounded(items: Iterable[T], *, target: str) -> Iterator[T]:
    """Yield what is listed. Raises RunbookError VD-STORAGE-005 past MAX_LISTED. target: what is listed."""
    for number, item in enumerate(items):
        if number >= MAX_LISTED:
            raise release.TOO_MANY_STORED.error(f"more than {MAX_LISTED}", target=target)
        yield item
