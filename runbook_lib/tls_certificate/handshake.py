"""Ask the gateway which certificate it serves: one TLS handshake, limited in time and bytes.

OpenSSL limits the certificates of a handshake to 100 KiB. Python limits the time of a whole handshake.
"""

import socket
import ssl

from runbook_lib.basics.clock import Clock
from runbook_lib.errors import tls
from runbook_lib.health.probes.connection import AddressRefusedError, connect, tls_context
from runbook_lib.network.deadline import Deadline

HANDSHAKE_SECONDS = 20.0
HTTPS = 443


def served_certificate(*, host: str, gateway: str, trusted: str, clock: Clock) -> bytes:
    """Return the certificate in DER that `gateway` (a host, perhaps with a port) serves for `host`.

    It must be valid for `host`, by the authorities in `trusted` (a file or a folder). Raises RunbookError VD-TLS-009.
    """
    name, _, port = gateway.partition(":")
    deadline = Deadline(clock, HANDSHAKE_SECONDS)
    try:
        connection = connect(name, int(port or HTTPS), deadline)
        return _handshake(connection, host, tls_context(trusted), deadline)
    except ssl.SSLCertVerificationError as error:
        raise tls.HANDSHAKE_FAILED.error(f"its certificate: {error.verify_message}", target=host) from error
    except (OSError, UnicodeError, AddressRefusedError) as error:  # UnicodeError: this can be no host's name
        raise tls.HANDSHAKE_FAILED.error(f"{gateway}: {error}", target=host) from error


def _handshake(connection: socket.socket, host: str, context: ssl.SSLContext, deadline: Deadline) -> bytes:
    with connection:
        connection.settimeout(deadline.left())
        with context.wrap_socket(connection, server_hostname=host) as secured:
            return secured.getpeercert(binary_form=True) or b""
