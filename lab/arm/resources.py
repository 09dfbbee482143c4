"""The top-level resources of one resource group, by id: what the group's listing shows and what ARM finds in it.

ARM compares ids without case, so resources are kept by their lower-cased id. They are sorted by it, so that a page of a
long listing costs only what it shows.
"""

import copy
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

PAGE_SIZE = 1000  # of the resource listing, if the client asks for no other size

Resource = dict[str, Any]
# Fields that only ARM's own listings show. The resource's provider does not know them.
ARMS_OWN = frozenset({"managedBy", "createdTime"})


def of_provider(one: Resource) -> Resource:
    """Return a resource as its own provider shows it."""
    return {name: value for name, value in one.items() if name not in ARMS_OWN}


class ManagedResources:
    """The resources that the deployment has made, with the changes that the control API has made to them."""

    def __init__(self, *, managed_by: str, now: Callable[[], float]) -> None:
        """Begin without resources.

        managed_by: id of the managed application that the group belongs to, "" if there is none. now: in epoch seconds.
        """
        self._managed_by = managed_by
        self._now = now
        self._deployed: list[Callable[[], Iterable[Resource]]] = []
        # The api-versions of each type whose resources are shown as they are kept here.
        self.api_versions: dict[str, Sequence[str]] = {}
        self.clear()

    def show(self, api_versions: Mapping[str, Sequence[str]]) -> None:
        """Serve GET and the listing of types, e.g. `Microsoft.KeyVault/vaults`, whose provider does not serve them.

        api_versions: the api-versions that GET takes, by type.
        """
        self.api_versions.update(api_versions)

    def deployed(self, resources: Callable[[], Iterable[Resource]]) -> None:
        """Add what `resources` returns. Every reset calls it again."""
        self._deployed.append(resources)
        self._deploy(resources())

    def clear(self) -> None:
        """Go back to the start."""
        self._by_key: dict[str, Resource] = {}
        self._sorted: list[tuple[str, Resource]] | None = None
        self.page_size = PAGE_SIZE
        self.availability: dict[str, str] = {}  # availabilityState by lower-cased id, if it is not Available
        for resources in self._deployed:
            self._deploy(resources())

    def keep(self) -> Callable[[], None]:
        """Keep the resources, and return a function that puts them back."""
        by_key, availability = copy.deepcopy(self._by_key), dict(self.availability)

        def put_back() -> None:
            self._by_key, self._sorted = copy.deepcopy(by_key), None
            self.availability = dict(availability)

        return put_back

    def _deploy(self, resources: Iterable[Resource]) -> None:
        created = datetime.fromtimestamp(int(self._now()), timezone.utc).isoformat()
        told = {"managedBy": self._managed_by, "createdTime": created} if self._managed_by else {}
        self.add({**told, **one} for one in resources)

    def add(self, resources: Iterable[Resource]) -> None:
        """Add resources; one with the same id is replaced."""
        self._by_key.update((str(one["id"]).lower(), one) for one in resources)
        self._sorted = None

    def remove(self, resource_ids: Iterable[str]) -> None:
        """Remove resources. An id that several names led to counts once; KeyError if an id is unknown."""
        for key in {one.lower() for one in resource_ids}:
            del self._by_key[key]
        self._sorted = None

    def get(self, resource_id: str) -> Resource | None:
        """Return a resource, None if there is none."""
        return self._by_key.get(resource_id.lower())

    def named(self, name: str) -> list[Resource]:
        """Return the resources that have this name or id."""
        if name.startswith("/"):
            found = self.get(name)
            return [] if found is None else [found]
        return [one for one in self._by_key.values() if str(one["name"]).lower() == name.lower()]

    def of_type(self, resource_type: str) -> list[Resource]:
        """Return the resources of a type, by id."""
        return [one for _, one in self.listing() if str(one["type"]).lower() == resource_type.lower()]

    def listing(self) -> list[tuple[str, Resource]]:
        """Return every resource by its lower-cased id, sorted by id. The caller must not change them."""
        if self._sorted is None:
            self._sorted = sorted(self._by_key.items())
        return self._sorted

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._by_key)


def position_after(listing: Sequence[tuple[str, object]], key: str) -> int:
    """Return the position in the sorted listing right after a lower-cased id."""
    return bisect_right(listing, key, key=lambda pair: pair[0])
