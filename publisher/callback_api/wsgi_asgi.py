"""The gate for any WSGI or ASGI application: wrap the application, and only signed requests of instances reach it.

The application finds who signed under KEY_ID in its environment or scope, and the body to read as usual. Instances'
addresses must reach it as they were signed: a proxy in front may end TLS, and must not change host, path and query.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from publisher.callback_api.gate import FIELDS, LENGTH_REQUIRED, MAX_BODY_BYTES, TOO_LARGE, Answer, CallbackGate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEY_ID = "vibedata.key_id"

# ASGI 3.0.
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    503: "Service Unavailable",
}
# The variables of WSGI servers with the target as it came. PATH_INFO is decoded, so it differs from the signed path.
_RAW_TARGETS = ("REQUEST_URI", "RAW_URI")


def wsgi_answer(answer: Answer, start_response: "StartResponse") -> Iterable[bytes]:
    """Start an answer as a WSGI application, and return its body."""
    start_response(f"{answer.status} {_REASONS[answer.status]}", answer.all_headers)
    return [answer.body]


class WsgiCallbackAuth:
    """A WSGI application (PEP 3333) behind the gate."""

    def __init__(self, application: "WSGIApplication", gate: CallbackGate) -> None:
        self._application = application
        self._gate = gate

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request, or let the application answer it."""
        length = environ.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()) or environ.get("HTTP_TRANSFER_ENCODING"):
            # A server that decodes chunks, such as waitress, gives the length of the result.
            return wsgi_answer(LENGTH_REQUIRED, start_response)
        if len(length) > len(str(MAX_BODY_BYTES)) or int(length) > MAX_BODY_BYTES:
            return wsgi_answer(TOO_LARGE, start_response)
        body = environ["wsgi.input"].read(int(length)) if int(length) else b""
        path, mark, query = _target(environ).partition("?")
        outcome = self._gate.check(
            method=environ["REQUEST_METHOD"],
            host=environ.get("HTTP_HOST", ""),
            path=path,
            query=mark + query,
            fields=[(name, value) for name in FIELDS if (value := environ.get(_variable(name))) is not None],
            body=body,
        )
        if isinstance(outcome, Answer):
            return wsgi_answer(outcome, start_response)
        environ[KEY_ID] = outcome.key_id
        environ["wsgi.input"] = io.BytesIO(body)
        return self._application(environ, start_response)


class AsgiCallbackAuth:
    """An ASGI application behind the gate. Connections other than HTTP are closed, except the server's lifespan."""

    def __init__(self, application: AsgiApplication, gate: CallbackGate) -> None:
        self._application = application
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application answer it."""
        if scope["type"] == "lifespan":
            return await self._application(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close"})
        received = bytearray()
        more = True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            received.extend(event.get("body", b""))
            more = event.get("more_body", False)
            if len(received) > MAX_BODY_BYTES:
                return await _asgi_answer(TOO_LARGE, send)
        body = bytes(received)
        fields = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        query = scope.get("query_string", b"").decode("latin-1")
        # The gate reads tables. A thread lets other requests go on meanwhile.
        outcome = await asyncio.to_thread(
            self._gate.check,
            method=scope["method"],
            host=", ".join(value for name, value in fields if name == "host"),
            path=(scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1"),
            query="?" + query if query else "",
            fields=[each for each in fields if each[0] in FIELDS],
            body=body,
        )
        if isinstance(outcome, Answer):
            return await _asgi_answer(outcome, send)
        events = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> MutableMapping[str, Any]:
            return next(events, None) or await receive()

        return await self._application({**scope, KEY_ID: outcome.key_id}, replay, send)


async def _asgi_answer(answer: Answer, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.all_headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _variable(name: str) -> str:
    """Return the name of a field in CGI and WSGI."""
    return "CONTENT_TYPE" if name == "content-type" else f"HTTP_{name.upper().replace('-', '_')}"


def _target(environ: "WSGIEnvironment") -> str:
    for name in _RAW_TARGETS:
        if name in environ:
            return str(environ[name])
    path = quote((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"))
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path
