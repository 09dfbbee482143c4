"""Key Vault: the secrets of the customer's vault, as azure-keyvault-secrets asks for them.

Faithful: the challenge (a request without token gets 401 and where to get one), audiences, api-versions; set, get with
and without version, versions, update, list with paging, soft delete, recover, purge; a disabled secret's 403; unknown
fields and parameters refused. Left out: backup and restore, keys and certificates, roles and access policies (every
principal of the tenant may do everything; a 403 is had by a fault), throttling, and the seconds that deleting and
recovering take in Azure: here they are done at once.

The challenge's resource. The official clients check that the vault's host lies below the domain of the resource that
the challenge names, as `x.vault.azure.net` lies below `vault.azure.net`, and compare host and port as text. The lab's
vault is at `127.0.0.1:PORT` and names `https://0.0.1:PORT`: the check stays on and passes, and the identity endpoint
issues tokens for that audience. Tokens for `https://vault.azure.net` are taken too.

Sources: learn rest/api/keyvault/secrets, key-vault/general/authentication-requests-and-responses; the client's
`_shared/challenge_auth_policy.py`; messages as recorded by the SDKs' tests.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from lab import answers
from lab.lab import KEY_VAULT_AUDIENCES, Lab
from lab.tokens import TokenRefused
from lab.vault_secrets import RECOVERABLE_DAYS, Attributes, Secret, Vault, VaultRefusedError, Version

# Those of the client's ApiVersion that are in support; 7.3 and older are not offered, so that nobody starts with one.
API_VERSIONS = ("7.4", "7.5", "7.6", "2025-07-01", "2026-04-01")
PAGE_SIZE = 25  # also the most that `maxresults` takes
PUBLISHER_TOKEN_SECRET = "publisher-acr-token"  # noqa: S105 - a name
DAY_SECONDS = 24 * 3600
ATTRIBUTES = {"enabled", "nbf", "exp", "created", "updated", "recoveryLevel", "recoverableDays"}

Handler = Callable[[web.Request], Awaitable[web.Response]]


def routes(lab: Lab) -> web.Application:
    """Return the vault's app."""
    service = _Service(lab)
    service.deploy()

    async def reset() -> None:
        service.deploy()

    lab.on_reset.append(reset)
    application = web.Application()
    application.router.add_routes(service.routes())
    return application


