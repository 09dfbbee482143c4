"""The Automation sandbox's managed identity endpoint, plain http on loopback as in the sandbox.

`GET` with a query or `POST` with a form: `resource`, `client_id`, optional `api-version`, and the secret in
`X-IDENTITY-HEADER` (learn automation/add-user-assigned-identity; the App Service 2019-08-01 answer, which MSAL reads).
Only `client_id` selects an identity. Other selectors are undocumented in Azure and refused here. A request without a
selector is refused, too, because the account has no system-assigned identity. Each caller has its own secret. A job
gets the customer's identity, the publisher's callback API gets the publisher's, and the engineer gets both
(lab/entra/access.py).
"""

from aiohttp import web

from lab.front import answers
from lab.shared import Lab
from lab.tokens import MANAGED_IDENTITY_LIFETIME_SECONDS, SANDBOX_CLAIM

PATH = "/oauth2/token"
API_VERSION = "2019-08-01"
PARAMETERS = {"resource", "client_id", "api-version"}


def routes(lab: Lab) -> web.Application:
    """Return the app behind IDENTITY_ENDPOINT."""
    # Azure caches a managed identity's token, so the next request gets the same token. Here this holds for half of the
    # token's lifetime.
    issued: dict[tuple[str, str, bool], tuple[float, str]] = {}

    async def forget() -> None:
        issued.clear()

    async def token(request: web.Request) -> web.Response:
        sent = dict(request.query)
        if request.method == "POST":
            sent.update((name, str(value)) for name, value in (await request.post()).items())
        header = request.headers.get("X-IDENTITY-HEADER", "")
        refused = _refused(lab, header, sent)
        if refused is not None:
            return refused
        resource, client_id = sent["resource"], sent["client_id"]
        in_sandbox = lab.identity_headers.get(header) is not None
        expires, value = issued.get((resource, client_id, in_sandbox), (0.0, ""))
        now = lab.clock.now()
        if not now + MANAGED_IDENTITY_LIFETIME_SECONDS / 2 < expires <= now + MANAGED_IDENTITY_LIFETIME_SECONDS:
            expires = float(int(now) + MANAGED_IDENTITY_LIFETIME_SECONDS)
            claims: dict[str, object] = {SANDBOX_CLAIM: True} if in_sandbox else {}
            if client_id == lab.names.uami_client_id:
                claims["xms_mirid"] = lab.names.uami_id
            value = lab.tokens.issue(
                resource,
                _identities(lab)[client_id],
                MANAGED_IDENTITY_LIFETIME_SECONDS,
                appid=client_id,
                idtyp="app",
                **claims,
            )
            issued[resource, client_id, in_sandbox] = expires, value
        return web.json_response(
            {
                "access_token": value,
                "client_id": client_id,
                "expires_on": str(int(expires)),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    lab.on_reset.append(forget)
    application = web.Application()
    application.router.add_get(PATH, token)
    application.router.add_post(PATH, token)
    return application


def _identities(lab: Lab) -> dict[str, str]:
    """Return the principal of each client id."""
    names = lab.names
    return {
        names.uami_client_id: names.uami_principal_id,
        names.publisher_client_id: names.publisher_principal_id,
    }


def _identities_of(lab: Lab, header: str) -> tuple[str, ...] | None:
    """Return the client ids that the sender of `header` may use; None if the sender is unknown."""
    if header == lab.publisher_identity_header:
        return (lab.names.publisher_client_id,)
    if header not in lab.identity_headers:
        return None
    return (lab.names.uami_client_id,) if lab.identity_headers[header] is not None else tuple(_identities(lab))


def _refused(lab: Lab, header: str, sent: dict[str, str]) -> web.Response | None:
    """Return the error for a request that gets no token."""
    held = _identities_of(lab, header)
    if held is None:
        return answers.identity_error(401, "Unauthorized", "X-IDENTITY-HEADER is missing or not that of this sandbox.")
    unknown = sorted(set(sent) - PARAMETERS)
    if unknown:
        return _bad(f"Unsupported parameters: {', '.join(unknown)}. An identity is selected by client_id.")
    if sent.get("api-version", API_VERSION) != API_VERSION:
        return _bad(f"Unsupported api-version '{sent['api-version']}'; supported is {API_VERSION}.")
    if sent.get("resource", "").rstrip("/") not in lab.audiences:
        return _bad(f"The resource principal named '{sent.get('resource', '')}' was not found in the tenant.")
    if sent.get("client_id") not in held:
        return _bad(f"No managed identity was found for client_id '{sent.get('client_id', '')}'.")
    return None


def _bad(message: str) -> web.Response:
    return answers.identity_error(400, "BadRequest", message)
