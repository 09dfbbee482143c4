"""Entra ID for the lab's one tenant: discovery, signing keys, and tokens for the publisher's operator.

Discovery and the signing keys are answered for `organizations` and `common` too. These names stand for the tenant that
a user belongs to; clients use them before they know it (azure-cli at `az logout`). The issuer is then the pattern
`{tenantid}`, as in Entra. Tokens come only from the tenant itself, because an application that signs in as itself
cannot use the two names (AADSTS50194). The only grant is client credentials with a secret in the form body, as the SDKs
send it. The codes are those of the AADSTS error reference (learn reference-error-codes). Unknown form fields are
ignored, as Entra does (MSAL adds telemetry).
"""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from lab.front import answers
from lab.shared import Lab
from lab.tokens import APPLICATION_LIFETIME_SECONDS

DEFAULT_SCOPE = "/.default"
ANY_TENANT = ("organizations", "common")


def routes(lab: Lab) -> web.Application:
    """Return the app that serves `login.microsoftonline.com`."""
    application = web.Application()
    application.router.add_get(
        "/{tenant}/v2.0/.well-known/openid-configuration", _of_tenant(lab, _configuration, any_tenant=True)
    )
    application.router.add_get("/{tenant}/discovery/v2.0/keys", _of_tenant(lab, _keys, any_tenant=True))
    application.router.add_post("/{tenant}/oauth2/v2.0/token", _of_tenant(lab, _token))
    return application


Answer = Callable[[Lab, web.Request], Awaitable[web.Response]]


def _of_tenant(
    lab: Lab, answer: Answer, *, any_tenant: bool = False
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def checked(request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        if tenant in ANY_TENANT and not any_tenant:
            message = f"AADSTS50194: '{tenant}' is no tenant that an application can sign in to as itself."
            return answers.entra_error(400, "unauthorized_client", message)
        if tenant != lab.names.tenant_id and tenant not in ANY_TENANT:
            return answers.entra_error(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
        return await answer(lab, request)

    return checked


async def _configuration(lab: Lab, request: web.Request) -> web.Response:
    tenant = request.match_info["tenant"]
    base = f"{lab.urls['entra']}/{tenant}"
    issuer = "{tenantid}" if tenant in ANY_TENANT else tenant
    return web.json_response(
        {
            "issuer": f"{lab.urls['entra']}/{issuer}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_types_supported": ["token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
    )


async def _keys(lab: Lab, _request: web.Request) -> web.Response:
    return web.json_response(lab.tokens.keys())


async def _token(lab: Lab, request: web.Request) -> web.Response:
    form = {name: str(value) for name, value in (await request.post()).items()}
    refused = _client_refused(lab, form) or _scope_refused(lab, form)
    if refused is not None:
        return refused
    token = lab.tokens.issue(
        form["scope"].removesuffix(DEFAULT_SCOPE),
        lab.names.operator_principal_id,
        APPLICATION_LIFETIME_SECONDS,
        appid=lab.names.operator_client_id,
        idtyp="app",
    )
    lifetime = APPLICATION_LIFETIME_SECONDS
    return web.json_response(
        {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}
    )


def _client_refused(lab: Lab, form: Mapping[str, str]) -> web.Response | None:
    """Return the error for a request that is incomplete, or whose client is not the operator."""
    missing = next((name for name in ("grant_type", "client_id", "scope") if not form.get(name)), None)
    if missing is not None:
        message = f"AADSTS900144: The request body must contain the following parameter: '{missing}'."
        return answers.entra_error(400, "invalid_request", message)
    if form["grant_type"] != "client_credentials":
        message = f"AADSTS70003: The app requested an unsupported grant type '{form['grant_type']}'."
        return answers.entra_error(400, "unsupported_grant_type", message)
    if form["client_id"] != lab.names.operator_client_id:
        message = f"AADSTS700016: Application with identifier '{form['client_id']}' was not found in the directory."
        return answers.entra_error(400, "unauthorized_client", message)
    if form.get("client_secret") != lab.names.operator_client_secret:
        return answers.entra_error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
    return None


def _scope_refused(lab: Lab, form: Mapping[str, str]) -> web.Response | None:
    """Return the error for a scope other than `/.default` of one known resource."""
    if not form["scope"].endswith(DEFAULT_SCOPE) or " " in form["scope"]:
        message = f"AADSTS1002012: The provided value for scope {form['scope']} is not valid; it ends in /.default."
        return answers.entra_error(400, "invalid_scope", message)
    resource = form["scope"].removesuffix(DEFAULT_SCOPE)
    if resource.rstrip("/") not in lab.audiences:
        message = f"AADSTS500011: The resource principal named {resource} was not found in the tenant."
        return answers.entra_error(400, "invalid_resource", message)
    return None
