"""The storage accounts: fronts of Azurite's Blob and Table services that add what Azurite leaves out.

Real: Azurite holds the data and answers (its gaps, such as page ranges of copies, remain). The fronts check each
request's token, which Azurite does not do. They enforce container-level immutability, which Azurite does not implement.
Otherwise they change no byte, and bodies stream both ways. An address is `https://127.0.0.1:PORT/<account>/...`. There
are two accounts, the customer's and the publisher's. Each refuses callers of the other side. The publisher's account
starts without containers and policies. Azurite renews an expired lease under any lease id; Azure refuses another id.

Faithful: lab/storage/access.py (who may use it), lab/storage/immutability.py (what a policy forbids),
`x-ms-has-immutability-policy`. Left out and refused: blob batch (its parts would bypass the policies), version-level
immutability, legal holds. lab/authorization knows the callers' roles. Not documented, so chosen here: a create with
`If-None-Match: *` on a retained blob is answered BlobAlreadyExists, as on any other blob.

A fault of action `status` with a `code` makes the account full, read-only or overloaded:
    403 InsufficientAccountPermissions   writes are disabled        403 AuthorizationPermissionMismatch   no role
    403 AccountIsDisabled                                           409 AccountCapacityExceeded (chosen)  full
    503 ServerBusy                       (the default code)         500 OperationTimedOut

Sources: learn rest/api/storageservices common-rest-api-error-codes, blob-service-error-codes,
get-container-properties; docs/azure-facts.md#blob-immutability.
"""

import asyncio
import time
import weakref
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from xml.etree import ElementTree

from aiohttp import web
from multidict import CIMultiDict

from lab.authorization.requests import of_blob, of_table
from lab.entra.access import admitted
from lab.front import answers
from lab.front.proxy import forward
from lab.shared import Lab
from lab.storage import azurite, immutability
from lab.storage.access import caller, refuse
from lab.storage.immutability import Blob, Immutability, Policy

# The containers that the deployment creates. The runbooks create the tables.
CONTAINERS = ("release-manifests", "operations-spool", "runbook-packages", "locks", "artifacts", "callbacks-spool")
IMMUTABLE_CONTAINER = "release-manifests"
RETENTION_DAYS = 365
# Azurite checks tokens by the machine's clock. The front's own tokens are valid for an hour.
TOKEN_REUSE_SECONDS = 1800.0
# The account does not have version-level immutability.
UNSUPPORTED_HEADERS = ("x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode", "x-ms-legal-hold")


def table_routes(lab: Lab) -> web.Application:
    """Return the app in front of Azurite's Table service."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", _Front(lab, "table").answer)
    return application


def blob_routes(lab: Lab, policies: Immutability) -> web.Application:
    """Return the app in front of Azurite's Blob service, whose containers have `policies`."""
    front = _BlobFront(lab, policies)

    async def at_start(_application: web.Application) -> None:
        await front.deploy()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", front.answer)
    application.on_startup.append(at_start)
    lab.on_reset.append(front.deploy)
    return application


