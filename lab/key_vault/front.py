"""Key Vault: the customer's vault and the publisher's, as azure-keyvault-secrets and azure-keyvault-keys ask for them.

Faithful: the challenge (a request without token gets 401 and where to get one), audiences, api-versions; unknown fields
and parameters refused; secrets and keys as lab/key_vault/secrets_api.py and lab/key_vault/keys_api.py say; each vault
refuses who is of the other side (lab/entra/access.py). Left out: certificates, roles and access policies (a 403 is had
by a fault), throttling, and the seconds that deleting and recovering take in Azure: here they are done at once, unless
readers are made to lag.

The control API, for either vault (`service` is "key_vault" or "publisher_key_vault"):

    POST /vaults    {"service", "purge_protection"}: purging is refused from now on, or allowed again (as in no Azure)
    POST /latency   {"operation": "vaultVisibility", "seconds", "service"}: for so many seconds after a write, reads
                    that name no version (get, list, versions, deleted) show the state before; without `service`, of
                    both vaults. By the lab's clock, so that moving it ends the wait

The challenge's resource. The official clients check that the vault's host lies below the domain of the resource that
the challenge names, as `x.vault.azure.net` lies below `vault.azure.net`, and compare host and port as text. The lab's
vault is at `127.0.0.1:PORT` and names `https://0.0.1:PORT`: the check stays on and passes, and the identity endpoint
issues tokens for that audience, which the other vault refuses. Tokens for `https://vault.azure.net` are taken too.

Sources: learn rest/api/keyvault, key-vault/general/authentication-requests-and-responses; the client's
`_shared/challenge_auth_policy.py`; messages as recorded by the SDKs' tests.
"""

import json
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from aiohttp import web

from lab.authorization.requests import of_vault
from lab.entra.access import admitted
from lab.front import answers
from lab.front.faults import InvalidFaultError
from lab.key_vault import wire
from lab.key_vault.keys import Keys
from lab.key_vault.keys_api import KeyHandlers
from lab.key_vault.objects import Attributes, VaultOptions, VaultRefusedError
from lab.key_vault.secrets import Secrets, SecretValue
from lab.key_vault.secrets_api import SecretHandlers
from lab.publisher.signing_material import KEY_NAME
from lab.shared import KEY_VAULT_AUDIENCES, KEY_VAULTS, Lab
from lab.tokens import TokenRefused

PUBLISHER_TOKEN_SECRET = "publisher-acr-token"  # noqa: S105 - a name
VISIBILITY = "vaultVisibility"

Handler = Callable[[web.Request], Awaitable[web.Response]]


def routes(lab: Lab, *, service: str) -> web.Application:
    """Return the app of one vault, a key of Lab.urls."""
    vault = _Vault(lab, service)
    vault.deploy()

    async def reset() -> None:
        vault.deploy()

    lab.on_reset.append(reset)
    application = web.Application()
    application.router.add_routes(vault.routes())
    return application


class _Vault:
    """One vault: its objects, who may, and how it starts."""

    def __init__(self, lab: Lab, service: str) -> None:
        self._lab = lab
        self._service = service
        self._options = VaultOptions()
        lag = partial(lab.gate.operation_seconds, VISIBILITY, service=service, otherwise=0.0)
        self._secrets = Secrets(kind="secret", now=lab.clock.now, lag=lag, options=self._options)
        self._keys = Keys(kind="key", now=lab.clock.now, lag=lag, options=self._options)
        lab.vault_options[service] = self._options
        lab.controls["POST", "/vaults"] = partial(_set_options, lab)

    def deploy(self) -> None:
        """Start anew: the customer's with what onboarding leaves, a token; the publisher's with its signing key."""
        self._options.purge_protection = False
        self._secrets.clear()
        self._keys.clear()
        if self._service == "key_vault":
            names = self._lab.names
            value = {"username": names.publisher_token_username, "password": names.publisher_token_password}
            content = SecretValue(value=json.dumps(value), content_type="application/json")
            self._secrets.set(PUBLISHER_TOKEN_SECRET, content, tags={}, attributes=Attributes())
        else:
            material = self._lab.signing
            self._keys.add(KEY_NAME, material.key, tags={}, attributes=Attributes(), version_id=material.version)

    def routes(self) -> list[web.RouteDef]:
        """Return the methods and paths."""
        vault = self._lab.urls[self._service]
        secrets = SecretHandlers(secrets=self._secrets, options=self._options, vault=vault)
        keys = KeyHandlers(keys=self._keys, options=self._options, vault=vault)
        return [
            web.route(method, path, self._checked(handler, parameters))
            for method, path, handler, parameters in (*secrets.routes(), *keys.routes())
        ]

    def _checked(self, handler: Handler, parameters: Collection[str]) -> Handler:
        async def checked(request: web.Request) -> web.Response:
            refused = self._unauthorized(request)
            if refused is not None:
                return refused
            try:
                wire.check_query(request, parameters)
                return await handler(request)
            except VaultRefusedError as error:
                return wire.refusal(error)

        return checked

    def _unauthorized(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return self._challenge("AKV10000: Request is missing a Bearer or PoP token.")
        resource = self._lab.vault_resource(self._service)
        try:
            claims = self._lab.tokens.verify(token.strip(), (resource, *KEY_VAULT_AUDIENCES))
        except TokenRefused as refused:
            if "audience" in refused.reason:
                return self._challenge(f"AKV10022: Invalid audience. Expected {resource}. {refused.reason}")
            return self._challenge(f"[BearerReadAccessTokenFailed] Error validating token: {refused.reason}")
        publishers, names = self._service == "publisher_key_vault", self._lab.names
        scope = f"{names.resource_group_id}/providers/Microsoft.KeyVault/vaults/{names.key_vault}"
        action = of_vault(request.method, request.path, scope)
        known = admitted(self._lab, claims, publishers=publishers)
        if not known or (not publishers and not self._lab.authorization.permits(claims, action)):
            message = "Caller is not authorized to perform action on resource."
            return wire.refusal(VaultRefusedError(403, "Forbidden", message, "ForbiddenByRbac"))
        return None

    def _challenge(self, message: str) -> web.Response:
        tenant = f"{self._lab.urls['entra']}/{self._lab.names.tenant_id}"
        challenge = f'Bearer authorization="{tenant}", resource="{self._lab.vault_resource(self._service)}"'
        return answers.vault_error(401, "Unauthorized", message, {"WWW-Authenticate": challenge})


async def _set_options(lab: Lab, body: object) -> object:
    """Answer POST /vaults of the control API."""
    fields = {"service", "purge_protection"}
    if not isinstance(body, dict) or set(body) != fields or body["service"] not in KEY_VAULTS:
        raise InvalidFaultError(f"a vault's options are {', '.join(sorted(fields))}; service is one of {KEY_VAULTS}")
    if not isinstance(body["purge_protection"], bool):
        raise InvalidFaultError("purge_protection is true or false")
    lab.vault_options[body["service"]].purge_protection = body["purge_protection"]
    return body
