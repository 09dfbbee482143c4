"""Error answers in the shape that each Azure service uses.

`refusal` answers in the shape that a site has chosen (lab/front/sites.py). A stand-in calls the function of its service
and names its own code.
Sources: the services' REST references ("status and error codes") and what the SDKs' deserializers read.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from aiohttp import web

Headers = Mapping[str, str]
Answer = Callable[[int, str, str, Headers | None], web.Response]

# The code of a service for an error without a more specific one, e.g. for an injected fault.
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

# The error types of RFC 8555, "Errors".
ACME_CODES = {400: "malformed", 401: "unauthorized", 403: "unauthorized", 404: "malformed", 429: "rateLimited"}


def arm_error(
    status: int,
    code: str,
    message: str,
    headers: Headers | None = None,
    details: Sequence[Mapping[str, str]] = (),
) -> web.Response:
    """Return ARM's `{"error":{"code","message"}}`, with `details` if there are any."""
    more = {"details": list(details)} if details else {}
    return _json(status, {"error": {"code": code, "message": message, **more}}, headers)


def vault_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return Key Vault's `{"error":{"code","message"}}`."""
    return _json(status, {"error": {"code": code, "message": message}}, headers)


def monitor_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return the `{"error":{"code","message"}}` of logs ingestion and of the logs query."""
    return _json(status, {"error": {"code": code, "message": message}}, headers)


def storage_error(
    status: int, code: str, message: str, headers: Headers | None = None, details: Mapping[str, str] | None = None
) -> web.Response:
    """Return the blob service's XML error. Its code is also in `x-ms-error-code` (a HEAD has only that).

    `details` are the elements that the service adds to some errors, e.g. AuthenticationErrorDetail.
    """
    more = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in (details or {}).items())
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>{more}</Error>"
    text = '<?xml version="1.0" encoding="utf-8"?>' + error
    return _answer(status, text, "application/xml", {"x-ms-error-code": code, **(headers or {})})


def table_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return the table service's OData error. Its code is also in `x-ms-error-code`."""
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
    """Return the error of the sandbox's identity endpoint, which is App Service's: `statusCode` and `message`."""
    return _json(status, {"statusCode": status, "code": code, "message": message}, headers)


def acme_error(status: int, code: str, message: str, headers: Headers | None = None) -> web.Response:
    """Return the problem document of an ACME server (RFC 8555, "Errors")."""
    problem = {"type": f"urn:ietf:params:acme:error:{code}", "detail": message, "status": status}
    return _answer(status, json.dumps(problem), "application/problem+json", headers)


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """What a service's errors look like: its error function, its codes by status, and its code for other statuses.

    otherwise: the code for other statuses; "" stands for the generic code.
    """

    answer: Answer
    codes: Mapping[int, str]
    otherwise: str = ""


ARM_ERRORS = ErrorShape(arm_error, GENERIC_CODES)
BLOB_ERRORS = ErrorShape(storage_error, STORAGE_CODES)
TABLE_ERRORS = ErrorShape(table_error, STORAGE_CODES)
VAULT_ERRORS = ErrorShape(vault_error, VAULT_CODES)
MONITOR_ERRORS = ErrorShape(monitor_error, GENERIC_CODES)
REGISTRY_ERRORS = ErrorShape(registry_error, REGISTRY_CODES, "UNKNOWN")
ENTRA_ERRORS = ErrorShape(entra_error, ENTRA_CODES, "server_error")
IDENTITY_ERRORS = ErrorShape(identity_error, GENERIC_CODES)
ACME_ERRORS = ErrorShape(acme_error, ACME_CODES, "serverInternal")


def refusal(
    shape: ErrorShape,
    status: int,
    message: str,
    headers: Headers | None = None,
    *,
    code: str | None = None,
    form: str = "wrapped",
) -> web.Response:
    """Return an error in a service's shape, with `code`, or with the code that the service uses for `status`.

    `form` is one of FORMS in lab/front/faults.py. All but the first are forms of ARM's errors.
    """
    code = code or shape.codes.get(status) or shape.otherwise or GENERIC_CODES.get(status, f"Status{status}")
    error = {"code": code, "message": message}
    if form == "bare":
        return _json(status, error, headers)
    if form == "text":
        return _json(status, json.dumps({"error": error}), headers)
    return shape.answer(status, code, message, headers)


def _json(status: int, body: object, headers: Headers | None) -> web.Response:
    return _answer(status, json.dumps(body), "application/json", headers)


def _answer(status: int, text: str, content_type: str, headers: Headers | None) -> web.Response:
    every = {"x-ms-request-id": str(uuid.uuid4()), **(headers or {})}
    return web.Response(status=status, text=text, content_type=content_type, headers=every)
