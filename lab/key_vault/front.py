"""Key Vault: the customer's vault and the publisher's, as azure-keyvault-secrets, -keys and -certificates ask for them.

Faithful: the challenge (a request without token gets 401 and the address that issues tokens), audiences, api-versions;
unknown fields and parameters refused; secrets, keys and certificates as secrets_api.py, keys_api.py and
certificates_api.py of lab/key_vault say; each vault refuses the other side's callers (lab/entra/access.py). Left out:
access policies, throttling, and the seconds that deleting and recovering take in Azure. Here they are done at once,
unless a latency makes readers lag.

The control API, for either vault (`service` is "key_vault" or "publisher_key_vault"):

    POST /vaults    {"service", "purge_protection"}: purging is refused from now on, or allowed again (Azure cannot
                    allow it again)
    POST /latency   {"operation": "vaultVisibility", "seconds", "service"}: for so many seconds after a write, reads
                    that name no version (get, list, versions, deleted) show the state before; without `service`, this
                    holds for both vaults. The seconds pass by the lab's clock, so that moving it ends the wait

The challenge's resource. The official clients check that the vault's host lies below the domain of the resource that
the challenge names, as `x.vault.azure.net` lies below `vault.azure.net`, and compare host and port as text. The lab's
vault is at `127.0.0.1:PORT` and names `https://0.0.1:PORT`: the check stays on and passes, and the identity endpoint
issues tokens for that audience, which the other vault refuses. Tokens for `https://vault.azure.net` are taken too.

Sources: learn rest/api/keyvault, key-vault/general/authentication-requests-and-responses; the client's
`_shared/challenge_auth_policy.py`; messages as recorded by the SDKs' tests.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial

from aiohttp import web

from lab import snapshots
from lab.authorization.requests import of_vault
from lab.entra.access import admitted
from lab.front import answers
from lab.front.faults import InvalidFaultError
from lab.key_vault import wire
from lab.key_vault.certificates import Certificates
from lab.key_vault.certificates_api import CertificateHandlers
from lab.key_vault.keys import Keys
from lab.key_vault.keys_api import KeyHandlers
from lab.key_vault.objects import VaultOptions, VaultRefusedError
from lab.key_vault.secrets import Secrets
from lab.key_vault.secrets_api import SecretHandlers
from lab.shared import Keep, Lab
from lab.tokens import TokenRefused

KEY_VAULT_AUDIENCES = ("https://vault.azure.net",)
VISIBILITY = "vaultVisibility"

Handler = Callable[[web.Request], Awaitable[web.Response]]
# A function that puts into an empty vault what the vault starts with.
Start = Callable[[Secrets, Keys], None]


def routes(lab: Lab, *, site: str, options: VaultOptions, start: Start, publishers: bool) -> web.Application:
    """Return the app of one vault, at a key of Lab.urls.

    `start` puts in what the vault starts with. publishers: whether it is the publisher's vault.
    """
    vault = _Vault(lab, site, options, start, publishers=publishers)
    vault.deploy()

    async def reset() -> None:
        vault.deploy()

    lab.on_reset.append(reset)
    lab.on_keep += vault.kept()
    application = web.Application()
    application.router.add_routes(vault.routes())
    return application


class _Vault:
    """One vault: its objects, the check of its callers, and how it starts."""

    def __init__(self, lab: Lab, site: str, options: VaultOptions, start: Start, *, publishers: bool) -> None:
        self._lab = lab
        self._site = site
        self._options = options
        self._start = start
        self._publishers = publishers
        lag = partial(lab.gate.operation_seconds, VISIBILITY, service=site, otherwise=0.0)
        self._secrets = Secrets(kind="secret", now=lab.clock.now, lag=lag, options=self._options)
        self._keys = Keys(kind="key", now=lab.clock.now, lag=lag, options=self._options)
        self._certificates = Certificates(
            now=lab.clock.now, lag=lag, options=self._options, secrets=self._secrets, keys=self._keys
        )

    def deploy(self) -> None:
        """Empty the vault, and put in what it starts with."""
        self._options.purge_protection = False
        self._secrets.clear()
        self._keys.clear()
        self._certificates.clear()
        self._start(self._secrets, self._keys)

    def kept(self) -> list[Keep]:
        """Return the functions that keep the vault's state."""
        options = snapshots.of_attributes(self._options, "purge_protection")
        return [self._secrets.keep, self._keys.keep, self._certificates.keep, options]

    def routes(self) -> list[web.RouteDef]:
        """Return the methods and paths."""
        vault = self._lab.urls[self._site]
        secrets = SecretHandlers(secrets=self._secrets, options=self._options, vault=vault)
        keys = KeyHandlers(keys=self._keys, options=self._options, vault=vault)
        certificates = CertificateHandlers(certificates=self._certificates, options=self._options, vault=vault)
        return [
            web.route(method, path, self._checked(handler, parameters))
            for method, path, handler, parameters in (*secrets.routes(), *keys.routes(), *certificates.routes())
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
        resource = resource_of(self._lab, self._site)
        try:
            claims = self._lab.tokens.verify(token.strip(), (resource, *KEY_VAULT_AUDIENCES))
        except TokenRefused as refused:
            if "audience" in refused.reason:
                return self._challenge(f"AKV10022: Invalid audience. Expected {resource}. {refused.reason}")
            return self._challenge(f"[BearerReadAccessTokenFailed] Error validating token: {refused.reason}")
        names = self._lab.names
        scope = f"{names.resource_group_id}/providers/Microsoft.KeyVault/vaults/{names.key_vault}"
        action = of_vault(request.method, request.path, scope)
        known = admitted(self._lab, claims, publishers=self._publishers)
        if not known or (not self._publishers and not self._lab.authorization.permits(claims, action)):
            message = "Caller is not authorized to perform action on resource."
            return wire.refusal(VaultRefusedError(403, "Forbidden", message, "ForbiddenByRbac"))
        return None

    def _challenge(self, message: str) -> web.Response:
        tenant = f"{self._lab.urls['entra']}/{self._lab.names.tenant_id}"
        challenge = f'Bearer authorization="{tenant}", resource="{resource_of(self._lab, self._site)}"'
        return answers.vault_error(401, "Unauthorized", message, {"WWW-Authenticate": challenge})


def resource_of(lab: Lab, site: str) -> str:
    """Return the resource that a vault names in its challenge; the module's docstring says why."""
    return "https://" + lab.host(site).partition(".")[2]


def control(options: Mapping[str, VaultOptions]) -> Callable[[object], Awaitable[object]]:
    """Return the function that answers POST /vaults of the control API. options: by site."""

    async def change(body: object) -> object:
        fields = {"service", "purge_protection"}
        if not isinstance(body, dict) or set(body) != fields or body["service"] not in options:
            known = tuple(options)
            raise InvalidFaultError(f"a vault's options are {', '.join(sorted(fields))}; service is one of {known}")
        if not isinstance(body["purge_protection"], bool):
            raise InvalidFaultError("purge_protection is true or false")
        options[body["service"]].purge_protection = body["purge_protection"]
        return body

    return change
