"""A TLS server on loopback that serves the certificate of a vault's secret, as the Application Gateway does."""

import base64
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12


@dataclass(slots=True)
class TlsServer:
    """The server. `address` is host and port."""

    address: str
    _context: list[ssl.SSLContext] = field(default_factory=list, repr=False)

    def serve(self, pfx: str) -> None:
        """Serve the certificate in a secret's value from now on."""
        found = pkcs12.load_pkcs12(base64.b64decode(pfx), None)
        assert found.key is not None and found.cert is not None
        chain = [found.cert.certificate, *(each.certificate for each in found.additional_certs)]
        text = found.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "served.pem"
            file.write_bytes(text + b"".join(each.public_bytes(Encoding.PEM) for each in chain))
            context.load_cert_chain(file)
        self._context[:] = [context]

    def answer(self, connection: socket.socket) -> None:
        """Complete one handshake. Ignore errors of the other side."""
        connection.settimeout(10)
        try:
            with self._context[-1].wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            connection.close()


@contextmanager
def tls_server() -> Iterator[TlsServer]:
    """Run a server until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = TlsServer(f"127.0.0.1:{listener.getsockname()[1]}")

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                server.answer(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
