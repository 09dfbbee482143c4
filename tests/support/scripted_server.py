"""A real HTTPS server that answers each request with the next act of a script, and counts the requests."""

import contextlib
import json
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lab.machine import certificates
from tests.support.broken_connections import is_broken_connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer. With `cut_at` the connection breaks after this number of bytes of the body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_at: int | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Read the request, and reset its connection without an answer."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Read the request, and send nothing for `seconds`. Then reset its connection."""

    seconds: float


Act = Answer | Reset | Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore a connection that a test has broken. If a thread raises another error, pytest fails the test."""
        if not is_broken_connection(sys.exc_info()[1]):
            raise  # noqa: PLE0704 - http.server calls this while it handles the error


class ScriptedServer:
    def __init__(self, directory: Path) -> None:
        made = certificates.ensure(directory)
        self.ca_file = made.ca
        self.requests: list[Request] = []
        self._acts: deque[Act] = deque()
        self._server = _HttpServer(("127.0.0.1", 0), _handler(self))
        # The connection's own thread does the handshake, at its first read.
        self._server.socket = made.server_context().wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def play(self, *acts: Act) -> None:
        """Answer the next requests with these acts."""
        self._acts.extend(acts)

    def forget(self) -> None:
        self._acts.clear()
        self.requests.clear()

    def next_act(self, request: Request) -> Act:
        # Key Vault's client sends its first request without a token. The answer says where to get one. To the client
        # 0.0.1 is a parent domain of 127.0.0.1, as vault.azure.net is of a vault's host.
        if request.path.startswith("/secrets/") and "Authorization" not in request.headers:
            resource = self.url.replace("127.", "", 1)
            challenge = f'Bearer authorization="https://login.example/tenant", resource="{resource}"'
            return Answer(status=401, headers={"WWW-Authenticate": challenge})
        self.requests.append(request)
        return self._acts.popleft() if self._acts else Answer(status=418, body=b"the script has ended")

    @contextlib.contextmanager
    def running(self) -> Iterator["ScriptedServer"]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status=status, headers={"Content-Type": "application/json"}, body=json.dumps(value).encode())


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            act = server.next_act(
                Request(method=self.command, path=self.path, headers=dict(self.headers.items()), body=body)
            )
            if isinstance(act, Silence):
                time.sleep(act.seconds)
            if isinstance(act, Reset | Silence):
                self._break()
                return
            self.send_response_only(act.status)  # it adds no Date, because the act may have one
            for name, value in act.headers.items():
                self.send_header(name, value)
            if act.status != 204:
                self.send_header("Content-Length", str(len(act.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(act.body[: act.cut_at])
            if act.cut_at is not None:
                self._break()

        def _break(self) -> None:
            # Without lingering, the client gets a reset and not an orderly end.
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_MERGE = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Log nothing, because pytest shows what matters."""

    return Handler
