"""Key Vault's keys over the wire, as azure-keyvault-keys asks for them.

Faithful: create, get with and without version, versions, update, list with paging, soft delete, recover, purge, and the
operations sign, verify, wrapkey, unwrapkey, encrypt and decrypt, with and without version; a private key is in no
answer. Left out: what lab/key_vault/keys.py names. lab/key_vault/front.py checks the caller's rights.
Source: learn rest/api/keyvault/keys.
"""

import asyncio
from typing import Any

from aiohttp import web

from lab.key_vault import wire
from lab.key_vault.keys import TRANSFORMS, Key, Keys, key_plan, verify
from lab.key_vault.objects import VaultObject, VaultOptions, Version, bad_parameter
from lab.key_vault.wire import PAGING

# What a key has beside the common attributes.
KEY_ATTRIBUTES = ("exportable", "hsmPlatform")
# The path's word for an operation -> its name in `key_ops`.
OPERATIONS = {
    "encrypt": "encrypt",
    "decrypt": "decrypt",
    "sign": "sign",
    "wrapkey": "wrapKey",
    "unwrapkey": "unwrapKey",
}


class KeyHandlers:
    """The handlers, each for one method and path."""

    def __init__(self, *, keys: Keys, options: VaultOptions, vault: str) -> None:
        """Serve `keys`; `vault` is the vault's base address."""
        self._keys = keys
        self._options = options
        self._vault = vault

    def routes(self) -> list[tuple[str, str, Any, tuple[str, ...]]]:
        """Return methods, paths, handlers, and the query parameters that each takes."""
        one, version = "/keys/{name}", "/keys/{name}/{version:[^/]*}"
        return [
            ("GET", "/keys", self._list, PAGING),
            ("POST", f"{one}/create", self._create, ()),
            ("GET", one, self._get, ()),
            ("DELETE", one, self._delete, ()),
            ("GET", f"{one}/versions", self._versions, PAGING),
            ("GET", version, self._get, ()),
            ("PATCH", version, self._update, ()),
            ("POST", f"{version}/verify", self._verify, ()),
            ("POST", f"{version}/{{operation:{'|'.join(OPERATIONS)}}}", self._operate, ()),
            ("GET", "/deletedkeys", self._list_deleted, PAGING),
            ("GET", "/deletedkeys/{name}", self._get_deleted, ()),
            ("DELETE", "/deletedkeys/{name}", self._purge, ()),
            ("POST", "/deletedkeys/{name}/recover", self._recover, ()),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        body = await wire.body(request, {"kty", "key_size", "key_ops", "crv", "attributes", "tags"})
        self._require_own(request, "create")
        attributes = wire.attributes(body, also=KEY_ATTRIBUTES)
        if body.get("attributes", {}).get("exportable"):
            raise bad_parameter("AKV.SKR.1020: The key cannot be exportable in a vault of the tier standard.")
        plan = key_plan(
            kind=body.get("kty"), size=body.get("key_size"), curve=body.get("crv"), operations=body.get("key_ops")
        )
        self._keys.require_name(name)
        made = await asyncio.to_thread(plan.make)
        key, version = self._keys.add(name, made, tags=wire.tags(body) or {}, attributes=attributes)
        return web.json_response(self._bundle(key, version))

    async def _get(self, request: web.Request) -> web.Response:
        found = self._keys.find(request.match_info["name"], request.match_info.get("version", ""))
        return web.json_response(self._bundle(*found))

    async def _update(self, request: web.Request) -> web.Response:
        body = await wire.body(request, {"key_ops", "attributes", "tags"})
        self._require_own(request, "update")
        changed = self._keys.change(
            request.match_info["name"],
            request.match_info["version"],
            operations=body.get("key_ops"),
            tags=wire.tags(body),
            attributes=wire.attributes(body, also=KEY_ATTRIBUTES),
        )
        return web.json_response(self._bundle(*changed))

    async def _operate(self, request: web.Request) -> web.Response:
        body = await wire.body(request, {"alg", "value"})
        name, version_id = request.match_info["name"], request.match_info["version"]
        operation = OPERATIONS[request.match_info["operation"]]
        key, version = self._keys.usable(name, version_id, operation)
        transform, algorithm = TRANSFORMS[operation], wire.text(body, "alg") or ""
        # RSA's private operations take milliseconds. Meanwhile the lab must go on with other requests.
        result = await asyncio.to_thread(transform, version.content, algorithm, wire.octets(body, "value"))
        return web.json_response({"kid": self._id(key, version), "value": wire.base64url(result)})

    async def _verify(self, request: web.Request) -> web.Response:
        body = await wire.body(request, {"alg", "digest", "value"})
        _, version = self._keys.usable(request.match_info["name"], request.match_info["version"], "verify")
        digest, signature = wire.octets(body, "digest"), wire.octets(body, "value")
        return web.json_response({"value": verify(version.content, wire.text(body, "alg") or "", digest, signature)})

    async def _versions(self, request: web.Request) -> web.Response:
        versions = self._keys.versions(request.match_info["name"])
        return wire.page(request, [self._item(*each) for each in versions], vault=self._vault)

    async def _list(self, request: web.Request) -> web.Response:
        found = self._keys.listed(deleted=False)
        shown = [self._item(key, key.versions[-1], with_id=False) for key in found]
        return wire.page(request, shown, vault=self._vault)

    async def _list_deleted(self, request: web.Request) -> web.Response:
        found = self._keys.listed(deleted=True)
        shown = [{**self._deletion(key), **self._item(key, key.versions[-1], with_id=False)} for key in found]
        return wire.page(request, shown, vault=self._vault)

    async def _delete(self, request: web.Request) -> web.Response:
        self._require_own(request, "delete")
        return self._deleted(self._keys.delete(request.match_info["name"]))

    async def _get_deleted(self, request: web.Request) -> web.Response:
        return self._deleted(self._keys.deleted(request.match_info["name"]))

    async def _recover(self, request: web.Request) -> web.Response:
        key = self._keys.recover(request.match_info["name"])
        return web.json_response(self._bundle(key, key.versions[-1]))

    async def _purge(self, request: web.Request) -> web.Response:
        self._keys.purge(request.match_info["name"])
        return web.Response(status=204)

    def _require_own(self, request: web.Request, operation: str) -> None:
        newest = self._keys.newest(request.match_info["name"])
        wire.require_own("key", managed=newest is not None and newest.content.managed, operation=operation)

    def _id(self, key: VaultObject[Key], version: Version[Key] | None) -> str:
        return f"{self._vault}/keys/{key.name}" + (f"/{version.id}" if version else "")

    def _bundle(self, key: VaultObject[Key], version: Version[Key]) -> dict[str, Any]:
        """Return a version with its public key, as the service shows it."""
        content = version.content
        jwk = {
            "kid": self._id(key, version),
            "kty": content.kind,
            "key_ops": list(content.operations),
            **{name: wire.base64url(number) for name, number in content.public_numbers().items()},
        }
        if content.curve:
            jwk["crv"] = content.curve
        return {"key": jwk, **self._about(version)}

    def _item(self, key: VaultObject[Key], version: Version[Key], *, with_id: bool = True) -> dict[str, Any]:
        return {"kid": self._id(key, version if with_id else None), **self._about(version)}

    def _about(self, version: Version[Key]) -> dict[str, Any]:
        attributes = wire.shown_attributes(version, self._options.recovery_level)
        shown: dict[str, Any] = {"attributes": {**attributes, "exportable": version.content.exportable}}
        if version.content.managed:
            shown["managed"] = True
        if version.tags:
            shown["tags"] = dict(version.tags)
        return shown

    def _deletion(self, key: VaultObject[Key]) -> dict[str, Any]:
        return wire.shown_deletion(key, f"{self._vault}/deletedkeys/{key.name}")

    def _deleted(self, key: VaultObject[Key]) -> web.Response:
        return web.json_response({**self._deletion(key), **self._bundle(key, key.versions[-1])})
