"""Error answers in the shape that each Azure service uses.

`refusal` picks the shape by the service's name; a stand-in calls its own function and names its own code.
Sources: the services' REST references ("status and error codes") and what the SDKs' deserializers read.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape

from aiohttp import web

Headers = Mapping[str, str]
Shape = Callable[[int, str, str, Headers | None], web.Response]

# What a service says when nothing more specific is known, e.g. for an injected fault.
GENERIC_CODES = {
    400: "BadRequest",
    401: "AuthenticationFailed",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
    507: "InsufficientStorage",
}
STORAGE_CODES = {
    400: "InvalidInput",
    403: "AuthorizationPermissionMismatch",
    408: "OperationTimedOut",
    409: "OperationNotAllowed",
    412: "ConditionNotMet",
    413: "RequestBodyTooLarge",
    429: "ServerBusy",
    500: "InternalError",
    503: "ServerBusy",
}
REGISTRY_CODES = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 405: "UNSUPPORTED", 429: "TOOMANYREQUESTS"}
VAULT_CODES = {401: "Unauthorized", 403: "Forbidden", 404: "SecretNotFound", 429: "Throttled"}
ENTRA_CODES = {
    400: "invalid_request",
    401: "invalid_client",
    429: "temporarily_unavailable",
    503: "temporarily_unavailable",
}


def arm_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return ARM's `{"error":{"code","message"}}`."""
    return _json(status, {"error": {"code": code, "message": message}}, headers)


def vault_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return Key Vault's `{"error":{"code","message"}}`."""
    return _json(status, {"error": {"code": code, "message": message}}, headers)


def monitor_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return the `{"error":{"code","message"}}` of logs ingestion and of the logs query."""
    return _json(status, {"error": {"code": code, "message": message}}, headers)


def storage_error(
    status: int, code: str, message: str, headers: Headers | None = None, details: Mapping[str, str] | None = None
) -> web.Response:
    """Return the blob service's XML error, its code also in `x-ms-error-code` (a HEAD has nothing else).

    `details` are the elements that the service adds to some errors, e.g. AuthenticationErrorDetail.
    """
    more = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in (details or {}).items())
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>{more}</Error>"
    text = '<?xml version="1.0" encoding="utf-8"?>' + error
    return _answer(status, text, "application/xml", {"x-ms-error-code": code, **(headers or {})})


def table_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return the table service's OData error, its code also in `x-ms-error-code`."""
    body = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": message}}}
    return _json(status, body, {"x-ms-error-code": code, **(headers or {})})


def registry_error(
    status: int, code: str, message: str, headers: Headers | None = None, detail: object = None
) -> web.Response:
    """Return the OCI distribution specification's `{"errors":[{"code","message","detail"}]}`."""
    return _json(status, {"errors": [{"code": code, "message": message, "detail": detail}]}, headers)


def entra_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return the OAuth 2.0 error of RFC 6749, 5.2, as Entra's token endpoint words it."""
    return _json(status, {"error": code, "error_description": message, "trace_id": str(uuid.uuid4())}, headers)


def identity_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return the sandbox identity endpoint's error (that of App Service's: `statusCode` and `message`)."""
    return _json(status, {"statusCode": status, "code": code, "message": message}, headers)


# Service -> its error function, its codes by status, and its code for any other status ("": the generic one).
SHAPES: dict[str, tuple[Shape, Mapping[int, str], str]] = {
    "arm": (arm_error, GENERIC_CODES, ""),
    "blob": (storage_error, STORAGE_CODES, ""),
    "table": (table_error, STORAGE_CODES, ""),
    "key_vault": (vault_error, VAULT_CODES, ""),
    "publisher_key_vault": (vault_error, VAULT_CODES, ""),
    "logs": (monitor_error, GENERIC_CODES, ""),
    "logs_query": (monitor_error, GENERIC_CODES, ""),
    "publisher_registry": (registry_error, REGISTRY_CODES, "UNKNOWN"),
    "customer_registry": (registry_error, REGISTRY_CODES, "UNKNOWN"),
    "publisher_api": (arm_error, GENERIC_CODES, ""),
    "entra": (entra_error, ENTRA_CODES, "server_error"),
    "identity": (identity_error, GENERIC_CODES, ""),
    "control": (arm_error, GENERIC_CODES, ""),
    "application": (arm_error, GENERIC_CODES, ""),  # the applications' own shape is nobody's business here
}


def refusal(
    service: str,
    status: int,
    message: str,
    headers: Headers | None = None,
    *,
    code: str | None = None,
    form: str = "wrapped",
) -> web.Response:
    """Return an error of `service` in its own shape, with `code` or else the one that it uses for `status`.

    `form` is one of lab/front/faults.py's FORMS; another than the first is ARM's.
    """
    shape, codes, otherwise = SHAPES[service]
    code = code or codes.get(status) or otherwise or GENERIC_CODES.get(status, f"Status{status}")
    error = {"code": code, "message": message}
    if form == "bare":
        return _json(status, error, headers)
    if form == "text":
        return _json(status, json.dumps({"error": error}), headers)
    return shape(status, code, message, headers)


def _json(status: int, body: object, headers: Headers | None) -> web.Response:
    return _answer(status, json.dumps(body), "application/json", headers)


def _answer(status: int, text: str, content_type: str, headers: Headers | None) -> web.Response:
    every = {"x-ms-request-id": str(uuid.uuid4()), **(headers or {})}
    return web.Response(status=status, text=text, content_type=content_type, headers=every)
