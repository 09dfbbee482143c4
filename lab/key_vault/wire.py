"""How a Key Vault's requests are read and its answers written. Secrets, keys and certificates share this."""

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiohttp import web

from lab.key_vault.objects import (
    RECOVERABLE_DAYS,
    Attributes,
    Content,
    VaultObject,
    VaultRefusedError,
    Version,
    bad_parameter,
    scheduled_purge,
)

# The supported versions of the client's ApiVersion. 7.3 and older are left out, so that nobody begins to use them.
API_VERSIONS = ("7.4", "7.5", "7.6-preview.2", "7.6", "2025-07-01", "2026-04-01")
PAGE_SIZE = 25  # also the most that `maxresults` takes
PAGING = ("maxresults", "$skiptoken")
# A client may send back every attribute that it has read. Only enabled, nbf and exp have an effect.
ATTRIBUTES = {"enabled", "nbf", "exp", "created", "updated", "recoveryLevel", "recoverableDays"}
BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def check_query(request: web.Request, parameters: Collection[str]) -> None:
    """Refuse a request without a known api-version, or with other parameters than these."""
    version = request.query.get("api-version", "")
    if not version:
        raise bad_parameter("api-version must be specified")
    if version not in API_VERSIONS:
        message = f"The specified version ({version}) is not recognized."
        raise bad_parameter(f"{message} Consider using the latest supported version ({API_VERSIONS[-1]}).")
    unknown = sorted(set(request.query) - {"api-version", *parameters})
    if unknown:
        raise bad_parameter(f"Unknown query parameters: {', '.join(unknown)}.")


async def body(request: web.Request, known: Collection[str]) -> dict[str, Any]:
    """Return the fields of a JSON body, without those that are null; 400 if a field is not known."""
    try:
        fields = json.loads(await request.read())
    except ValueError as error:
        raise bad_parameter(f"The request body is not JSON: {error}.") from error
    if not isinstance(fields, dict) or not set(fields) <= set(known):
        raise bad_parameter(f"The request body takes {', '.join(sorted(known))}.")
    return {name: value for name, value in fields.items() if value is not None}


def text(fields: Mapping[str, Any], name: str) -> str | None:
    """Return a field that is a string or absent."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_parameter(f"Property {name} is not a string.")
    return value


def octets(fields: Mapping[str, Any], name: str) -> bytes:
    """Return a required field that is base64url without padding."""
    value = text(fields, name)
    if value is None or not BASE64URL.fullmatch(value):
        raise bad_parameter(f"Property {name} is required and must be base64url.")
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except binascii.Error as error:
        raise bad_parameter(f"Property {name} is required and must be base64url.") from error


def base64url(data: bytes) -> str:
    """Return base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def tags(fields: Mapping[str, Any]) -> dict[str, str] | None:
    """Return `tags`; None if absent."""
    value = fields.get("tags")
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(tag, str) for tag in value.values()):
        raise bad_parameter("Property tags is not an object of strings.")
    return value


def attributes(fields: Mapping[str, Any], *, also: Collection[str] = ()) -> Attributes:
    """Return `attributes`; `also` are the names that this kind of object has beside the common ones."""
    given = fields.get("attributes", {})
    known = {*ATTRIBUTES, *also}
    if not isinstance(given, dict) or not set(given) <= known:
        raise bad_parameter(f"Property attributes takes {', '.join(sorted(known))}.")
    enabled, not_before, expires = given.get("enabled"), given.get("nbf"), given.get("exp")
    if not isinstance(enabled, bool | None) or any(
        isinstance(time, bool) or not isinstance(time, int | None) for time in (not_before, expires)
    ):
        raise bad_parameter("Property attributes has a value of the wrong type.")
    return Attributes(enabled=enabled, not_before=not_before, expires=expires)


def shown_attributes(version: Version[Content], recovery_level: str) -> dict[str, Any]:
    """Return a version's attributes as the service shows them."""
    shown = {
        "enabled": version.attributes.enabled,
        "nbf": version.attributes.not_before,
        "exp": version.attributes.expires,
        "created": version.created,
        "updated": version.updated,
        "recoveryLevel": recovery_level,
        "recoverableDays": RECOVERABLE_DAYS,
    }
    return {name: value for name, value in shown.items() if value is not None}


def require_own(kind: str, *, managed: bool, operation: str) -> None:
    """Refuse to write a secret or key alone if it belongs to a certificate."""
    if managed:
        message = f"Operation {operation} is not allowed on a {kind} that is associated with a key vault certificate."
        raise VaultRefusedError(403, "Forbidden", message)


def shown_deletion(found: VaultObject[Content], address: str) -> dict[str, Any]:
    """Return what the service adds to a deleted object; `address` is that of the deleted object."""
    deleted = found.deleted or 0
    return {"recoveryId": address, "deletedDate": deleted, "scheduledPurgeDate": scheduled_purge(deleted)}


def page(request: web.Request, items: Sequence[Mapping[str, Any]], *, vault: str) -> web.Response:
    """Answer with the page of `items` that is asked for; `vault` is the vault's base address."""
    size = _whole(request.query.get("maxresults", str(PAGE_SIZE)), "maxresults")
    if not 1 <= size <= PAGE_SIZE:
        raise bad_parameter(f"maxresults is {size}; it takes 1 to {PAGE_SIZE}.")
    token = request.query.get("$skiptoken", "")
    start = _whole(_decoded(token), "$skiptoken") if token else 0
    link = None
    if start + size < len(items):
        following = base64.urlsafe_b64encode(str(start + size).encode()).decode()
        query = f"api-version={request.query['api-version']}&$skiptoken={following}&maxresults={size}"
        # Key Vault's link names the port 443, and the vault's address does not. So here, too, the texts differ.
        link = f"{vault.replace('https://', 'HTTPS://', 1)}{request.path}?{query}"
    return web.json_response({"value": items[start : start + size], "nextLink": link})


def refusal(error: VaultRefusedError) -> web.Response:
    """Return the error's answer."""
    shown: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.inner:
        shown["innererror"] = {"code": error.inner}
    return web.json_response({"error": shown}, status=error.status)


def _decoded(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        return token


def _whole(value: str, name: str) -> int:
    if not value.isdecimal():
        raise bad_parameter(f"{name} is not a whole number: {value}.")
    return int(value)
