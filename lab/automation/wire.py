"""What Automation's resources and refusals look like on the wire, and how its bodies and filters are read."""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from lab.arm.dispatch import ArmRefusal
from lab.front.request_copies import body_parts

# A filter's clause, as the portal and the Az modules send it: properties/streamType eq 'Error'.
CLAUSE = re.compile(r"properties/([A-Za-z/]+) +(eq|ge|gt|le|lt) +(?:'([^']*)'|([^' ]+))")
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: bool(left == right),
    "ge": lambda left, right: bool(left >= right),
    "gt": lambda left, right: bool(left > right),
    "le": lambda left, right: bool(left <= right),
    "lt": lambda left, right: bool(left < right),
}
# No more than this is kept of a body. Each kind of content has its own, smaller limit.
KEPT_BODY_BYTES = 4 * 1024 * 1024


def bad_request(message: str) -> ArmRefusal:
    """Refuse with 400 and one sentence."""
    return ArmRefusal(400, "BadRequest", message)


def invalid(field: str, message: str) -> ArmRefusal:
    """Refuse a field with 400 as Automation's own validation words it (seen in azure-docs#52136)."""
    return bad_request(json.dumps({"Message": "The request is invalid.", "ModelState": {field: [message]}}))


def not_found(kind: str, name: str) -> ArmRefusal:
    """Refuse with 404."""
    return ArmRefusal(404, "NotFound", f"{kind} not found. Name: {name}")


def too_many(message: str, wait_seconds: float) -> ArmRefusal:
    """Refuse with 429 and a `Retry-After` of whole seconds."""
    return ArmRefusal(429, "TooManyRequests", message, {"Retry-After": str(max(1, math.ceil(wait_seconds)))})


async def read_body(request: web.Request) -> bytes:
    """Return the body, or its first KEPT_BODY_BYTES. The rest is read and dropped, so that the client is answered."""
    body = bytearray()
    async for block in body_parts(request):
        body += block[: KEPT_BODY_BYTES - len(body)]
    return bytes(body)


def typed(values: Mapping[str, Any], name: str, kind: type, default: object = None) -> Any:
    """Return the field `name`, or `default` if it is absent or null; ArmRefusal 400 if it is not of type `kind`."""
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ArmRefusal(400, "InvalidRequestContent", f"The value of '{name}' must be of type {kind.__name__}.")
    return value


def matches(text: str | None, known: Collection[str]) -> Callable[[Mapping[str, object]], bool]:
    """Return a test for `$filter`: clauses on `known` properties, joined with `and`; ArmRefusal 400 if malformed."""
    clauses = []
    for clause in text.split(" and ") if text else ():
        found = CLAUSE.fullmatch(clause.strip())
        if found is None or found[1] not in known:
            raise bad_request(f"The filter '{text}' is not understood; it takes {', '.join(sorted(known))}.")
        clauses.append((found[1], COMPARISONS[found[2]], found[3] if found[3] is not None else found[4]))
    return lambda item: all(compare(*_alike(item[name], value)) for name, compare, value in clauses)


def _alike(left: object, right: str) -> tuple[object, object]:
    if isinstance(left, float):  # The value is a time.
        try:
            return left, datetime.fromisoformat(
                re.sub(r"(\.\d{6})\d+", r"\1", right).replace("Z", "+00:00")
            ).timestamp()
        except ValueError as error:
            raise bad_request(f"'{right}' is not a time.") from error
    return str(left).lower(), right.lower()
