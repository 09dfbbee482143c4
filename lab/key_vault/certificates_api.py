"""Key Vault's certificates over the wire, as azure-keyvault-certificates asks for them.

Faithful: create (202 with the operation's address), the pending operation (get, with `request_id` as a filter; cancel,
delete, merge), get with and without version, versions, update, policy, import, list with paging and `includePending`,
soft delete, recover, purge; the versionless secret id leads to the newest version. Left out: contacts, issuers, backup
and restore, and what lab/key_vault/certificate_policy.py names. lab/key_vault/front.py checks the caller's rights.

Sources: learn rest/api/keyvault/certificates; answers as recorded by the SDKs' tests.
"""

import asyncio
import base64
import binascii
import hashlib
import uuid
from typing import Any

from aiohttp import web

from lab.key_vault import wire
from lab.key_vault.certificate_operation import COMPLETED, IN_PROGRESS, Operation, new_operation
from lab.key_vault.certificate_policy import Policy, policy_of
from lab.key_vault.certificate_secret import imported
from lab.key_vault.certificates import Certificate, Certificates
from lab.key_vault.objects import VaultObject, VaultOptions, Version, bad_parameter
from lab.key_vault.wire import PAGING

REQUEST_ID = ("request_id",)
LISTING = (*PAGING, "includePending")
RETRY_SECONDS = "10"
TO_DO = "Pending certificate created. Please Perform Merge to complete the request."


