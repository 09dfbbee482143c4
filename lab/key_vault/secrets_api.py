"""Key Vault's secrets over the wire, as azure-keyvault-secrets asks for them.

Faithful: set, get with and without version, versions, update, list with paging, soft delete, recover, purge; a disabled
secret's 403. Left out: backup and restore. lab/key_vault/front.py checks the caller's rights.
Source: learn rest/api/keyvault/secrets.
"""

from typing import Any

from aiohttp import web

from lab.key_vault import wire
from lab.key_vault.objects import VaultOptions, bad_parameter
from lab.key_vault.secrets import Secret, Secrets, SecretValue, SecretVersion
from lab.key_vault.wire import PAGING


class SecretHandlers:
    """The handlers, each for one method and path."""

    def __init__(self, *, secrets: Secrets, options: VaultOptions, vault: str) -> None:
        """Serve `secrets`; `vault` is the vault's base address."""
        self._secrets = secrets
        self._options = options
        self._vault = vault

    def routes(self) -> list[tuple[str, str, Any, tuple[str, ...]]]:
        """Return methods, paths, handlers, and the query parameters that each takes."""
        one, version = "/secrets/{name}", "/secrets/{name}/{version:[^/]*}"
        return [
            ("GET", "/secrets", self._list, PAGING),
            ("PUT", one, self._set, ()),
            ("GET", one, self._get, ()),
            ("DELETE", one, self._delete, ()),
            ("GET", "/secrets/{name}/versions", self._versions, PAGING),
            ("GET", version, self._get, ()),
            ("PATCH", version, self._update, ()),
            ("GET", "/deletedsecrets", self._list_deleted, PAGING),
            ("GET", "/deletedsecrets/{name}", self._get_deleted, ()),
            ("DELETE", "/deletedsecrets/{name}", self._purge, ()),
            ("POST", "/deletedsecrets/{name}/recover", self._recover, ()),
        ]

    async def _set(self, request: web.Request) -> web.Response:
        body = await wire.body(request, {"value", "contentType", "tags", "attributes"})
        value = body.get("value")
        self._require_own(request, "set")
        if not isinstance(value, str):
            raise bad_parameter("Property value is required and must be a string.")
        secret, version = self._secrets.set(
            request.match_info["name"],
            SecretValue(value=value, content_type=wire.text(body, "contentType")),
            tags=wire.tags(body) or {},
            attributes=wire.attributes(body),
        )
        return web.json_response({"value": value, **self._version(secret, version)})

    async def _get(self, request: web.Request) -> web.Response:
        secret, version = self._secrets.get(request.match_info["name"], request.match_info.get("version", ""))
        return web.json_response({"value": version.content.value, **self._version(secret, version)})

    async def _update(self, request: web.Request) -> web.Response:
        body = await wire.body(request, {"contentType", "tags", "attributes"})
        self._require_own(request, "update")
        secret, version = self._secrets.change(
            request.match_info["name"],
            request.match_info["version"],
            content_type=wire.text(body, "contentType"),
            tags=wire.tags(body),
            attributes=wire.attributes(body),
        )
        return web.json_response(self._version(secret, version))

    async def _versions(self, request: web.Request) -> web.Response:
        versions = self._secrets.versions(request.match_info["name"])
        return wire.page(request, [self._version(*each) for each in versions], vault=self._vault)

    async def _list(self, request: web.Request) -> web.Response:
        found = self._secrets.listed(deleted=False)
        shown = [self._version(secret, secret.versions[-1], with_id=False) for secret in found]
        return wire.page(request, shown, vault=self._vault)

    async def _list_deleted(self, request: web.Request) -> web.Response:
        found = self._secrets.listed(deleted=True)
        return wire.page(request, [self._deleted(secret, with_id=False) for secret in found], vault=self._vault)

    async def _delete(self, request: web.Request) -> web.Response:
        self._require_own(request, "delete")
        return web.json_response(self._deleted(self._secrets.delete(request.match_info["name"])))

    async def _get_deleted(self, request: web.Request) -> web.Response:
        return web.json_response(self._deleted(self._secrets.deleted(request.match_info["name"])))

    async def _recover(self, request: web.Request) -> web.Response:
        secret = self._secrets.recover(request.match_info["name"])
        return web.json_response(self._version(secret, secret.versions[-1]))

    async def _purge(self, request: web.Request) -> web.Response:
        self._secrets.purge(request.match_info["name"])
        return web.Response(status=204)

    def _require_own(self, request: web.Request, operation: str) -> None:
        newest = self._secrets.newest(request.match_info["name"])
        wire.require_own("secret", managed=newest is not None and newest.content.managed, operation=operation)

    def _version(self, secret: Secret, version: SecretVersion, *, with_id: bool = True) -> dict[str, Any]:
        """Return a version without its value, as the service shows it; lists leave the version out of the id."""
        shown: dict[str, Any] = {
            "id": f"{self._vault}/secrets/{secret.name}" + (f"/{version.id}" if with_id else ""),
            "contentType": version.content.content_type,
            "attributes": wire.shown_attributes(version, self._options.recovery_level),
            "tags": dict(version.tags) or None,
        }
        if version.content.managed:
            shown |= {"managed": True, "kid": f"{self._vault}/keys/{secret.name}/{version.id}"}
        return {name: value for name, value in shown.items() if value is not None}

    def _deleted(self, secret: Secret, *, with_id: bool = True) -> dict[str, Any]:
        return {
            **wire.shown_deletion(secret, f"{self._vault}/deletedsecrets/{secret.name}"),
            **self._version(secret, secret.versions[-1], with_id=with_id),
        }
