"""Read and check the faults and latencies that are posted to the control API."""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from lab.front.faults import ACTIONS, FORMS, MAX_SECONDS, Fault, InvalidFaultError, Latency, Match

MATCH_FIELDS = {"service", "method", "path", "jobs", "deployment", "nth", "every"}
THROTTLED = 429


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
    """Tell whether a fault is only for the requests of `name`. This is always so for the action `always`."""
    value = fields.get(name, action == always)
    if not isinstance(value, bool) or (action == always and not value):
        raise InvalidFaultError(
            f"{name} is {value!r} for the action {action}; it takes true or false, and only true for {always}"
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
