"""The faults and latencies that the control API can inject, matched to requests."""

import re
from dataclasses import dataclass, field

# What ARM's errors may look like. wrapped: as documented. bare: without the outer `error`, like Automation's older
# errors. text: a JSON text that holds JSON, like a recorded 409 of ACR.
FORMS = ("wrapped", "bare", "text")
# How long a long-running operation takes without a latency: long enough that one poll sees it running.
OPERATION_SECONDS = 0.05
MAX_SECONDS = 24 * 3600


class InvalidFaultError(Exception):
    """The control API refuses a fault or a latency with 400. The text says what it accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a fault does with a request. By default, it resets the connection before the service sees the request."""

    answers: bool = False  # The client gets an injected answer instead of the service's.
    delays: bool = False  # The request passes, but later.
    carries_out: bool = False  # The service answers, but the connection is reset instead.
    kills: bool = False  # The process that made the request is killed, too: the job, or the operator's process.


ACTIONS = {
    "status": Action(answers=True),
    "reset_before": Action(),
    "reset_after": Action(carries_out=True),
    "delay": Action(delays=True),
    "throttle": Action(answers=True),
    "kill_job": Action(carries_out=True, kills=True),
    "kill_client": Action(carries_out=True, kills=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests a fault or a latency applies to. An absent part matches any request."""

    service: str | None = None
    method: str | None = None
    path: re.Pattern[str] | None = None  # searched in the path and the query as the client sent them

    def takes(self, *, service: str, method: str, path: str) -> bool:
        """Tell whether a request matches."""
        return (
            (self.service is None or self.service == service)
            and (self.method is None or self.method == method)
            and (self.path is None or self.path.search(path) is not None)
        )

    def as_json(self) -> dict[str, object]:
        """Return the parts as they were posted."""
        return {"service": self.service, "method": self.method, "path": self.path.pattern if self.path else None}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request and its repetition have in common.

    Threads send different batches of table entities to one path at the same time. So the length counts, too.
    """

    job_id: str | None  # None: no job
    method: str
    path: str
    length: int | None  # of the body, in bytes


@dataclass(slots=True, kw_only=True)
class Fault:
    """One injected fault, and how often a request has matched it."""

    match: Match
    action: str  # a name in ACTIONS
    jobs: bool | None  # true: only jobs' requests count (so with `kill_job`); false: only the others; None: all
    deployment: bool  # whether only jobs' and the operator's requests count; always true with `kill_client`
    nth: int | None  # counts from 1; matching requests before the nth are left alone
    every: int | None  # e.g. 3: from the nth on, every third request is met, but never a repetition
    times: int  # how many requests it is applied to; 0: all
    status: int  # status of the answer; for `status` and `throttle`
    code: str | None  # code of the error in the answer; for `status`; None: the service's own code
    form: str  # one of FORMS; for `status`
    seconds: float  # length of the delay; for `delay`
    retry_after: int | None  # whole seconds; for `status` and `throttle`
    id: int = 0
    matched: int = 0
    applied: int = 0
    # The requests that were met last. A client sends such a request again. If other requests come in between, the
    # repetition could be the next one to be met, and then the next repetition, until the client gives up.
    met: set[Sent] = field(default_factory=set)

    @property
    def does(self) -> Action:
        """What the action does."""
        return ACTIONS[self.action]

    def due(self, request: Sent) -> bool:
        """Count one more matching request, and tell whether the fault applies to it."""
        self.matched += 1
        if request in self.met:
            self.met.discard(request)
            return False
        after = self.matched - (self.nth or 1)
        due = after >= 0 and after % (self.every or 1) == 0 and (self.times == 0 or self.applied < self.times)
        if due and self.every is not None:
            self.met.add(request)
        return due

    def as_json(self) -> dict[str, object]:
        """Return the fault as the control API shows it."""
        return {
            "id": self.id,
            "match": {
                **self.match.as_json(),
                "jobs": self.jobs,
                "deployment": self.deployment,
                "nth": self.nth,
                "every": self.every,
            },
            "action": self.action,
            "status": self.status if self.does.answers else None,
            "code": self.code,
            "form": self.form,
            "seconds": self.seconds if self.does.delays else self.retry_after,
            "times": self.times,
            "matched": self.matched,
            "applied": self.applied,
        }


@dataclass(slots=True)
class Faults:
    """The faults in force, in the order in which they were posted."""

    entries: list[Fault] = field(default_factory=list)
    _next_id: int = 1

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        fault.id = self._next_id
        self._next_id += 1
        self.entries.append(fault)

    def clear(self) -> None:
        """Remove every fault."""
        self.entries.clear()

    def due(
        self, *, service: str, method: str, path: str, length: int | None, job_id: str | None, operator: bool
    ) -> tuple[float, Fault | None]:
        """Return, for one request, the seconds of the delays and the first other fault that are due.

        Every fault counts every request that it matches. length: the length of the body in bytes. operator: whether
        the operator's process made the request.
        """
        delay = 0.0
        chosen: Fault | None = None
        for fault in self.entries:
            if fault.jobs is False if job_id else not (operator if fault.deployment else not fault.jobs):
                continue
            if not fault.match.takes(service=service, method=method, path=path) or not fault.due(
                Sent(job_id, method, path, length)
            ):
                continue
            if fault.does.delays:
                delay += fault.seconds
            elif chosen is None:
                chosen = fault
            else:
                continue
            fault.applied += 1
        return delay, chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds that are added to matching requests, or that a long-running operation takes."""

    match: Match
    operation: str | None
    seconds: float

    def as_json(self) -> dict[str, object]:
        """Return the latency as the control API shows it."""
        return {**self.match.as_json(), "operation": self.operation, "seconds": self.seconds}


@dataclass(slots=True)
class Latencies:
    """The latencies in force. If several match, the one that was posted last counts."""

    entries: list[Latency] = field(default_factory=list)

    def add(self, latency: Latency) -> None:
        """Add a latency."""
        self.entries.append(latency)

    def clear(self) -> None:
        """Remove every latency."""
        self.entries.clear()

    def seconds(self, *, service: str, method: str, path: str) -> float:
        """Return how many seconds a request must wait."""
        for latency in reversed(self.entries):
            if latency.operation is None and latency.match.takes(service=service, method=method, path=path):
                return latency.seconds
        return 0.0

    def operation_seconds(self, name: str, *, service: str | None, otherwise: float) -> float:
        """Return how many seconds the operation `name` takes in `service` (None: any), or `otherwise`."""
        for latency in reversed(self.entries):
            if latency.operation == name and (service is None or latency.match.service in (None, service)):
                return latency.seconds
        return otherwise
