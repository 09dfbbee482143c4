"""Find out from a failed attempt of `requests` whether the server can have seen the request."""

import socket
import ssl

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from runbook_lib.network.retry import AnswerLost, ConnectionFailure
from runbook_lib.network.trouble import os_cause

# The connection was not made, broke, stayed silent, or ended within the answer. Other exceptions of `requests` are
# mistakes in the request itself.
CONNECTION_FAILURES = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class RequestsAnswerLost(requests.ConnectionError, AnswerLost):
    """AnswerLost as an exception of `requests`."""


def connection_failure(error: requests.RequestException) -> ConnectionFailure:
    """Return what a failed attempt says: "not_sent" if there was no connection, or no agreement on TLS."""
    if isinstance(os_cause(error), socket.gaierror):
        return "no_such_name"
    if isinstance(error, requests.ConnectTimeout):
        return "not_sent"
    outer = error.args[0] if error.args else None
    reason = outer.reason if isinstance(outer, MaxRetryError) else outer
    if isinstance(reason, NewConnectionError):
        return "not_sent"
    # Any other TLS failure can also occur after the request was sent.
    causes = reason.args if isinstance(reason, Exception) else ()
    return "not_sent" if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes) else "ambiguous"
