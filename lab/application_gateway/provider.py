"""Microsoft.Network/applicationGateways, their firewall policies and public addresses in ARM.

Faithful: GET; PUT of the whole resource under `If-Match`; the PUT of a gateway is a long-running operation (200 with
`Azure-AsyncOperation`); GET shows at once the result of a running PUT, with the state Updating and a new ETag; the next
write ends a running PUT, and its operation is then Canceled (CanceledAndSupersededDueToAnotherOperation); PUT starts a
stopped gateway and reads its certificates; if it cannot read them, it fails, and the state is Failed; PATCH of tags;
start and stop; the rights at subnet, address, policy and identity that a writer needs (LinkedAuthorizationFailed). The
latency of the operation `putApplicationGateway` sets how many seconds a PUT takes. Left out: creating and deleting,
backend health, PATCH of a policy.

The PUT of a policy is no long-running operation. A test can let it fail later: then GET shows the wanted rules, and the
state Failed, and the listener keeps its rules until the next change. UNCONFIRMED: when this happens in Azure.

    POST /firewall    {"fails": 2}: the next two PUTs of a policy end in the state Failed

Sources: learn rest/api/application-gateway; Azure/azure-cli#21156 and AGIC#187 (superseded operations);
kubernetes-sigs/cloud-provider-azure#9729 (the words of 412); MicrosoftDocs/azure-docs#33157 (a secret out of reach) and
PR#107987 (PUT starts a stopped gateway). UNCONFIRMED: that a PUT reads the certificates anew.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from lab.application_gateway import firewall, gateway
from lab.application_gateway.deployed import ADDRESS_TYPE, FIREWALL_TYPE, new_etag
from lab.application_gateway.vault_certificate import DENIED, UnreadableError
from lab.arm.access import caller
from lab.arm.dispatch import Arm, ArmRefusal, Names, json_body, only_fields, resource_not_found
from lab.arm.operations import CANCELED
from lab.arm.resources import Resource, of_provider
from lab.authorization.state import Action
from lab.front.faults import InvalidFaultError
from lab.resource_group.resources import NETWORK_VERSIONS, resource_id

NAMESPACE = "Microsoft.Network"
OPERATION = "putApplicationGateway"
RETRY_AFTER_SECONDS = 1
MAX_FAILS = 100
# The names of the operations in messages.
PUT, PATCH = "PutApplicationGatewayOperation", "PatchApplicationGatewayOperation"
SUPERSEDED = "CanceledAndSupersededDueToAnotherOperation"
# Reads the certificates of a gateway; UnreadableError if one cannot be read.
ReadCertificates = Callable[[Resource], Awaitable[None]]
# A function that is called when a gateway or a policy has changed.
Changed = Callable[[], Awaitable[None]]


def register(arm: Arm, *, read: ReadCertificates, changed: Changed) -> None:
    """Serve gateways and firewall policies. The deployment's resources are there already."""
    handlers = _Gateways(arm, read, changed)
    one = "applicationGateways/{name}"
    methods = {"GET": handlers.get, "PUT": handlers.put, "PATCH": handlers.patch}
    arm.provider(NAMESPACE, one, NETWORK_VERSIONS, methods)
    arm.provider(NAMESPACE, f"{one}/start", NETWORK_VERSIONS, {"POST": handlers.start})
    arm.provider(NAMESPACE, f"{one}/stop", NETWORK_VERSIONS, {"POST": handlers.stop})
    arm.lab.controls["POST", "/firewall"] = handlers.change_firewall
    arm.lab.on_reset.append(handlers.forget)
    policy = {"GET": handlers.get_policy, "PUT": handlers.put_policy}
    arm.provider(NAMESPACE, f"{FIREWALL_TYPE.partition('/')[2]}/{{name}}", NETWORK_VERSIONS, policy)
    arm.managed.show(dict.fromkeys((gateway.TYPE, FIREWALL_TYPE, ADDRESS_TYPE), NETWORK_VERSIONS))


