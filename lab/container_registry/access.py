"""Who may do what in a container registry: ACR's challenge, token exchange, access tokens and Basic authentication.

Faithful: `POST /oauth2/exchange` (it takes an Entra token and gives a refresh token of 3 h), `POST /oauth2/token`
(grants refresh_token and password), `GET /oauth2/token` with Basic (a user, a repository-scoped token, or the null GUID
with a refresh token), several `scope` parameters; Basic on the API itself; the service is the login server; both of
Entra's audiences, as with `azureADAuthenticationAsArmPolicy` enabled; a missing scope is a 401 with
error="insufficient_scope".
A login accepts the passwords that a token has at that moment (lab/container_registry/scoped_tokens.py). An access token
stays valid after the password that it was requested with is gone. Left out: anonymous pull, the admin user, ABAC.
Sources:
Azure/acr docs/AAD-OAuth.md, Docker Registry v2 authentication, argoproj-labs/argocd-image-updater#473.
"""

import base64
import binascii
import hmac
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from lab.arm.access import ARM_AUDIENCES
from lab.authorization.state import Action
from lab.container_registry import scopes
from lab.container_registry.scoped_tokens import RegistryTokens
from lab.container_registry.scopes import Rights, Scope, ScopeRefused
from lab.front import answers
from lab.names import Names
from lab.shared import Lab
from lab.tokens import TokenRefused

CONTAINER_REGISTRY_AUDIENCES = ("https://containerregistry.azure.net",)
NULL_USER = "00000000-0000-0000-0000-000000000000"
REFRESH_TOKEN_SECONDS = 3 * 3600
ACCESS_TOKEN_SECONDS = 75 * 60
REGISTRIES = "Microsoft.ContainerRegistry/registries"
UNAUTHORIZED = "authentication required, visit https://aka.ms/acr/authorization for more information."


class AccessRefused(Exception):  # noqa: N818 - an answer to the client, not a fault of the lab
    """A request is refused with `answer`."""

    def __init__(self, answer: web.Response) -> None:
        """Keep the answer."""
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Principals:
    """The callers of a container registry: users with passwords, Entra's object ids, and repository-scoped tokens."""

    users: Mapping[str, tuple[str, Rights]]
    objects: Mapping[str, Rights]
    tokens: Mapping[str, Rights] = field(default_factory=dict)

    def rights(self, subject: str) -> Rights:
        """Return the rights of a user, a token or an object id."""
        if subject in self.users:
            return self.users[subject][1]
        return self.tokens[subject] if subject in self.tokens else self.objects[subject]


def principals(names: Names, service: str, repositories: Mapping[str, frozenset[str]]) -> Principals:
    """Return the callers that are known. The publisher's container registry does not know the customer's identities.

    They belong to another tenant. repositories: what the scope map allows the customer's token. It follows the map.
    """
    everything = scopes.EVERYTHING
    if service == "customer_registry":
        user = {names.customer_registry_username: (names.customer_registry_password, everything)}
        return Principals(user, {names.uami_principal_id: everything, names.operator_principal_id: everything})
    # This is the customer's token. Its scope map gives no right on the catalog.
    reader = Rights(repositories=repositories)
    return Principals(
        {names.publisher_registry_username: (names.publisher_registry_password, everything)},
        {names.operator_principal_id: everything},
        {names.publisher_token_username: reader},
    )


