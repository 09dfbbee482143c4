"""The faults and latencies that the control API can inject: typed, validated, matched to requests."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

# What ARM's errors may look like: as documented; without the outer `error`, as Automation's older ones; a JSON text
# that holds JSON, as in a recorded 409 of ACR.
FORMS = ("wrapped", "bare", "text")
# How long a long-running operation takes without a latency: long enough that one poll sees it running.
OPERATION_SECONDS = 0.05
MAX_SECONDS = 24 * 3600
MATCH_FIELDS = {"service", "method", "path", "jobs", "deployment", "nth", "every"}
THROTTLED = 429


class InvalidFaultError(Exception):
    """The control API refuses a fault or a latency with 400. The text says what it accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a fault does with a request. By default, it resets the connection before the service sees the request."""

    answers: bool = False  # The client gets an injected answer instead of the service's.
    delays: bool = False  # The request passes, but later.
    carries_out: bool = False  # The service answers, but the connection is reset instead.
    kills: bool = False  # ... and the process that made the request is killed: the job, or the operator's process.


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


@dataclass(slots=True, kw_only=True)
class Fault:
    """One injected fault, and how often a request has matched it."""

    match: Match
    action: str  # a name in ACTIONS
    jobs: bool | None  # whether only jobs' requests count (always with `kill_job`), or only others'; None: all
    deployment: bool  # whether only jobs' and the operator's requests count; always true with `kill_client`
    nth: int | None  # counts from 1; matching requests before the nth are left alone
    every: int | None  # from the nth on, every such request is met, e.g. 3: every third, but never a repetition
    times: int  # how many requests it is applied to; 0: all
    status: int  # status of the answer; for `status` and `throttle`
    code: str | None  # code of the error in the answer; for `status`; None: the service's own code
    form: str  # one of FORMS; for `status`
    seconds: float  # length of the delay; for `delay`
    retry_after: int | None  # whole seconds; for `status` and `throttle`
    id: int = 0
    matched: int = 0
    applied: int = 0
    # The requests that were met last, by job (None: no job), method and path. A client sends such a request again. If
    # other requests come in between, the repetition can be the next one to be met, until the client gives up.
    met: set[tuple[str | None, str, str]] = field(default_factory=set)

    @property
    def does(self) -> Action:
        """What the action does."""
        return ACTIONS[self.action]

    def due(self, request: tuple[str | None, str, str]) -> bool:
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
        self, *, service: str, method: str, path: str, job_id: str | None, operator: bool
    ) -> tuple[float, Fault | None]:
        """Return, for one request, the seconds of the delays and the first other fault that are due.

        Every fault counts every request that it matches. operator: whether the operator's process made the request.
        """
        delay = 0.0
        chosen: Fault | None = None
        for fault in self.entries:
            if fault.jobs is False if job_id else not (operator if fault.deployment else not fault.jobs):
                continue
            if not fault.match.takes(service=service, method=method, path=path) or not fault.due(
                (job_id, method, path)
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
        """Return how many seconds the operation `name` takes in `service` (None: any); else `otherwise`."""
        for latency in reversed(self.entries):
            if latency.operation == name and (service is None or latency.match.service in (None, service)):
                return latency.seconds
        return otherwise


def parse_fault(body: object, *, services: Collection[str]) -> Fault:
    """Read the body of `POST /faults`; InvalidFaultError says what is wrong with it."""
    fields = _fields(body, "a fault", {"match", "action", "status", "code", "form", "seconds", "times"})
    action = fields.get("action")
    if action not in ACTIONS:
        raise InvalidFaultError(f"action is {action!r}; it takes one of {', '.join(ACTIONS)}")
    match_fields = _fields(fields.get("match", {}), "match", MATCH_FIELDS)
    jobs = _whose(match_fields, "jobs", action, always="kill_job") or match_fields.get("jobs")
    deployment = _whose(match_fields, "deployment", action, always="kill_client")
    if "status" in fields and action != "status":
        raise InvalidFaultError(f"status goes with the action status, not with {action}")
    code = fields.get("code")
    if code is not None and (action != "status" or not isinstance(code, str) or not code):
        raise InvalidFaultError(f"code is {code!r} of {action}; it takes an error code and goes with the action status")
    form = fields.get("form", FORMS[0])
    if form not in FORMS or (form != FORMS[0] and (action != "status" or match_fields.get("service") != "arm")):
        raise InvalidFaultError(f"form is {form!r}; it takes one of {', '.join(FORMS)}, for a status of service arm")
    if "seconds" in fields and action not in ("status", "delay", "throttle"):
        raise InvalidFaultError(f"seconds goes with delay, throttle and status (Retry-After), not with {action}")
    seconds = _seconds(fields["seconds"]) if "seconds" in fields else None
    if action == "delay" and seconds is None:
        raise InvalidFaultError("delay needs seconds")
    status = THROTTLED
    if action == "status":
        status = _integer(fields.get("status"), "status", least=200, most=599)
    retry_after = None if seconds is None else math.ceil(seconds)
    return Fault(
        match=_match(match_fields, services),
        action=action,
        jobs=jobs,
        deployment=deployment,
        nth=_integer(match_fields["nth"], "nth", least=1, most=10**9) if "nth" in match_fields else None,
        every=_integer(match_fields["every"], "every", least=1, most=10**9) if "every" in match_fields else None,
        times=_integer(fields.get("times", 1), "times", least=0, most=10**9),
        status=status,
        code=code,
        form=form,
        seconds=(seconds or 0.0) if action == "delay" else 0.0,
        retry_after=(1 if retry_after is None else retry_after) if action == "throttle" else retry_after,
    )


def parse_latency(body: object, *, services: Collection[str]) -> Latency:
    """Read the body of `POST /latency`; InvalidFaultError says what is wrong with it."""
    fields = _fields(body, "a latency", {"service", "method", "path", "operation", "seconds"})
    if "seconds" not in fields:
        raise InvalidFaultError("a latency needs seconds")
    operation = fields.get("operation")
    if operation is not None and (not isinstance(operation, str) or not operation):
        raise InvalidFaultError(f"operation is {operation!r}; it takes a name such as importImage")
    if operation is not None and {"method", "path"} & set(fields):
        raise InvalidFaultError("an operation has no method or path: it is what goes on after the request")
    return Latency(match=_match(fields, services), operation=operation, seconds=_seconds(fields["seconds"]))


def _fields(body: object, what: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise InvalidFaultError(f"{what} is a JSON object with {', '.join(sorted(known))}")
    unknown = sorted(set(body) - known)
    if unknown:
        raise InvalidFaultError(f"{what} has unknown fields {', '.join(unknown)}; it takes {', '.join(sorted(known))}")
    # A field that is null counts as absent.
    return {name: value for name, value in body.items() if value is not None}


def _whose(fields: Mapping[str, Any], name: str, action: str, *, always: str) -> bool:
    """Tell whether a fault is only for the requests of `name`. With the action `always` it always is."""
    value = fields.get(name, action == always)
    if not isinstance(value, bool) or (action == always and not value):
        raise InvalidFaultError(
            f"{name} is {value!r} of {action}; it takes true or false, and {always} is for them alone"
        )
    return value


def _match(fields: Mapping[str, Any], services: Collection[str]) -> Match:
    service, method, path = fields.get("service"), fields.get("method"), fields.get("path")
    if service is not None and service not in services:
        raise InvalidFaultError(f"service is {service!r}; it takes one of {', '.join(services)}")
    if method is not None and not isinstance(method, str):
        raise InvalidFaultError(f"method is {method!r}; it takes an HTTP method")
    if path is not None and not isinstance(path, str):
        raise InvalidFaultError(f"path is {path!r}; it takes a regular expression, searched in path and query")
    try:
        pattern = None if path is None else re.compile(path)
    except re.error as error:
        raise InvalidFaultError(f"path is not a regular expression: {error}") from error
    return Match(service=service, method=None if method is None else method.upper(), path=pattern)


def _integer(value: object, name: str, *, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidFaultError(f"{name} is {value!r}; it takes a whole number from {least} to {most}")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
        raise InvalidFaultError(f"seconds is {value!r}; it takes a number from 0 to {MAX_SECONDS}")
    return float(value)
