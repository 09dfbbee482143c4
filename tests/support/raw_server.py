"""A TLS server on loopback whose answers are raw bytes, for answers that no HTTP server would send."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.machine import certificates
from tests.support.broken_connections import is_broken_connection

# A handler gets the request's head and a function that sends bytes.
Handler = Callable[[bytes, Callable[[bytes], object]], object]


class RawServer:
    def __init__(self, directory: Path) -> None:
        made = certificates.ensure(directory)
        self.ca_file = made.ca
        self.handler: Handler = says(b"")
        self.heads: list[bytes] = []
        self.before_tls: Callable[[socket.socket], object] = lambda _: None
        self._context = made.server_context()
        self._listening = socket.create_server(("127.0.0.1", 0))

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    @contextlib.contextmanager
    def running(self) -> Iterator["RawServer"]:
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            with plain:
                self._converse(plain)
        except OSError as error:
            if not is_broken_connection(error):
                raise

    def _converse(self, plain: socket.socket) -> None:
        self.before_tls(plain)
        with self._context.wrap_socket(plain, server_side=True) as connection:
            while head := _request(connection):
                self.heads.append(head)
                self.handler(head, connection.sendall)
                if b"\r\nconnection: close" in head.lower():
                    return


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    announced = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while announced and len(body) < int(announced[1]):
        part = connection.recv(65536)
        if not part:
            return b""
        body += part
    return head


def says(content: bytes) -> Handler:
    """Answer each request with these bytes."""
    return lambda _, send: send(content)


def drips(before: bytes, drop: bytes, *, every: float = 0.1, seconds: float = 60.0) -> Handler:
    """Send `before`, then one drop after the other for `seconds`."""

    def handle(_: bytes, send: Callable[[bytes], object]) -> None:
        send(before)
        for _drop in range(int(seconds / every)):
            time.sleep(every)
            send(drop)

    return handle


def answer(status: int = 200, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 %d X" % status, *headers, b"Content-Length: %d" % len(body), b"", body])
