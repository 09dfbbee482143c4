"""Limit the time, size and form of every answer. `requests` and urllib3 do not do this themselves.

Every request has one deadline (runbook_lib.network.deadline), from the connection to the last byte of the body, and
runbook_lib.network.http_answer reads every answer. A body that is not read in parts has at most MAX_CONTENT_BYTES after
decoding. A redirect is never followed, and its body is read only if the caller asks for it.
"""

import contextlib
import socket
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.network.deadline import Deadline, connect_any, current, within
from runbook_lib.network.http import CONNECTIONS_PER_HOST, HOSTS, MAX_CONTENT_BYTES, read_capped
from runbook_lib.network.http_answer import HttpAnswer
from runbook_lib.network.retry import NETWORK_CONNECT_SECONDS, NETWORK_READ_SECONDS, TOTAL_SECONDS

if TYPE_CHECKING:
    from urllib3 import PoolManager

    Base = HTTPConnection
else:
    Base = object


class BoundedSession(requests.Session):
    """A session that follows no redirect.

    `requests` reads the whole body of a redirect, and its Location as UTF-8, even with allow_redirects=False.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is no target."""


class BoundedAdapter(HTTPAdapter):
    """Connections that obey a deadline. Outside of `within`, a request must end TOTAL_SECONDS after its beginning."""

    def __init__(self) -> None:
        super().__init__(pool_connections=HOSTS, pool_maxsize=CONNECTIONS_PER_HOST, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **options)
        _bind(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Return the pools of connections through a proxy."""
        return _bind(super().proxy_manager_for(proxy, **options))

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request. Raises requests.RequestException, and no exception of a library below `requests`."""
        options["timeout"] = options.get("timeout") or (NETWORK_CONNECT_SECONDS, NETWORK_READ_SECONDS)
        try:
            with contextlib.nullcontext() if current() else within(TOTAL_SECONDS):
                return super().send(request, *args, **options)
        except HTTPError as error:
            raise requests.exceptions.InvalidURL(error, request=request) from error

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return the answer; its body has not been read."""
        answer = _Answer()
        answer.__dict__.update(super().build_response(req, resp).__dict__)
        return answer


class _Answer(requests.Response):
    @property
    def content(self) -> bytes:
        """The whole body. Raises TooLarge past MAX_CONTENT_BYTES, and requests.RequestException."""
        if not self._content_consumed:  # type: ignore[attr-defined]
            self._content = read_capped(self, MAX_CONTENT_BYTES)
        return super().content


class _Bounded(Base):
    """The differences of both kinds of connection from those of urllib3."""

    _deadline: Deadline

    def connect(self) -> None:
        """Connect, and agree on TLS. If that takes too long, nothing was sent."""
        try:
            super().connect()
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from error

    def _new_conn(self) -> socket.socket:
        """Return a TCP connection. Its time-out is the time that is left for TLS."""
        self._deadline = _deadline()
        try:
            window = Deadline(SYSTEM_CLOCK, min(float(self.timeout or NETWORK_CONNECT_SECONDS), self._deadline.left()))
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
            connection = connect_any(addresses, window, self.socket_options or ())
            connection.settimeout(window.left())
        except UnicodeError:
            raise LocationParseError(f"{self.host!r}: a label is empty or too long") from None
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error
        return connection

    def request(self, *args: Any, **options: Any) -> None:
        """Begin a request. Its time starts here, also on a connection that was used before."""
        self._deadline = _deadline()
        super().request(*args, **options)

    def send(self, data: Any) -> None:
        """Send bytes of a request, within the time that is left."""
        if self.sock is not None:
            self.sock.settimeout(self._deadline.left())
        super().send(data)

    def response_class(self, connection: socket.socket, *_: Any, method: str | None = None) -> HttpAnswer:  # type: ignore[override]
        """Return the reader of the answer. http.client calls this method."""
        silence = None if self.timeout is None else float(self.timeout)
        return HttpAnswer(connection, self._deadline, method=method, silence=silence)


class _HttpConnection(_Bounded, HTTPConnection):
    pass


class _HttpsConnection(_Bounded, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


def _bind(manager: "PoolManager") -> "PoolManager":
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


def _deadline() -> Deadline:
    return current() or Deadline(SYSTEM_CLOCK, TOTAL_SECONDS)
