"""Azure Resource Manager: authentication, api-versions, throttling, long-running operations, and who serves what.

Faithful: tokens for ARM's audiences only; each resource type has its own list of api-versions; the errors' codes and
wording (MissingApiVersionParameter, InvalidApiVersionParameter, NoRegisteredProviderFound, InvalidResourceNamespace,
InvalidResourceType, SubscriptionNotFound, ResourceGroupNotFound, ResourceNotFound) and their order: ARM looks at the
api-version before it looks at the token. Names and types are compared without case. An empty segment of a path is left
out (a client whose endpoint ends in a slash writes `//subscriptions`). An api-version that is newer than the newest
known one is served like the newest one, unless its date is in the future. Every other api-version is refused. Roles and
deny assignments count where the lab checks them (lab/authorization). Left out: locks, tags, deployments. Sources: learn
common-deployment-errors, request-limits-and-throttling, async-operations; the clients of azure-mgmt-*.

A provider adds its resource types with `Arm.provider`:

    def register(arm: Arm) -> None:
        arm.provider("Microsoft.Automation", "automationAccounts/{account}/runbooks/{runbook}", ("2024-10-23",),
                     {"GET": get_runbook, "PUT": put_runbook})
The handler is `async def get_runbook(request, names) -> web.Response`; `names` is {"account": ..., "runbook": ...}. It
refuses by raising ArmRefusal. It is only called for the lab's own subscription, resource group and top-level resource.
Customer and publisher have a subscription each, which refuses the other's identities (lab/entra/access.py).
"""

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from aiohttp import web

from lab.arm import requests as refusals
from lab.arm.access import answered, caller, require_right, split_path
from lab.arm.operations import Operation, Operations, accepted
from lab.arm.requests import ArmRefusal, api_version, json_body, only_fields, resource_not_found
from lab.arm.resources import ManagedResources, Resource
from lab.arm.throttling import Throttle, kind_of
from lab.arm.types import Handler, Home, Names, ResourceType, known_version, resource_type
from lab.authorization.requests import of_arm
from lab.entra.access import admitted
from lab.shared import Lab

__all__ = ["Arm", "ArmRefusal", "Handler", "Names", "json_body", "only_fields", "resource_not_found"]

Scoped = Callable[[web.Request], Awaitable[web.Response]]
# 10 s was observed on importImage (Azure/acr#549). Other operations give their own value.
RETRY_AFTER_SECONDS = 10


