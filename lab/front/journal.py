"""The journal: which client sent which request to which service, and what the answer was."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# A run with 160 images makes about 1,000 requests. This many hold hours of tests in about 100 MB.
MAX_ENTRIES = 200_000

# Parts of a query that are secrets: a shared access signature, a webhook's token, an OAuth code.
_SECRET_QUERY = re.compile(r"(?i)([?&](?:sig|token|code|access_token)=)[^&]+")


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request."""

    sequence: int  # counts from 1, in order of arrival, over all services
    at: float  # seconds since the epoch, by the lab's clock
    service: str
    method: str
    path: str  # with the query, as sent, but with masked secrets
    api_version: str  # from the query, or `x-ms-version`; "" if there is none
    client: str  # User-Agent
    job_id: str | None
    operator: bool = False  # whether the operator's process made the request (lab/front/operator.py)
    status: int | None = None  # of the answer, even if it was injected or dropped; None if there is none
    fault: str | None = None  # the injected fault's action
    seconds: float | None = None  # None before the answer

    def as_json(self) -> dict[str, object]:
        """Return the entry as the control API shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Journal:
    """The newest MAX_ENTRIES requests."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES) -> None:
        """Start empty."""
        self._entries: deque[Entry] = deque(maxlen=max_entries)
        self._next = 1
        self.dropped = 0

    def begin(
        self,
        *,
        at: float,
        service: str,
        method: str,
        path: str,
        api_version: str,
        client: str,
        job_id: str | None,
        operator: bool = False,
    ) -> Entry:
        """Add a request that has just arrived and return its entry, to be completed when it is answered."""
        entry = Entry(
            sequence=self._next,
            at=at,
            service=service,
            method=method,
            path=_SECRET_QUERY.sub(r"\1***", path) if "?" in path else path,
            api_version=api_version,
            client=client,
            job_id=job_id,
            operator=operator,
        )
        self._next += 1
        if len(self._entries) == self._entries.maxlen:
            self.dropped += 1
        self._entries.append(entry)
        return entry

    @property
    def newest(self) -> int:
        """The sequence of the request that came last, 0 if none has come."""
        return self._next - 1

    def select(self, *, service: str | None, job_id: str | None, method: str | None, since: int) -> Iterator[Entry]:
        """Yield the entries after sequence `since` that have the given service, job and method (None: any)."""
        for entry in self._entries:
            if (
                entry.sequence > since
                and (service is None or entry.service == service)
                and (job_id is None or entry.job_id == job_id)
                and (method is None or entry.method == method)
            ):
                yield entry

    def clear(self) -> None:
        """Forget everything; sequence numbers start again."""
        self._entries.clear()
        self._next = 1
        self.dropped = 0


def summary(entries: Iterator[Entry]) -> Mapping[str, object]:
    """Count requests by service, method and status."""
    total = 0
    services: dict[str, dict[str, dict[str, int]]] = {}
    for entry in entries:
        total += 1
        counts = services.setdefault(entry.service, {"methods": {}, "statuses": {}})
        for kind, value in (("methods", entry.method), ("statuses", str(entry.status))):
            counts[kind][value] = counts[kind].get(value, 0) + 1
    return {"total": total, "services": services}