class ContainerRegistryTokens:
    """The token endpoints of one container registry, and the check of every other request."""

    def __init__(self, *, lab: Lab, service: str, registry_tokens: RegistryTokens) -> None:
        """Serve the container registry `service`, a key of Lab.urls. `registry_tokens` has the tokens' passwords."""
        self._lab = lab
        self._service = service
        self._tokens = lab.tokens
        self._registry_tokens = registry_tokens
        self._principals = principals(lab.names, service, registry_tokens.repositories)
        self._host = lab.host(service)
        self._realm = f"{lab.urls[service]}/oauth2/token"

    def require(self, request: web.Request, needed: Scope | None) -> None:
        """Let the request pass if it may do what is `needed` (None: any known caller may); AccessRefused with 401."""
        if not self.allows(request, needed):
            raise AccessRefused(self._challenge(needed, "insufficient_scope"))

    def allows(self, request: web.Request, needed: Scope | None) -> bool:
        """Tell whether the request may do what is `needed`; AccessRefused with 401 if its caller is unknown."""
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            if kind.lower() == "basic":
                held = scopes.granted(self._principals.rights(self._basic(value)), [needed] if needed else [])
            elif kind.lower() == "bearer":
                held = self._held(value.strip())
            else:
                raise AccessRefused(self._challenge(needed, None))
        except TokenRefused as refused:
            raise AccessRefused(self._challenge(needed, "invalid_token")) from refused
        return needed is None or scopes.covers(held, needed)

    def _held(self, token: str) -> list[Scope]:
        access = self._claims(token, "access_token").get("access", [])
        return [Scope(one["type"], one["name"], frozenset(one["actions"])) for one in access]

    def _challenge(self, needed: Scope | None, error: str | None) -> web.Response:
        parts = {"realm": self._realm, "service": self._host}
        detail = None
        if needed is not None:
            parts["scope"] = str(needed)
            actions = str(needed).rpartition(":")[2].split(",")
            detail = [{"Type": needed.kind, "Name": needed.name, "Action": action} for action in actions]
        if error is not None:
            parts["error"] = error
        header = "Bearer " + ",".join(f'{name}="{value}"' for name, value in parts.items())
        return answers.registry_error(401, "UNAUTHORIZED", UNAUTHORIZED, {"WWW-Authenticate": header}, detail)

    async def exchange(self, request: web.Request) -> web.Response:
        """Answer `POST /oauth2/exchange`."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form.get("grant_type") != "access_token":
            raise _bad(f"grant_type '{form.get('grant_type', '')}' is not supported; it takes access_token")
        self._require_service(form.get("service", ""))
        try:
            audiences = (*CONTAINER_REGISTRY_AUDIENCES, *ARM_AUDIENCES)
            claims = self._tokens.verify(form.get("access_token", ""), audiences)
        except TokenRefused as refused:
            raise _unauthorized(refused.reason) from refused
        subject = str(claims["oid"])
        if subject not in self._principals.objects or not self._permits(claims):
            raise _unauthorized(f"Access to registry '{self._host}' was denied: no role is assigned to '{subject}'.")
        return web.json_response({"refresh_token": self._refresh_token(subject)})

    def _permits(self, claims: Mapping[str, object]) -> bool:
        """Tell whether a caller's roles let it read the customer's container registry."""
        names = self._lab.names
        scope = f"{names.resource_group_id}/providers/{REGISTRIES}/{names.customer_registry}"
        reads = Action(name=f"{REGISTRIES}/repositories/content/read", scope=scope, is_data=True)
        return self._service != "customer_registry" or self._lab.authorization.permits(claims, reads)

    async def token_for_form(self, request: web.Request) -> web.Response:
        """Answer `POST /oauth2/token`."""
        form = await request.post()
        grant = str(form.get("grant_type", ""))
        self._require_service(str(form.get("service", "")))
        if grant == "refresh_token":
            try:
                subject = str(self._claims(str(form.get("refresh_token", "")), "refresh_token")["sub"])
            except TokenRefused as refused:
                raise _unauthorized(refused.reason) from refused
        elif grant == "password":
            subject = self._login(str(form.get("username", "")), str(form.get("password", "")))
        else:
            raise _bad(f"grant_type '{grant}' is not supported; it takes refresh_token or password")
        return self._granted(subject, [str(value) for value in form.getall("scope", [])])

    async def token_for_basic(self, request: web.Request) -> web.Response:
        """Answer `GET /oauth2/token`."""
        self._require_service(request.query.get("service", ""))
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            raise _unauthorized(UNAUTHORIZED)
        try:
            subject = self._basic(value)
        except TokenRefused as refused:
            raise _unauthorized(refused.reason) from refused
        return self._granted(subject, request.query.getall("scope", []))

    def _granted(self, subject: str, asked: Iterable[str]) -> web.Response:
        try:
            granted = scopes.granted(self._principals.rights(subject), scopes.parse(asked))
        except ScopeRefused as refused:
            raise _bad(str(refused)) from refused
        access = [{"type": one.kind, "name": one.name, "actions": sorted(one.actions)} for one in granted]
        token = self._issue(subject, ACCESS_TOKEN_SECONDS, grant_type="access_token", access=access)
        return web.json_response({"access_token": token})

    def _refresh_token(self, subject: str) -> str:
        return self._issue(subject, REFRESH_TOKEN_SECONDS, grant_type="refresh_token")

    def _issue(self, subject: str, lifetime_seconds: float, **claims: object) -> str:
        return self._tokens.issue(self._host, subject, lifetime_seconds, jti=str(uuid.uuid4()), **claims)

    def _claims(self, token: str, grant_type: str) -> dict[str, Any]:
        """Return the claims of a token that this container registry issued; TokenRefused if it is not valid."""
        claims = self._tokens.verify(token, (self._host,))
        if claims.get("grant_type") != grant_type:
            raise TokenRefused(f"The token is not a {grant_type}.")
        return claims

    def _basic(self, value: str) -> str:
        """Return the caller of Basic credentials; AccessRefused or TokenRefused if they are not valid."""
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise TokenRefused("The Basic credentials are malformed.") from error
        if user == NULL_USER:
            return str(self._claims(password, "refresh_token")["sub"])
        return self._login(user, password)

    def _login(self, user: str, password: str) -> str:
        if user in self._principals.tokens:
            let_in = self._registry_tokens.lets_in(user, password)
        else:
            known, _ = self._principals.users.get(user, ("", None))
            let_in = bool(known) and hmac.compare_digest(known.encode(), password.encode())
        if not let_in:
            raise _unauthorized("Invalid clientid or client secret.")
        return user

    def _require_service(self, service: str) -> None:
        if service != self._host:
            raise _bad(f"service '{service}' is not this registry; it takes {self._host}")


def _unauthorized(message: str) -> AccessRefused:
    return AccessRefused(answers.registry_error(401, "UNAUTHORIZED", message))


def _bad(message: str) -> AccessRefused:
    return AccessRefused(answers.registry_error(400, "BAD_REQUEST", message))