class _Gateways:
    """The handlers. Each is for one method and path."""

    def __init__(self, arm: Arm, read: ReadCertificates, changed: Changed) -> None:
        self._arm, self._read, self._changed = arm, read, changed
        # The running PUT of each gateway, by the gateway's id in small letters. Another operation ends this PUT by
        # setting the future's result to its own name and id.
        self._under_way: dict[str, asyncio.Future[str]] = {}
        # How many of the next PUTs of a policy fail.
        self._policies_to_fail = 0

    async def change_firewall(self, body: object) -> object:
        """Answer POST /firewall of the control API."""
        fails = body.get("fails") if isinstance(body, dict) and set(body) == {"fails"} else None
        if type(fails) is not int or not 0 <= fails <= MAX_FAILS:
            raise InvalidFaultError(f"firewall takes {{fails}}, a number from 0 to {MAX_FAILS}")
        self._policies_to_fail = fails
        return body

    async def forget(self) -> None:
        """Let the next PUT of a policy succeed."""
        self._policies_to_fail = 0

    async def get(self, _request: web.Request, names: Names) -> web.Response:
        return _shown(self._found(gateway.TYPE, names))

    async def get_policy(self, _request: web.Request, names: Names) -> web.Response:
        return _shown(self._found(FIREWALL_TYPE, names))

    async def put(self, request: web.Request, names: Names) -> web.Response:
        found = self._found(gateway.TYPE, names)
        body = await json_body(request, gateway.FIELDS)
        _check_etag(request, found)
        made = gateway.replaced(found, body)
        self._require_links(request, made)
        state = str(found["properties"]["operationalState"])
        operational = "Running" if state == "Running" else "Starting"
        made = gateway.stamped(made, etag=new_etag(), provisioning="Updating", operational=operational)
        operation_id = str(uuid.uuid4())
        self._supersede(made, f"{PUT} ({operation_id})")
        self._store(made)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._under_way[made["id"].lower()] = ended
        where = f"providers/{NAMESPACE}/locations/{self._arm.lab.names.location}/operations"
        headers = self._arm.begin(
            request,
            self._carry_out(made, operation_id, ended),
            f"/subscriptions/{self._arm.home.subscription_id}/{where}",
            retry_after=RETRY_AFTER_SECONDS,
            operation_id=operation_id,
        )
        return _shown(made, headers)

    async def patch(self, request: web.Request, names: Names) -> web.Response:
        found = self._found(gateway.TYPE, names)
        body = await json_body(request, {"tags"})
        self._supersede(found, f"{PATCH} ({uuid.uuid4()})")
        made = {**found, "tags": dict(only_fields(body.get("tags") or {}, set(body.get("tags") or {})))}
        state = str(found["properties"]["operationalState"])
        operational = "Running" if state == "Starting" else state
        made = gateway.stamped(made, etag=new_etag(), provisioning="Succeeded", operational=operational)
        self._store(made)
        await self._changed()
        return _shown(made)

    async def start(self, request: web.Request, names: Names) -> web.Response:
        return await self._turn(request, names, "Running")

    async def stop(self, request: web.Request, names: Names) -> web.Response:
        return await self._turn(request, names, "Stopped")

    async def put_policy(self, request: web.Request, names: Names) -> web.Response:
        found = self._found(FIREWALL_TYPE, names)
        body = await json_body(request, firewall.FIELDS)
        _check_etag(request, found)
        fails, self._policies_to_fail = self._policies_to_fail > 0, max(0, self._policies_to_fail - 1)
        made = firewall.replaced(found, body, etag=new_etag(), state="Failed" if fails else "Succeeded")
        self._store(made)
        if fails:
            # The answer to the PUT does not say that the change will fail.
            return _shown({**made, "properties": {**made["properties"], "provisioningState": "Updating"}})
        await self._changed()
        return _shown(made)

    async def _turn(self, request: web.Request, names: Names, state: str) -> web.Response:
        """Start or stop a gateway. The operation has no result."""
        found = self._found(gateway.TYPE, names)

        async def turned() -> None:
            await self._arm.lab.gate.operation(OPERATION)
            now = self._arm.managed.get(found["id"]) or found
            provisioning = str(now["properties"]["provisioningState"])
            self._store(gateway.stamped(now, etag=new_etag(), provisioning=provisioning, operational=state))
            await self._changed()

        return self._arm.accept(request, turned(), retry_after=RETRY_AFTER_SECONDS)

    async def _carry_out(self, made: Resource, operation_id: str, ended: "asyncio.Future[str]") -> None:
        """Carry out a PUT, unless another write ends it."""
        seconds = self._arm.lab.gate.operation_seconds(OPERATION)
        await asyncio.wait({ended}, timeout=seconds)
        refusal: ArmRefusal | None = None
        try:
            await self._read(made)
        except UnreadableError as error:
            refusal = _unreadable(made, error)
        if ended.done():
            message = f"Operation {PUT} ({operation_id}) was canceled and superseded by operation {ended.result()}."
            raise ArmRefusal(409, CANCELED, "Operation was canceled.", details=[(SUPERSEDED, message)])
        del self._under_way[made["id"].lower()]
        provisioning = "Succeeded" if refusal is None else "Failed"
        self._store(gateway.stamped(made, etag=new_etag(), provisioning=provisioning, operational="Running"))
        await self._changed()
        if refusal is not None:
            raise refusal

    def _supersede(self, found: Resource, by: str) -> None:
        """End the running PUT of a gateway, if there is one."""
        ended = self._under_way.pop(found["id"].lower(), None)
        if ended is not None and not ended.done():
            ended.set_result(by)

    def _found(self, resource_type: str, names: Names) -> Resource:
        found = self._arm.managed.get(resource_id(self._arm.lab, resource_type, names["name"]))
        if found is None:
            raise resource_not_found(resource_type, names["name"], self._arm.home.resource_group)
        return found

    def _store(self, made: Resource) -> None:
        self._arm.managed.add([made])

    def _require_links(self, request: web.Request, made: Resource) -> None:
        lab = self._arm.lab
        claims = caller(lab, request)
        missing = [
            (action, target)
            for action, target in gateway.links(made)
            if not lab.authorization.permits(claims, Action(name=action, scope=target, is_data=False))
        ]
        if missing:
            actions, targets = (",".join(each) for each in zip(*missing, strict=True))
            client = f"The client '{claims['oid']}' with object id '{claims['oid']}' has permission to perform action"
            message = (
                f"{client} '{gateway.TYPE}/write' on scope '{made['id']}'; however, it does not have permission to"
                f" perform action(s) '{actions}' on the linked scope(s) '{targets}' (respectively) or the linked"
                " scope(s) are invalid."
            )
            raise ArmRefusal(403, "LinkedAuthorizationFailed", message)


