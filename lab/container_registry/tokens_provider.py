"""The publisher's container registry in ARM: its repository-scoped tokens, and `generateCredentials`.

Faithful: the bodies have exactly the fields of azure-mgmt-containerregistry 15.0.0. A password's value is only in the
answer to generateCredentials (Azure/azure-rest-api-specs#11412). lab/container_registry/scoped_tokens.py has the rest.
generateCredentials is answered with 200 at once. With a latency for the operation `generateCredentials` it becomes a
long-running operation with 202, Location and Retry-After. An update is answered at once, too. With a latency for
`updateToken` it becomes an operation with 201 and `Azure-AsyncOperation`, as a token's PUT was recorded. Left out:
creating and deleting tokens. lab/container_registry/scope_maps_provider.py has the scope maps. Not documented, so
chosen here: the answer has only the passwords that were made; an expiry in the past is refused.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, ArmRefusal, json_body, only_fields, resource_not_found
from lab.container_registry.import_provider import API_VERSIONS
from lab.container_registry.scoped_tokens import (
    PASSWORDS,
    STATUSES,
    Password,
    RegistryToken,
    RegistryTokens,
    UnknownPasswordError,
)
from lab.monitor.tables import formatted_time, parsed_time
from lab.shared import Lab

NAMESPACE = "Microsoft.ContainerRegistry"
OPERATION = "generateCredentials"
UPDATE = "updateToken"
RETRY_AFTER_SECONDS = 1
SCOPE_MAP = "vibedata-releases"


def register(arm: Arm, registry_tokens: RegistryTokens) -> None:
    """Add the registry's tokens, and make the token that the lab starts with."""
    service = _Tokens(arm, registry_tokens)
    service.deploy()

    async def reset() -> None:
        service.deploy()

    arm.lab.on_reset.append(reset)
    arm.lab.on_keep.append(registry_tokens.keep)
    one = "registries/{registry}"
    arm.provider(NAMESPACE, f"{one}/{OPERATION}", API_VERSIONS, {"POST": service.generate})
    arm.provider(NAMESPACE, f"{one}/tokens", API_VERSIONS, {"GET": service.list_tokens})
    arm.provider(NAMESPACE, f"{one}/tokens/{{token}}", API_VERSIONS, {"GET": service.get, "PATCH": service.update})
    arm.provider(
        NAMESPACE, f"{one}/tokens/{{token}}/operationStatuses/{{operation}}", API_VERSIONS, {"GET": service.operation}
    )


