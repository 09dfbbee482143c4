"""Recognise errors of a test's server that a client has caused, because tests break connections on purpose."""

import errno
import ssl

# The server itself has closed the socket before its handler had finished.
CLOSED = (errno.EBADF, errno.ENOTCONN)


def is_broken_connection(error: BaseException | None) -> bool:
    """Tell whether a connection has broken, in the handshake or later. Every other error is a fault of the server."""
    if isinstance(error, ssl.SSLError):
        # The client ended the connection without a message, or with an alert, such as one that it does not trust us.
        return isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "ALERT" in (error.reason or "")
    return isinstance(error, ConnectionError) or (isinstance(error, OSError) and error.errno in CLOSED)