class _Front:
    """What both services share: access checks, and passing requests on."""

    def __init__(self, lab: Lab, service: str) -> None:
        self._lab = lab
        self._service = service
        names = lab.names
        self._accounts = (names.storage_account, names.publisher_storage_account)
        self._tokens: dict[str, tuple[float, str]] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to the account."""
        account = _below_account(request)[0]
        if account not in self._accounts:
            message = "The requested URI does not represent any resource on the server."
            return refuse(self._service, 400, "InvalidUri", message)
        claims = caller(self._lab, self._service, request)
        if isinstance(claims, web.Response):
            return claims
        publishers = account == self._lab.names.publisher_storage_account
        if claims and not self._allows(claims, request, publishers=publishers):
            message = "This request is not authorized to perform this operation using this permission."
            return refuse(self._service, 403, "AuthorizationPermissionMismatch", message)
        return await self._serve(request, self._headers(claims, request))

    def _allows(self, claims: Mapping[str, str], request: web.Request, *, publishers: bool) -> bool:
        """Tell whether the caller may do this. A SAS has no caller. The lab has no roles at the publisher's account."""
        if not admitted(self._lab, claims, publishers=publishers):
            return False
        if publishers:
            return True
        names, path = self._lab.names, unquote(_below_account(request)[1])
        scope = f"{names.resource_group_id}/providers/Microsoft.Storage/storageAccounts/{names.storage_account}"
        if self._service == "blob":
            action = of_blob(request.method, path, request.query, scope)
        else:
            action = of_table(request.method, path, scope)
        return self._lab.authorization.permits(claims, action)

    async def _serve(self, request: web.Request, headers: Mapping[str, str | None]) -> web.StreamResponse:
        return await self._pass(request, headers)

    async def _pass(self, request: web.Request, headers: Mapping[str, str | None]) -> web.StreamResponse:
        url = self._lab.real_urls[self._service] + request.raw_path
        return await forward(request, url, session=self._lab.upstream, headers=headers)

    def _headers(self, claims: Mapping[str, str], request: web.Request) -> dict[str, str | None]:
        """Return the headers that replace the client's: the host, for links, and a token that the server accepts."""
        headers: dict[str, str | None] = {"Host": request.headers["Host"]}
        if claims:
            headers["Authorization"] = f"Bearer {self._token(claims)}"
        return headers

    def _token(self, claims: Mapping[str, str]) -> str:
        principal = claims["oid"]
        made, token = self._tokens.get(principal, (0.0, ""))
        if not token or time.time() - made > TOKEN_REUSE_SECONDS:
            made, token = time.time(), azurite.token(self._lab.tokens, principal, claims.get("appid", ""))
            self._tokens[principal] = made, token
        return token