class Arm:
    """The ARM of one subscription: providers register their types, resources and long-running operations here."""

    def __init__(self, *, lab: Lab, home: Home) -> None:
        """Serve the subscription and resource group of `home`; nothing is registered yet."""
        self.lab = lab
        self.home = home
        # By the group's lower-cased name.
        self._types: dict[str, list[ResourceType]] = {home.resource_group.lower(): []}
        self._subscription_types: list[ResourceType] = []
        self._extensions: list[ResourceType] = []
        self._scoped: dict[tuple[str, ...], Mapping[str, Scoped]] = {}
        self._listed: list[Callable[[], Iterable[Resource]]] = []
        self.unregistered: set[str] = set()  # lower-cased namespaces (lab/arm/providers.py)
        self.managed = ManagedResources(managed_by=home.managed_by, now=lab.clock.now)
        self._operations = Operations()
        self._throttle = Throttle(now=lab.clock.now, subscription_id=home.subscription_id)

    def provider(
        self,
        namespace: str,
        pattern: str,
        api_versions: Sequence[str],
        handlers: Mapping[str, Handler],
        *,
        group: str = "",
    ) -> None:
        """Serve `pattern` below `namespace`. Types and {names} alternate in it, and the last part may be an action.

        `handlers` by HTTP method. If two patterns match a path, the one that has a handler for the method answers, and
        of two such patterns the one that was registered first. `group` is another resource group of the subscription.
        From then on, the subscription has that group.
        """
        types = self._types.setdefault((group or self.home.resource_group).lower(), [])
        types.append(resource_type(namespace, pattern, api_versions, handlers))

    def subscription_provider(
        self, namespace: str, pattern: str, api_versions: Sequence[str], handlers: Mapping[str, Handler]
    ) -> None:
        """Serve `pattern` below `/subscriptions/{id}/providers/<namespace>/`, as `provider` does below the group."""
        self._subscription_types.append(resource_type(namespace, pattern, api_versions, handlers))

    def extension(
        self, namespace: str, pattern: str, api_versions: Sequence[str], handlers: Mapping[str, Handler]
    ) -> None:
        """Serve `pattern` below `{any resource of the group}/providers/<namespace>/`; names has its id as `resource`.

        The handler says whether the resource exists.
        """
        self._extensions.append(resource_type(namespace, pattern, api_versions, handlers))

    def answers_get(self, resource_type: str) -> bool:
        """Tell whether a provider serves GET of a top-level type, e.g. `Microsoft.KeyVault/vaults`."""
        return any(
            f"{known.namespace}/{known.type_name}".lower() == resource_type.lower()
            and len(known.pattern) == 2
            and "GET" in known.handlers
            for known in self._types[self.home.resource_group.lower()]
        )

    def groups(self) -> list[str]:
        """Return the lower-cased names of the subscription's resource groups."""
        return list(self._types)

    def types(self) -> list[ResourceType]:
        """Return every type that is served: below a group, below the subscription, or below a resource."""
        groups = (known for types in self._types.values() for known in types)
        return [*groups, *self._subscription_types, *self._extensions]

    def scoped(self, tail: Sequence[str], handlers: Mapping[str, Scoped]) -> None:
        """Serve ARM's own `tail` (lower case) below the subscription, e.g. ("resourcegroups", "*", "resources").

        `handlers` by HTTP method. `*` stands for a resource group that exists or, after `providers`, for a namespace.
        The handler checks the api-version.
        """
        self._scoped[tuple(tail)] = handlers

    def deployed(self, resources: Callable[[], Iterable[Resource]]) -> None:
        """Tell which top-level resources the deployment has made in the group. Each is whole, as GET shows it.

        Every reset asks `resources` anew.
        """
        self.managed.deployed(resources)

    def listed(self, resources: Callable[[], Iterable[Resource]]) -> None:
        """Add what `resources` returns at each call to the resource listing, beside the top-level resources.

        Such a child of a resource has an id, name, type and location.
        """
        self._listed.append(resources)

    def resources(self) -> list[Resource]:
        """Return the children that `listed` has added. Their order means nothing."""
        return [resource for resources in self._listed for resource in resources()]

    def accept(
        self,
        request: web.Request,
        operation: Operation,
        *,
        retry_after: int = RETRY_AFTER_SECONDS,
        operation_id: str = "",
        place: str = "",
        headers: Mapping[str, str] | None = None,
        body: str = "",
    ) -> web.Response:
        """Start a long-running operation and return its 202. retry_after: in whole seconds. operation_id: "" is a GUID.

        `operation` is a coroutine that returns the result, a JSON object or None, or raises ArmRefusal. Clients poll it
        below `place`, by default the provider's part of the subscription. `headers` and `body` (a JSON text) belong to
        the 202.
        """
        operation_id = operation_id or str(uuid.uuid4())
        self._operations.start(operation_id, operation, retry_after=retry_after, body=body)
        namespace = split_path(request)[5]
        subscription = f"/subscriptions/{self.home.subscription_id}"
        below = place or f"{subscription}/providers/{namespace}/locations/{self.lab.names.location}"
        query = f"api-version={request.query['api-version']}"
        location = f"{self.lab.urls['arm']}{below}/operationResults/{operation_id}?{query}"
        return accepted(location, retry_after, headers, body)

    def begin(
        self, request: web.Request, operation: Operation, place: str, *, retry_after: int, operation_id: str = ""
    ) -> Mapping[str, str]:
        """Start a long-running operation; return the header `Azure-AsyncOperation`, an address below `place`."""
        operation_id = operation_id or str(uuid.uuid4())
        self._operations.start(operation_id, operation, retry_after=retry_after)
        address = f"{self.lab.urls['arm']}{place}/{operation_id}?api-version={request.query['api-version']}"
        return {"Azure-AsyncOperation": address, "Retry-After": str(retry_after)}

    def operation_status(self, request: web.Request, operation_id: str) -> web.Response:
        """Answer at the address that `begin` has given."""
        return self._operations.status(operation_id, request.path)

    def poll(self, request: web.Request, operation_id: str) -> web.Response:
        """Answer a poll of an operation that `accept` has started."""
        return self._operations.answer(operation_id, f"{self.lab.urls['arm']}{request.raw_path}")

    async def reset(self) -> None:
        """End the operations under way, fill the throttling buckets, and go back to what the deployment has made."""
        await self._operations.clear()
        self._throttle.clear()
        self.managed.clear()

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Answer any request below the subscription."""
        return await answered(request, self._authenticated)

    def admits(self, claims: Mapping[str, object]) -> bool:
        """Tell whether the subscription knows the principal of a token."""
        return admitted(self.lab, claims, publishers=self.home.publishers)

    async def _authenticated(self, request: web.Request) -> web.StreamResponse:
        version = api_version(request)
        claims = caller(self.lab, request)
        if not self.admits(claims):
            message = "The access token is from the wrong issuer. It must match the tenant of this subscription."
            raise ArmRefusal(401, "InvalidAuthenticationTokenTenant", message)
        principal = str(claims["oid"])
        kind = kind_of(request.method, request.path)
        left, wait = self._throttle.take(principal, kind)
        if wait:
            message = self._throttle.refused(principal, kind, wait)
            raise ArmRefusal(429, "SubscriptionRequestsThrottled", message, {"Retry-After": str(wait)})
        answer: web.StreamResponse
        try:
            answer = await self._serve(request, version)
        except ArmRefusal as refusal:
            answer = refusal.answer()
        self._throttle.mark(answer, kind, left)
        return answer

    async def _serve(self, request: web.Request, version: str) -> web.StreamResponse:
        segments = split_path(request)
        if len(segments) < 2 or segments[0].lower() != "subscriptions":
            raise ArmRefusal(404, "NotFound", f"Nothing is served at {request.path}.")
        if segments[1].lower() != self.home.subscription_id:
            raise ArmRefusal(404, "SubscriptionNotFound", f"The subscription '{segments[1]}' could not be found.")
        below = segments[2:]
        polled = self._operations.polled(request, below, self.lab.urls["arm"])
        if polled is not None:
            return polled
        if len(below) >= 2 and below[0].lower() == "resourcegroups":
            if below[1].lower() not in self._types:
                raise ArmRefusal(404, "ResourceGroupNotFound", f"Resource group '{below[1]}' could not be found.")
            if len(below) >= 4 and below[2].lower() == "providers":
                return await self._in_group(request, version, below)
        tail = tuple("*" if index == 1 else part.lower() for index, part in enumerate(below))
        if len(below) >= 3 and below[0].lower() == "providers" and tail not in self._scoped:
            return await self._provided(self._subscription_types, request, version, below[1:])
        if tail not in self._scoped:
            raise ArmRefusal(404, "NotFound", f"Nothing is served at {request.path}.")
        handler = self._scoped[tail].get(request.method)
        if handler is None:
            raise refusals.method_refused(request.method)
        kind = ("subscriptions", *(part for part in tail if part != "*"))
        require_right(self.lab, request, of_arm(request.method, "Microsoft.Resources", kind, request.path))
        return await handler(request)

    async def _in_group(self, request: web.Request, version: str, below: Sequence[str]) -> web.StreamResponse:
        """Answer at `resourceGroups/{group}/providers/...`."""
        group = below[1].lower()
        last = max(index for index, part in enumerate(below) if part.lower() == "providers")
        extensions = [
            known
            for known in self._extensions
            if [known.namespace.lower()] == [part.lower() for part in below[last + 1 : last + 2]]
        ]
        if last > 2 and extensions:
            resource = f"{self.home.id}/{'/'.join(below[2:last])}"
            return await self._provided(extensions, request, version, below[last + 1 :], resource=resource)
        in_home = group == self.home.resource_group.lower()
        return await self._provided(self._types[group], request, version, below[3:], in_home=in_home)

    async def _provided(
        self,
        types: Sequence[ResourceType],
        request: web.Request,
        version: str,
        path: Sequence[str],
        *,
        in_home: bool = False,
        **more: str,
    ) -> web.StreamResponse:
        """Answer at `path`, a namespace and what is below it. The handler's names get `more`, too."""
        namespace, segments = path[0], path[1:]
        found = [(known, names) for known in types if (names := known.match(namespace, segments)) is not None]
        if not found:
            raise self._unknown_type(namespace, segments, version)
        known, names = next((one for one in found if request.method in one[0].handlers), found[0])
        if not known_version(version, known.api_versions, now=self.lab.clock.now()):
            location = self.lab.names.location
            raise refusals.no_registered_provider(version, known.type_name, known.api_versions, location)
        # A thing that an extension keeps at the group, such as a role assignment, is not one of the group's resources.
        extends = any(one.namespace == known.namespace for one in self._extensions)
        if in_home and len(segments) > 1 and not extends:
            self._require_top_level(f"{known.namespace}/{known.pattern[0]}", segments[1])
        handler = known.handlers.get(request.method)
        if handler is None:
            raise refusals.method_refused(request.method)
        require_right(self.lab, request, of_arm(request.method, known.namespace, known.pattern, request.path))
        if request.method == "PUT" and namespace.lower() in self.unregistered:
            raise refusals.not_registered(known.namespace)
        return await handler(request, {**names, **more})

    def _unknown_type(self, namespace: str, segments: Sequence[str], version: str) -> ArmRefusal:
        if all(known.namespace.lower() != namespace.lower() for known in self.types()):
            return ArmRefusal(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
        message = f"The resource type '{'/'.join(segments[::2])}' could not be found in the namespace '{namespace}'"
        return ArmRefusal(404, "InvalidResourceType", f"{message} for api version '{version}'.")

    def _require_top_level(self, resource_type: str, name: str) -> None:
        if self.managed.get(f"{self.home.id}/providers/{resource_type}/{name}") is None:
            raise resource_not_found(resource_type, name, self.home.resource_group)
