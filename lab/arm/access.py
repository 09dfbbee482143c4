"""What all requests to ARM have in common, below a subscription or not: path, token, and the form of the answer."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from lab.arm.requests import ArmRefusal
from lab.authorization.state import Action
from lab.shared import Lab
from lab.tokens import TokenRefused

ARM_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")


def split_path(request: web.Request) -> list[str]:
    """Return a path's decoded segments. A name may hold an encoded slash. Empty segments are left out."""
    return [unquote(segment) for segment in request.rel_url.raw_path.split("/") if segment]


async def answered(
    request: web.Request, serve: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Return the answer or the refusal of `serve`, with the ids that every answer of ARM has."""
    try:
        answer = await serve(request)
    except ArmRefusal as refusal:
        answer = refusal.answer()
    answer.headers.setdefault("x-ms-request-id", str(uuid.uuid4()))
    answer.headers["x-ms-correlation-request-id"] = request.headers.get(
        "x-ms-correlation-request-id", answer.headers["x-ms-request-id"]
    )
    return answer


def caller(lab: Lab, request: web.Request) -> dict[str, Any]:
    """Return the claims of the request's token; ArmRefusal 401 if the request has no token that ARM accepts."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    challenge = (
        f'Bearer authorization_uri="{lab.urls["entra"]}/{lab.names.tenant_id}", error="invalid_token", '
        'error_description="{0}"'
    )
    if scheme.lower() != "bearer" or not token:
        message = "Authentication failed. The 'Authorization' header is missing or is not a bearer token."
        headers = {"WWW-Authenticate": challenge.format("The authentication failed because of missing token.")}
        raise ArmRefusal(401, "AuthenticationFailed", message, headers)
    try:
        return lab.tokens.verify(token.strip(), ARM_AUDIENCES)
    except TokenRefused as refused:
        code = "ExpiredAuthenticationToken" if "expired" in refused.reason else "InvalidAuthenticationToken"
        if "audience" in refused.reason:
            code = "InvalidAuthenticationTokenAudience"
        headers = {"WWW-Authenticate": challenge.format(refused.reason.replace('"', "'"))}
        raise ArmRefusal(401, code, refused.reason, headers) from refused


def require_right(lab: Lab, request: web.Request, action: Action) -> None:
    """Raise ArmRefusal 403 unless the caller may do what the request asks for.

    Source: the messages as users quote them (Azure/azure-cli#21156, microsoft/metered-billing-accelerator#220).
    """
    claims = caller(lab, request)
    principal = str(claims["oid"])
    client = f"The client '{principal}' with object id '{principal}'"
    denial = lab.authorization.denial(claims, action)
    if denial is not None:
        message = (
            f"{client} has permission to perform action '{action.name}' on scope '{action.scope}'; however, the access"
            f" is denied because of the deny assignment with name '{denial.name}' and Id"
            f" '{denial.id.rpartition('/')[2]}' at scope '{denial.scope}'."
        )
        raise ArmRefusal(403, "DenyAssignmentAuthorizationFailed", message)
    if not lab.authorization.allows(claims, action):
        message = (
            f"{client} does not have authorization to perform action '{action.name}' over scope '{action.scope}' or"
            " the scope is invalid. If access was recently granted, please refresh your credentials."
        )
        raise ArmRefusal(403, "AuthorizationFailed", message)