class _BlobFront(_Front):
    """The blob service with its immutable containers."""

    def __init__(self, lab: Lab, policies: Immutability) -> None:
        super().__init__(lab, "blob")
        self._policies = policies
        # Only one operation at a time on a blob that a policy may protect: check and write are two requests.
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def deploy(self) -> None:
        """Create the containers and the policy, as the ARM template does."""
        names = self._lab.names
        token = azurite.token(self._lab.tokens, names.operator_principal_id, names.operator_client_id)
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": azurite.BLOB_API_VERSION}
        for container in CONTAINERS:
            url = f"{self._lab.real_urls['blob']}/{names.storage_account}/{container}?restype=container"
            async with self._lab.upstream.put(url, headers=headers, raise_for_status=True):
                pass
        at, by = self._lab.clock.now(), names.operator_principal_id
        self._policies.clear()
        policy = self._policies.put(
            IMMUTABLE_CONTAINER, days=RETENTION_DAYS, appends=(False, False), if_match=None, at=at, by=by
        )
        self._policies.lock(IMMUTABLE_CONTAINER, if_match=policy.etag, at=at, by=by)

    async def _serve(self, request: web.Request, headers: Mapping[str, str | None]) -> web.StreamResponse:
        refused = _unsupported(request)
        if refused is not None:
            return refused
        component = request.query.get("comp", "")
        account, rest = _below_account(request)
        if account == self._lab.names.publisher_storage_account:
            return await self._pass(request, headers)
        if not rest:
            listing = request.method == "GET" and component == "list"
            return await self._list(request, headers) if listing else await self._pass(request, headers)
        first, _, blob = rest.partition("/")
        of_container = request.query.get("restype") == "container"
        # A path with one part that does not name a container names a blob in the root container.
        container = unquote(first) if blob or of_container else "$root"
        policy = self._policies.container_policy(container)
        if policy is None:
            return await self._pass(request, headers)
        if of_container:
            return await self._container(request, headers, policy)
        return await self._blob(request, headers, policy)

    async def _container(
        self, request: web.Request, headers: Mapping[str, str | None], policy: Policy
    ) -> web.StreamResponse:
        if request.method == "DELETE":
            locked = policy.state == "Locked"
            code = "ContainerImmutabilityPolicyLocked" if locked else "ContainerImmutabilityPolicyFailure"
            kind = "a locked immutability policy" if locked else "an immutability policy"
            message = f"The requested operation is not allowed as the container has {kind}."
            return answers.storage_error(409, code, message)

        def mark(_status: int, received: CIMultiDict[str]) -> None:
            if "x-ms-has-immutability-policy" in received:
                received["x-ms-has-immutability-policy"] = "true"

        url = self._lab.real_urls["blob"] + request.raw_path
        return await forward(request, url, session=self._lab.upstream, headers=headers, on_answer=mark)

    async def _blob(
        self, request: web.Request, headers: Mapping[str, str | None], policy: Policy
    ) -> web.StreamResponse:
        wanted = immutability.operation(method=request.method, component=request.query.get("comp", ""))
        if wanted == "harmless":
            return await self._pass(request, headers)
        lock = self._locks.setdefault(unquote(request.rel_url.raw_path), asyncio.Lock())
        async with lock:
            blob = await self._existing(request)
            if immutability.forbids(policy, wanted, blob, now=self._lab.clock.now()):
                if wanted == "create" and request.headers.get("If-None-Match") == "*":
                    return answers.storage_error(409, "BlobAlreadyExists", "The specified blob already exists.")
                message = "This operation is not permitted as the blob is immutable due to a policy."
                return answers.storage_error(409, "BlobImmutableDueToPolicy", message)
            return await self._pass(request, headers)

    async def _existing(self, request: web.Request) -> Blob | None:
        """Return what Azurite knows about the blob (or snapshot) of the request."""
        names = self._lab.names
        token = self._token({"oid": names.uami_principal_id, "appid": names.uami_client_id})
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": azurite.BLOB_API_VERSION}
        url = self._lab.real_urls["blob"] + request.rel_url.raw_path
        snapshot = {"snapshot": request.query["snapshot"]} if "snapshot" in request.query else {}
        async with self._lab.upstream.head(url, headers=headers, params=snapshot) as answer:
            if answer.status == 404:
                return None
            answer.raise_for_status()
            return Blob(
                created=parsedate_to_datetime(answer.headers["x-ms-creation-time"]).timestamp(),
                modified=parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp(),
                is_append_blob=answer.headers["x-ms-blob-type"] == "AppendBlob",
            )

    async def _list(self, request: web.Request, headers: Mapping[str, str | None]) -> web.Response:
        """List the containers, and say for each whether it has a policy."""
        sent = {name: value for name, value in request.headers.items() if name.lower().startswith("x-ms-")}
        sent.update((name, value) for name, value in headers.items() if value is not None)
        url = self._lab.real_urls["blob"] + request.raw_path
        async with self._lab.upstream.get(url, headers=sent) as answer:
            body = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower().startswith("x-ms-")}
            status, content_type = answer.status, answer.content_type
        if status == 200:
            root = ElementTree.fromstring(body)  # noqa: S314 - Azurite's
            for container in root.iter("Container"):
                marked = container.find("Properties/HasImmutabilityPolicy")
                if marked is not None and container.findtext("Name") in self._policies.policies:
                    marked.text = "true"
            body = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        return web.Response(status=status, body=body, headers=kept, content_type=content_type)


def _below_account(request: web.Request) -> tuple[str, str]:
    """Return the account and the rest of a path, still encoded."""
    account, _, rest = request.rel_url.raw_path.lstrip("/").partition("/")
    return account, rest


def _unsupported(request: web.Request) -> web.Response | None:
    """Return the refusal of a request that the front does not support."""
    if request.query.get("comp") == "batch":
        message = "The lab does not serve blob batches."
        return answers.storage_error(501, "NotImplemented", message)
    header = next((name for name in UNSUPPORTED_HEADERS if name in request.headers), None)
    if header is not None:
        message = f"One of the headers specified in the request is not supported: {header}."
        return answers.storage_error(400, "UnsupportedHeader", message)
    return None