class _Tokens:
    """The handlers, each for one method and path."""

    def __init__(self, arm: Arm, registry_tokens: RegistryTokens) -> None:
        self._arm = arm
        self._registry_tokens = registry_tokens
        self._lab: Lab = arm.lab
        self.registry = f"{arm.home.id}/providers/{NAMESPACE}/registries/{arm.lab.names.publisher_registry}"

    def deploy(self) -> None:
        """Make the customer's token with the password that the customer's vault holds."""
        names = self._lab.names
        self._registry_tokens.deploy(names.publisher_token_username, password1=names.publisher_token_password)

    async def list_tokens(self, _request: web.Request, _names: Mapping[str, str]) -> web.Response:
        return web.json_response({"value": [self._shown(token) for token in self._registry_tokens.every()]})

    async def get(self, _request: web.Request, names: Mapping[str, str]) -> web.Response:
        return web.json_response(self._shown(self._token(names["token"])))

    async def update(self, request: web.Request, names: Mapping[str, str]) -> web.Response:
        token = self._token(names["token"])
        body = await json_body(request, {"properties"})
        fields = only_fields(body.get("properties") or {}, {"scopeMapId", "status", "credentials"}, "'properties'")
        status, scope_map = fields.get("status"), fields.get("scopeMapId")
        if status is not None and status not in STATUSES:
            raise _invalid(f"The status '{status}' is invalid; it is {' or '.join(STATUSES)}.")
        if scope_map is not None and str(scope_map).lower() != self._scope_map.lower():
            raise _invalid(f"The scope map '{scope_map}' could not be found.")
        kept = _kept(token, fields)

        def change() -> RegistryToken:
            try:
                return self._registry_tokens.update(token.name, status=status, kept=kept)
            except UnknownPasswordError as error:
                raise _invalid(f"Password '{error}' cannot be added; it is to be generated.") from error

        async def changed(seconds: float) -> None:
            await asyncio.sleep(seconds)
            change()

        seconds = self._lab.gate.operation_seconds(UPDATE, otherwise=0.0)
        if not seconds:
            return web.json_response(self._shown(change()))
        place = f"{self.registry}/tokens/{token.name}/operationStatuses"
        headers = self._arm.begin(request, changed(seconds), place, retry_after=RETRY_AFTER_SECONDS)
        shown = self._shown(token)
        shown["properties"]["provisioningState"] = "Updating"
        return web.json_response(shown, status=201, headers=headers)

    async def operation(self, request: web.Request, names: Mapping[str, str]) -> web.Response:
        return self._arm.operation_status(request, names["operation"])

    async def generate(self, request: web.Request, _names: Mapping[str, str]) -> web.Response:
        body = await json_body(request, {"tokenId", "expiry", "name"})
        name, expires = body.get("name"), _time(body.get("expiry"))
        if name is not None and name not in PASSWORDS:
            raise _invalid(f"The password name '{name}' is invalid; it is {' or '.join(PASSWORDS)}.")
        if expires is not None and expires <= self._lab.clock.now():
            raise _invalid(f"The expiry '{body['expiry']}' is in the past.")
        parent, _, token_name = str(body.get("tokenId", "")).rpartition("/")
        if parent.lower() != f"{self.registry}/tokens".lower():
            raise _invalid(f"The token id '{body.get('tokenId')}' is not one of this registry.")
        token = self._token(token_name)

        async def made(seconds: float) -> Mapping[str, Any]:
            await asyncio.sleep(seconds)
            passwords = self._registry_tokens.generate(token.name, name, expires=expires)
            return {"username": token.name, "passwords": [_password(one, with_value=True) for one in passwords]}

        seconds = self._lab.gate.operation_seconds(OPERATION, otherwise=0.0)
        if seconds:
            return self._arm.accept(request, made(seconds), retry_after=RETRY_AFTER_SECONDS)
        return web.json_response(await made(0))

    @property
    def _scope_map(self) -> str:
        return f"{self.registry}/scopeMaps/{SCOPE_MAP}"

    def _token(self, name: str) -> RegistryToken:
        token = self._registry_tokens.find(name)
        if token is None:
            path = f"{self._lab.names.publisher_registry}/{name}"
            raise resource_not_found(f"{NAMESPACE}/registries/tokens", path, self._arm.home.resource_group)
        return token

    def _shown(self, token: RegistryToken) -> dict[str, Any]:
        """Return a token as ARM shows it: when its passwords were made and expire, but never their values."""
        return {
            "id": f"{self.registry}/tokens/{token.name}",
            "name": token.name,
            "type": f"{NAMESPACE}/registries/tokens",
            "properties": {
                "creationDate": _text(token.created),
                "provisioningState": "Succeeded",
                "scopeMapId": self._scope_map,
                "status": token.status,
                "credentials": {"passwords": [_password(one) for _, one in sorted(token.passwords.items())]},
            },
        }


def _password(password: Password, *, with_value: bool = False) -> dict[str, Any]:
    shown = {"creationTime": _text(password.created), "name": password.name}
    if password.expires is not None:
        shown["expiry"] = _text(password.expires)
    return {**shown, "value": password.value} if with_value else shown


def _kept(token: RegistryToken, fields: Mapping[str, Any]) -> dict[str, float | None] | None:
    """Return the passwords that an update keeps, with their expiries; None if the update does not name passwords."""
    if fields.get("credentials") is None:
        return None
    credentials = only_fields(fields["credentials"], {"passwords", "certificates"}, "'credentials'")
    if credentials.get("certificates"):
        raise _invalid("Certificates are not supported.")
    if credentials.get("passwords") is None:
        return None
    if not isinstance(credentials["passwords"], list):
        raise _invalid("The passwords are not a list.")
    kept: dict[str, float | None] = {}
    for one in credentials["passwords"]:
        # A client may send back every field that it has read. Only name and expiry have an effect.
        password = only_fields(one, {"name", "expiry", "creationTime"}, "'passwords'")
        name, now = password.get("name"), token.passwords.get(str(password.get("name")))
        if name not in PASSWORDS or name in kept:
            raise _invalid(f"The password name '{name}' is invalid; it is {' or '.join(PASSWORDS)}, each once.")
        told = _time(password.get("expiry"))
        kept[str(name)] = now.expires if told is None and now is not None else told
    return kept


def _time(value: object) -> float | None:
    if value is None:
        return None
    found = parsed_time(value) if isinstance(value, str) else None
    if found is None:
        raise _invalid(f"The expiry '{value}' is not a time.")
    return found.timestamp()


def _text(at: float) -> str:
    return formatted_time(datetime.fromtimestamp(at, timezone.utc))


def _invalid(message: str) -> ArmRefusal:
    return ArmRefusal(400, "InvalidParameters", message)
