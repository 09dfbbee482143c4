"""Describe a failed request: its service, operation and resource, who sent it, and the role that it needs.

The code that makes a client knows what the client is for. It marks the requests with a Place, and errors use it.
"""

import json
import re
import socket
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from runbook_lib.basics import base64url
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.forms import GUID, fits
from runbook_lib.errors import RunbookError, azure

# The seconds in which the same line about the same host is shown once: up to 64 threads may meet the same outage.
SAME_LINE_SECONDS = 20.0
# How many exceptions of libraries may be nested.
_DEPTH = 12
MAX_PATH_CHARACTERS = 200
# No role would help against these refusals: a deny assignment or a firewall caused them (docs/azure-facts.md#findings;
# Azure Storage "Status and error codes": AuthorizationFailure; Key Vault: inner error ForbiddenByFirewall).
_NO_ROLE_HELPS = re.compile(r"deny ?assignment|AuthorizationFailure\b|ByFirewall|firewall", re.IGNORECASE)
_GROUP = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)
_READS = frozenset({"GET", "HEAD"})
ARM = "Azure Resource Manager"


@dataclass(frozen=True, slots=True)
class Place:
    """What a client's requests are for.

    Attributes:
        service: The service's name.
        scope: The ARM id on which to assign a role, "" if it is not known.
        reads: The role that allows to read.
        writes: The role that allows to write.
    """

    service: str
    scope: str
    reads: str
    writes: str


_IMPORTER = "Container Registry Data Importer and Data Reader"
# ARM has many resources behind one address: a part of the path, and the roles that it needs (docs/operators.md).
_ARM_ROLES = (
    ("/providers/Microsoft.Automation/automationAccounts/", "Reader", "Automation Contributor"),
    ("/providers/Microsoft.ContainerRegistry/registries/", "Reader", _IMPORTER),
    ("/providers/Microsoft.Storage/storageAccounts/", "Reader", "Storage Account Contributor"),
    ("/providers/Microsoft.Insights/", "Monitoring Reader", "Monitoring Contributor"),
)


def mark(request: Any, place: Place | None) -> None:
    """Mark an SDK's `request` with what it is for."""
    request.place = place


def os_cause(error: BaseException) -> OSError | None:
    """Return the operating system's error within a library's exception, None if there is none.

    If there are several, a name that does not resolve comes first.
    """
    found: OSError | None = None
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue and len(seen) < _DEPTH:
        each = queue.pop(0)
        if not isinstance(each, BaseException) or each in seen:
            continue
        seen.append(each)
        if isinstance(each, socket.gaierror):
            return each
        if found is None and type(each).__module__ == "builtins" and isinstance(each, OSError) and each.strerror:
            found = each
        wrapped = (getattr(each, name, None) for name in ("inner_exception", "reason", "__cause__", "__context__"))
        queue += [*wrapped, *each.args]
    return found


def placed(named: RunbookError, error: BaseException) -> RunbookError:
    """Return `named`, the error of a request that failed with `error`, with the details of that request. Pure.

    It never shows a query, which may hold a signature, and of the token it shows only the object id.
    """
    request = _request_of(error)
    url = str(getattr(request, "url", None) or "")
    if not url:
        return named
    parts = urllib.parse.urlsplit(url)
    method = str(getattr(request, "method", None) or "GET")
    place: Place | None = getattr(request, "place", None)
    if place is not None:
        place = _of_path(place, parts.path)
    principal = _principal(request)
    where = f"{method} {parts.netloc}{parts.path[:MAX_PATH_CHARACTERS]}"
    detail = _reason(named, error, parts.hostname or "") + "; " + (f"{place.service}: " if place else "") + where
    if principal:
        detail += f", as object id {principal}"
    remedy = named.remedy
    if named.is_(azure.REQUEST_REFUSED) and place is not None and named.detail.startswith("403"):
        remedy = _assignment(place, method, principal, named) or remedy
    return named.entry.error(detail, target=parts.netloc, remedy=remedy)


def once_in_a_while(write: Callable[[str], object], clock: Clock) -> Callable[[str], None]:
    """Return a `write` for many threads that shows the same line only once in SAME_LINE_SECONDS."""
    lock = threading.Lock()
    told: dict[str, float] = {}

    def tell(line: str) -> None:
        with lock:
            now = clock.monotonic()
            if now - told.get(line, -SAME_LINE_SECONDS) < SAME_LINE_SECONDS:
                return
            told[line] = now
        write(line)

    return tell


def _reason(named: RunbookError, error: BaseException, host: str) -> str:
    if not named.is_(azure.UNREACHABLE):
        return named.detail
    cause = os_cause(error)
    if isinstance(cause, socket.gaierror):
        return f"the name {host} does not resolve ({cause.strerror or cause})"
    return cause.strerror if cause is not None and cause.strerror else named.detail


def _request_of(error: BaseException) -> object | None:
    each: BaseException | None = error
    for _ in range(_DEPTH):
        if each is None:
            return None
        for found in (getattr(each, "request", None), getattr(getattr(each, "response", None), "request", None)):
            if found is not None:
                request: object = found
                return request
        each = each.__cause__
    return None


def _of_path(place: Place, path: str) -> Place:
    """Return the part of ARM that a path is about. Any other service is returned unchanged."""
    for part, reads, writes in _ARM_ROLES if place.service == ARM else ():
        start = path.lower().find(part.lower())
        if start >= 0:
            end = start + len(part)
            name = path[end:].partition("/")[0]
            scope = path[:start] if part.endswith("Insights/") else path[: end + len(name)]
            return Place(place.service, scope, reads, writes)
    group = _GROUP.match(path) if place.service == ARM else None
    return place if group is None else replace(place, scope=group.group())


def _assignment(place: Place, method: str, principal: str, named: RunbookError) -> str:
    if _NO_ROLE_HELPS.search(named.detail):
        return ""
    role = place.reads if method in _READS else place.writes
    who = principal or "OBJECT_ID"
    line = f'az role assignment create --assignee {who} --role "{role}" --scope {place.scope or "RESOURCE_ID"}'
    return f"Assign the role, then wait up to 30 minutes: {line}"


def _principal(request: object) -> str:
    """Return the object id in the request's own bearer token, "" for none."""
    headers = getattr(request, "headers", None) or {}
    scheme, _, token = str(headers.get("Authorization") or "").partition(" ")
    return object_id_in(token) if scheme.lower() == "bearer" else ""


def object_id_in(token: str) -> str:
    """Return the object id in an access token (RFC 7519, unverified: the token is ours), "" for none."""
    return _guid_claim(token, "oid")


def tenant_id_in(token: str) -> str:
    """Return the tenant's id in an access token, as object_id_in does."""
    return _guid_claim(token, "tid")


def _guid_claim(token: str, name: str) -> str:
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    try:
        claims = json.loads(base64url.decode(parts[1]))
    except (ValueError, RecursionError):
        return ""
    found = str(claims.get(name, "")) if isinstance(claims, dict) else ""
    return found if fits(GUID, found) else ""