class _Service:
    """The handlers, each for one method and path."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._vault = Vault()

    def deploy(self) -> None:
        """Start with what the publisher's onboarding leaves: its repository-scoped token."""
        self._vault.clear()
        names = self._lab.names
        value = {"username": names.publisher_token_username, "password": names.publisher_token_password}
        self._vault.set(
            PUBLISHER_TOKEN_SECRET,
            value=json.dumps(value),
            content_type="application/json",
            tags={},
            attributes=Attributes(),
            now=self._now(),
        )

    def routes(self) -> list[web.RouteDef]:
        """Return the methods and paths."""
        one, version = "/secrets/{name}", "/secrets/{name}/{version:[^/]*}"
        return [
            web.get("/secrets", self._checked(self._list, "maxresults", "$skiptoken")),
            web.put(one, self._checked(self._set)),
            web.get(one, self._checked(self._get)),
            web.delete(one, self._checked(self._delete)),
            web.get("/secrets/{name}/versions", self._checked(self._versions, "maxresults", "$skiptoken")),
            web.get(version, self._checked(self._get)),
            web.patch(version, self._checked(self._update)),
            web.get("/deletedsecrets", self._checked(self._list_deleted, "maxresults", "$skiptoken")),
            web.get("/deletedsecrets/{name}", self._checked(self._get_deleted)),
            web.delete("/deletedsecrets/{name}", self._checked(self._purge)),
            web.post("/deletedsecrets/{name}/recover", self._checked(self._recover)),
        ]

    def _checked(self, handler: Handler, *parameters: str) -> Handler:
        async def checked(request: web.Request) -> web.Response:
            refused = self._unauthorized(request)
            if refused is not None:
                return refused
            try:
                _check_query(request, parameters)
                return await handler(request)
            except VaultRefusedError as error:
                return _error(error)

        return checked

    def _unauthorized(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return self._challenge("AKV10000: Request is missing a Bearer or PoP token.")
        resource = self._lab.key_vault_resource
        try:
            self._lab.tokens.verify(token.strip(), (resource, *KEY_VAULT_AUDIENCES))
        except TokenRefused as refused:
            if "audience" in refused.reason:
                return self._challenge(f"AKV10022: Invalid audience. Expected {resource}. {refused.reason}")
            return self._challenge(f"[BearerReadAccessTokenFailed] Error validating token: {refused.reason}")
        return None

    def _challenge(self, message: str) -> web.Response:
        tenant = f"{self._lab.urls['entra']}/{self._lab.names.tenant_id}"
        challenge = f'Bearer authorization="{tenant}", resource="{self._lab.key_vault_resource}"'
        return answers.vault_error(401, "Unauthorized", message, {"WWW-Authenticate": challenge})

    async def _set(self, request: web.Request) -> web.Response:
        body = await _body(request, {"value", "contentType", "tags", "attributes"})
        value = body.get("value")
        if not isinstance(value, str):
            raise VaultRefusedError(400, "BadParameter", "Property value is required and must be a string.")
        secret, version = self._vault.set(
            request.match_info["name"],
            value=value,
            content_type=_text(body, "contentType"),
            tags=_tags(body) or {},
            attributes=_attributes(body),
            now=self._now(),
        )
        return web.json_response({"value": version.value, **self._version(secret, version)})

    async def _get(self, request: web.Request) -> web.Response:
        secret, version = self._vault.get(request.match_info["name"], request.match_info.get("version", ""))
        return web.json_response({"value": version.value, **self._version(secret, version)})

    async def _update(self, request: web.Request) -> web.Response:
        body = await _body(request, {"contentType", "tags", "attributes"})
        secret, version = self._vault.update(
            request.match_info["name"],
            request.match_info["version"],
            content_type=_text(body, "contentType"),
            tags=_tags(body),
            attributes=_attributes(body),
            now=self._now(),
        )
        return web.json_response(self._version(secret, version))

    async def _versions(self, request: web.Request) -> web.Response:
        secret, versions = self._vault.versions(request.match_info["name"])
        return self._page(request, [self._version(secret, version) for version in versions])

    async def _list(self, request: web.Request) -> web.Response:
        found = self._vault.listed(deleted=False)
        return self._page(request, [self._version(secret, secret.versions[-1], with_id=False) for secret in found])

    async def _list_deleted(self, request: web.Request) -> web.Response:
        found = self._vault.listed(deleted=True)
        return self._page(request, [self._deleted(secret, with_id=False) for secret in found])

    async def _delete(self, request: web.Request) -> web.Response:
        return web.json_response(self._deleted(self._vault.delete(request.match_info["name"], now=self._now())))

    async def _get_deleted(self, request: web.Request) -> web.Response:
        return web.json_response(self._deleted(self._vault.deleted(request.match_info["name"])))

    async def _recover(self, request: web.Request) -> web.Response:
        secret = self._vault.recover(request.match_info["name"])
        return web.json_response(self._version(secret, secret.versions[-1]))

    async def _purge(self, request: web.Request) -> web.Response:
        self._vault.purge(request.match_info["name"])
        return web.Response(status=204)

    def _now(self) -> int:
        return int(self._lab.clock.now())

    def _version(self, secret: Secret, version: Version, *, with_id: bool = True) -> dict[str, Any]:
        """Return a version without its value, as the service shows it; lists leave the version out of the id."""
        attributes = {
            "enabled": version.attributes.enabled,
            "nbf": version.attributes.not_before,
            "exp": version.attributes.expires,
            "created": version.created,
            "updated": version.updated,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": RECOVERABLE_DAYS,
        }
        shown = {
            "id": f"{self._lab.urls['key_vault']}/secrets/{secret.name}" + (f"/{version.id}" if with_id else ""),
            "contentType": version.content_type,
            "attributes": {name: value for name, value in attributes.items() if value is not None},
            "tags": dict(version.tags) or None,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _deleted(self, secret: Secret, *, with_id: bool = True) -> dict[str, Any]:
        deleted = secret.deleted or 0
        return {
            "recoveryId": f"{self._lab.urls['key_vault']}/deletedsecrets/{secret.name}",
            "deletedDate": deleted,
            "scheduledPurgeDate": deleted + RECOVERABLE_DAYS * DAY_SECONDS,
            **self._version(secret, secret.versions[-1], with_id=with_id),
        }

    def _page(self, request: web.Request, items: Sequence[Mapping[str, Any]]) -> web.Response:
        size = _whole(request.query.get("maxresults", str(PAGE_SIZE)), "maxresults")
        if not 1 <= size <= PAGE_SIZE:
            raise VaultRefusedError(400, "BadParameter", f"maxresults is {size}; it takes 1 to {PAGE_SIZE}.")
        token = request.query.get("$skiptoken", "")
        start = _whole(_decoded(token), "$skiptoken") if token else 0
        link = None
        if start + size < len(items):
            following = base64.urlsafe_b64encode(str(start + size).encode()).decode()
            version = request.query["api-version"]
            query = f"api-version={version}&$skiptoken={following}&maxresults={size}"
            link = f"{self._lab.urls['key_vault']}{request.path}?{query}"
        return web.json_response({"value": items[start : start + size], "nextLink": link})


def _check_query(request: web.Request, parameters: Sequence[str]) -> None:
    version = request.query.get("api-version", "")
    if not version:
        raise VaultRefusedError(400, "BadParameter", "api-version must be specified")
    if version not in API_VERSIONS:
        message = f"The specified version ({version}) is not recognized."
        raise VaultRefusedError(
            400, "BadParameter", f"{message} Consider using the latest supported version ({API_VERSIONS[-1]})."
        )
    unknown = sorted(set(request.query) - {"api-version", *parameters})
    if unknown:
        raise VaultRefusedError(400, "BadParameter", f"Unknown query parameters: {', '.join(unknown)}.")


def _decoded(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        return token


def _whole(text: str, name: str) -> int:
    if not text.isdecimal():
        raise VaultRefusedError(400, "BadParameter", f"{name} is not a whole number: {text}.")
    return int(text)


async def _body(request: web.Request, known: set[str]) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise VaultRefusedError(400, "BadParameter", f"The request body is not JSON: {error}.") from error
    if not isinstance(body, dict) or not set(body) <= known:
        raise VaultRefusedError(400, "BadParameter", f"The request body takes {', '.join(sorted(known))}.")
    return {name: value for name, value in body.items() if value is not None}


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise VaultRefusedError(400, "BadParameter", f"Property {name} is not a string.")
    return value


def _tags(body: Mapping[str, Any]) -> dict[str, str] | None:
    tags = body.get("tags")
    if tags is None:
        return None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise VaultRefusedError(400, "BadParameter", "Property tags is not an object of strings.")
    return tags


def _attributes(body: Mapping[str, Any]) -> Attributes:
    given = body.get("attributes", {})
    if not isinstance(given, dict) or not set(given) <= ATTRIBUTES:
        raise VaultRefusedError(400, "BadParameter", f"Property attributes takes {', '.join(sorted(ATTRIBUTES))}.")
    enabled, not_before, expires = given.get("enabled"), given.get("nbf"), given.get("exp")
    if not isinstance(enabled, bool | None) or any(
        isinstance(time, bool) or not isinstance(time, int | None) for time in (not_before, expires)
    ):
        raise VaultRefusedError(400, "BadParameter", "Property attributes has a value of the wrong type.")
    return Attributes(enabled=enabled, not_before=not_before, expires=expires)


def _error(error: VaultRefusedError) -> web.Response:
    body: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.inner:
        body["innererror"] = {"code": error.inner}
    return web.json_response({"error": body}, status=error.status)
