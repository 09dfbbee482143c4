"""Recognise errors of a test's server that a client causes: tests break connections on purpose."""

import errno
import ssl

# The socket was closed by this server's own act, before its handler was through with it.
CLOSED = (errno.EBADF, errno.ENOTCONN)


def is_broken_connection(error: BaseException | None) -> bool:
    """Tell whether a connection has broken, in the handshake or later. Every other error is a fault of the server."""
    if isinstance(error, ssl.SSLError):
        # The client ended the connection without a word, or with an alert, e.g. because it does not trust the server.
        return isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "ALERT" in (error.reason or "")
    return isinstance(error, ConnectionError) or (isinstance(error, OSError) and error.errno in CLOSED)