class CertificateHandlers:
    """The handlers, each for one method and path."""

    def __init__(self, *, certificates: Certificates, options: VaultOptions, vault: str) -> None:
        """Serve `certificates`; `vault` is the vault's base address."""
        self._certificates = certificates
        self._options = options
        self._vault = vault

    def routes(self) -> list[tuple[str, str, Any, tuple[str, ...]]]:
        """Return methods, paths, handlers, and the query parameters that each takes."""
        one = "/certificates/{name}"
        pending, version = f"{one}/pending", f"{one}/{{version:[^/]*}}"
        return [
            ("GET", "/certificates", self._list, LISTING),
            ("POST", f"{one}/create", self._create, ()),
            ("POST", f"{one}/import", self._import, ()),
            ("GET", f"{one}/versions", self._versions, PAGING),
            ("GET", f"{one}/policy", self._get_policy, ()),
            ("PATCH", f"{one}/policy", self._update_policy, ()),
            ("GET", pending, self._get_operation, REQUEST_ID),
            ("PATCH", pending, self._cancel, REQUEST_ID),
            ("DELETE", pending, self._delete_operation, REQUEST_ID),
            ("POST", f"{pending}/merge", self._merge, ()),
            ("GET", one, self._get, ()),
            ("DELETE", one, self._delete, ()),
            ("GET", version, self._get, ()),
            ("PATCH", version, self._update, ()),
            ("GET", "/deletedcertificates", self._list_deleted, LISTING),
            ("GET", "/deletedcertificates/{name}", self._get_deleted, ()),
            ("DELETE", "/deletedcertificates/{name}", self._purge, ()),
            ("POST", "/deletedcertificates/{name}/recover", self._recover, ()),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        body = await wire.body(request, {"policy", "attributes", "tags", "preserveCertOrder"})
        policy, attributes = policy_of(body.get("policy")), wire.attributes(body)
        order = body.get("preserveCertOrder", False)
        if not policy.subject or not isinstance(order, bool):
            raise bad_parameter("Property policy.x509_props.subject is required, and preserveCertOrder a boolean.")
        self._certificates.require_free(name)
        again = self._certificates.key_again(name, policy)
        made = await asyncio.to_thread(
            new_operation, policy, again, tags=wire.tags(body) or {}, attributes=attributes, preserve_order=order
        )
        self._certificates.begin(name, made)
        where = f"{self._address(name)}/pending?api-version={request.query['api-version']}"
        headers = {"Location": f"{where}&request_id={made.request_id}", "Retry-After": RETRY_SECONDS}
        return web.json_response(self._operation(name, made), status=202, headers=headers)

    async def _import(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        known = {"value", "pwd", "policy", "attributes", "tags", "preserveCertOrder"}
        body = await wire.body(request, known)
        chain, private = imported(wire.text(body, "value") or "", wire.text(body, "pwd"))
        self._certificates.require_free(name)
        found = self._certificates.put(
            name,
            Certificate(chain=chain, private=private),
            policy=policy_of(body.get("policy")),
            tags=wire.tags(body) or {},
            enabled=wire.attributes(body).enabled,
            version_id=uuid.uuid4().hex,
        )
        return web.json_response(self._bundle(*found))

    async def _get_operation(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        found = self._certificates.operation(name, request.query.get("request_id", ""))
        return web.json_response(self._operation(name, found), headers={"Retry-After": RETRY_SECONDS})

    async def _cancel(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        body = await wire.body(request, {"cancellation_requested"})
        if body.get("cancellation_requested") is not True:
            raise bad_parameter("Property cancellation_requested takes true.")
        return web.json_response(self._operation(name, self._certificates.request_cancellation(name)))

    async def _delete_operation(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response(self._operation(name, self._certificates.delete_operation(name)))

    async def _merge(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        body = await wire.body(request, {"x5c", "attributes", "tags"})
        found = self._certificates.merge(
            name, _chain(body.get("x5c")), tags=wire.tags(body), attributes=wire.attributes(body)
        )
        where = f"{self._address(name)}?api-version={request.query['api-version']}"
        return web.json_response(self._bundle(*found), status=201, headers={"Location": where})

    async def _get(self, request: web.Request) -> web.Response:
        found = self._certificates.find(request.match_info["name"], request.match_info.get("version", ""))
        return web.json_response(self._bundle(*found))

    async def _update(self, request: web.Request) -> web.Response:
        body = await wire.body(request, {"policy", "attributes", "tags"})
        if "policy" in body:
            raise bad_parameter("A policy is changed at its own address.")
        name, version = request.match_info["name"], request.match_info["version"]
        changed = self._certificates.change(name, version, tags=wire.tags(body), attributes=wire.attributes(body))
        return web.json_response(self._bundle(*changed))

    async def _get_policy(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response(self._policy(name, self._certificates.policy(name)))

    async def _update_policy(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        before, _, _ = self._certificates.policy(name)
        given = await wire.body(
            request, {"id", "key_props", "secret_props", "x509_props", "lifetime_actions", "issuer"}
        )
        self._certificates.change_policy(name, policy_of(given, before=before))
        return web.json_response(self._policy(name, self._certificates.policy(name)))

    async def _versions(self, request: web.Request) -> web.Response:
        versions = self._certificates.versions(request.match_info["name"])
        return wire.page(request, [self._item(*each) for each in versions], vault=self._vault)

    async def _list(self, request: web.Request) -> web.Response:
        found = self._listed(request, deleted=False)
        shown = [self._item(one, one.versions[-1], with_id=False) for one in found]
        return wire.page(request, shown, vault=self._vault)

    async def _list_deleted(self, request: web.Request) -> web.Response:
        found = self._listed(request, deleted=True)
        shown = [{**self._deletion(one), **self._item(one, one.versions[-1], with_id=False)} for one in found]
        return wire.page(request, shown, vault=self._vault)

    def _listed(self, request: web.Request, *, deleted: bool) -> list[VaultObject[Certificate]]:
        pending = request.query.get("includePending", "false").lower() == "true"
        found = self._certificates.listed(deleted=deleted)
        return [one for one in found if pending or one.versions[-1].content.chain]

    async def _delete(self, request: web.Request) -> web.Response:
        return self._deleted(self._certificates.delete(request.match_info["name"]))

    async def _get_deleted(self, request: web.Request) -> web.Response:
        return self._deleted(self._certificates.deleted(request.match_info["name"]))

    async def _recover(self, request: web.Request) -> web.Response:
        found = self._certificates.recover(request.match_info["name"])
        return web.json_response(self._bundle(found, found.versions[-1]))

    async def _purge(self, request: web.Request) -> web.Response:
        self._certificates.purge(request.match_info["name"])
        return web.Response(status=204)

    def _address(self, name: str, kind: str = "certificates") -> str:
        return f"{self._vault}/{kind}/{name}"

    def _operation(self, name: str, operation: Operation) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": f"{self._address(name)}/pending",
            "issuer": {"name": operation.policy.issuer},
            "csr": base64.b64encode(operation.csr).decode(),
            "cancellation_requested": operation.cancellation_requested,
            "status": operation.status,
            "request_id": operation.request_id,
            "preserveCertOrder": operation.preserve_order,
        }
        if operation.status == IN_PROGRESS:
            shown["status_details"] = TO_DO
        if operation.status == COMPLETED:
            shown["target"] = self._address(name)
        return shown

    def _bundle(self, found: VaultObject[Certificate], version: Version[Certificate]) -> dict[str, Any]:
        chain, name = version.content.chain, found.name
        policy = self._policy(name, self._certificates.last_policy(name))
        shown = {**self._item(found, version), "policy": policy}
        shown["pending"] = {"id": f"{self._address(name)}/pending"}
        if chain:
            shown["kid"] = f"{self._address(name, 'keys')}/{version.id}"
            shown["sid"] = f"{self._address(name, 'secrets')}/{version.id}"
            shown["cer"] = base64.b64encode(chain[0]).decode()
        return shown

    def _item(
        self, found: VaultObject[Certificate], version: Version[Certificate], *, with_id: bool = True
    ) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": self._address(found.name) + (f"/{version.id}" if with_id else ""),
            "attributes": wire.shown_attributes(version, self._options.recovery_level),
        }
        if version.content.chain:
            shown["x5t"] = wire.base64url(hashlib.sha1(version.content.chain[0]).digest())  # noqa: S324 - the protocol's
        if version.tags:
            shown["tags"] = dict(version.tags)
        return shown

    def _policy(self, name: str, kept: tuple[Policy, int, int]) -> dict[str, Any]:
        policy, created, updated = kept
        return policy.shown(self._address(name), {"enabled": True, "created": created, "updated": updated})

    def _deletion(self, found: VaultObject[Certificate]) -> dict[str, Any]:
        return wire.shown_deletion(found, f"{self._vault}/deletedcertificates/{found.name}")

    def _deleted(self, found: VaultObject[Certificate]) -> web.Response:
        return web.json_response({**self._deletion(found), **self._bundle(found, found.versions[-1])})


def _chain(given: object) -> list[bytes]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise bad_parameter("Property x5c is required and must be an array of strings.")
    try:
        return [base64.b64decode(one, validate=True) for one in given]
    except binascii.Error as error:
        raise bad_parameter("Property x5c has invalid value: it is not base64.") from error
