"""Limit how many items of a listing a run reads: others can add items."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from runbook_lib.errors import release

# Items of one listing. The suite itself keeps far fewer: three blobs for each release, and a row for each resource (a
# group has some thousands of them). Azure lists 5,000 blobs or 1,000 rows in one answer.
MAX_LISTED = 200_000

T = TypeVar("T")


def bounded(items: Iterable[T], *, target: str, at_most: int | None = None) -> Iterator[T]:
    """Yield the items of a listing. `target` is its name. Raises RunbookError VD-STORAGE-005 past `at_most`.

    Without `at_most` the limit is MAX_LISTED.
    """
    limit = MAX_LISTED if at_most is None else at_most
    for number, item in enumerate(items):
        if number >= limit:
            raise release.TOO_MANY_STORED.error(f"more than {limit}", target=target)
        yield item