def _check_etag(request: web.Request, found: Resource) -> None:
    wanted = request.headers.get("If-Match", "*")
    if wanted not in ("*", found["etag"]):
        message = (
            f"Etag provided in if-match header {wanted} does not match etag {found['etag']} of resource {found['id']}"
            " in NRP data store."
        )
        details = [("PreconditionFailedEtagMismatch", message)]
        raise ArmRefusal(412, "PreconditionFailed", "Precondition failed.", details=details)


def _unreadable(made: Resource, error: UnreadableError) -> ArmRefusal:
    (secret, *_) = gateway.secret_ids(made)
    code = "ApplicationGatewayKeyVaultSecretAccessDenied" if error.reason == DENIED else error.reason
    detail = (
        f"Access denied for KeyVault Secret '{secret}' for Application Gateway '{made['id']}'. Make sure that Identity"
        " assigned to Application Gateway has access to the KeyVault associated with secret."
    )
    message = (
        "Problem occured while accessing and validating KeyVault Secrets associated with Application Gateway"
        f" '{made['id']}'. See details below:"
    )
    return ArmRefusal(400, "ApplicationGatewayKeyVaultSecretException", message, details=[(code, detail)])


def _shown(found: Resource, headers: Mapping[str, str] | None = None) -> web.Response:
    body: dict[str, Any] = of_provider(found)
    return web.json_response(body, headers={"ETag": str(found["etag"]), **(headers or {})})
