"""Send one request to a container registry under the network retry policy. Limit its answer and name its failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from runbook_lib.basics import addresses
from runbook_lib.basics.clock import Clock
from runbook_lib.basics.redaction import whole_words
from runbook_lib.container_registry.words import MAX_WORDS, words
from runbook_lib.errors import ErrorEntry, RunbookError, container_registry
from runbook_lib.network import header_fields
from runbook_lib.network.http import TooLarge, copy_capped, read_capped
from runbook_lib.network.requests_retry import send
from runbook_lib.network.retry import PolicySource, for_large_body

if TYPE_CHECKING:
    import requests

# The largest token or error answer. The caller does not set the limit of these.
MAX_ANSWER_BYTES = 256 * 1024

ABSENT = 404
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side, the publisher's or the customer's, and its own failures."""

    unreachable: ErrorEntry
    refused: ErrorEntry


PUBLISHER = Side(unreachable=container_registry.PUBLISHER_UNREACHABLE, refused=container_registry.TOKEN_REFUSED)
CUSTOMER = Side(unreachable=container_registry.CUSTOMER_UNREACHABLE, refused=container_registry.IDENTITY_REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A container registry's whole answer. The names of `headers` are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class ContainerRegistryWire:
    """Sends requests over TLS to one container registry. The caller names its login server (host or host:port).

    Raises RunbookError VD-REGISTRY-020 if the name is neither.
    """

    def __init__(
        self, *, login_server: str, side: Side, session: "requests.Session", policy: PolicySource, clock: Clock
    ) -> None:
        try:
            addresses.read_server(login_server)
        except addresses.NotAnAddressError as error:
            raise container_registry.REGISTRY_ADDRESS_UNUSABLE.error(
                str(error), target=ascii(login_server)[:MAX_WORDS]
            ) from error
        self.login_server = login_server
        self.side = side
        self._session = session
        self._policy = policy
        self._clock = clock

    @property
    def base_url(self) -> str:
        """Address of the login server, without a trailing slash."""
        return f"https://{self.login_server}"

    def request(
        self,
        method: str,
        url: str,
        *,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        into: BinaryIO | None = None,
        **options: Any,
    ) -> Answer:
        """Send a request that does no harm a second time. Return the answer, whatever its status. Follow no redirect.

        Args:
            authorization: The header's value, None for a request that must not have this header.
            max_bytes: The limit of a 200's body.
            into: A file that gets a 200's body, from the file's beginning. The answer then has none.
            options: Further options of `requests.Session.request`.

        A body that is sent, or that goes `into` a file, gets further time for its size.
        Raises RunbookError: the side's `unreachable` code, VD-REGISTRY-006 (larger than max_bytes).
        """
        import requests
        from urllib3.exceptions import HTTPError

        data = options.get("data")
        large = (max_bytes if into else 0) + (len(data) if isinstance(data, bytes) else 0)
        body: list[bytes] = []
        reading = False

        def read_body(response: "requests.Response", **_: object) -> None:
            nonlocal reading
            reading = True
            # A hook reads the body within the attempt. So a connection that breaks in the body is retried, too.
            wanted = response.status_code == 200
            body[:] = [_read(response, max_bytes if wanted else MAX_ANSWER_BYTES, into if wanted else None)]

        try:
            response = send(
                self._session,
                method,
                url,
                policy=for_large_body(self._policy(), large),
                clock=self._clock,
                repeatable=True,
                headers={**(headers or {}), **({"Authorization": authorization} if authorization else {})},
                allow_redirects=False,
                stream=True,
                hooks={"response": read_body},
                **options,
            )
        except TooLarge as error:
            # Without the query: after a redirect the query gives access.
            target = url.partition("?")[0]
            raise container_registry.ANSWER_OUT_OF_BOUNDS.error(
                f"more than {max_bytes} bytes", target=target
            ) from error
        except requests.RequestException as error:
            raise self.side.unreachable.error(_cause(error), target=self.login_server) from error
        except (ValueError, HTTPError) as error:
            # `requests` and urllib3 raise these standard errors for bad header fields of an answer.
            raise container_registry.ANSWER_OUT_OF_BOUNDS.error(_cause(error), target=url.partition("?")[0]) from error
        except OSError as error:
            if reading:
                raise  # the file `into` cannot be written
            # The file that REQUESTS_CA_BUNDLE names is missing.
            raise self.side.unreachable.error(_cause(error), target=self.login_server) from error
        return Answer(status=response.status_code, headers=response.headers, content=body[0])

    def failure(self, answer: Answer, target: str) -> RunbookError:
        """Return the error for an answer with an unexpected status. It never means "absent"."""
        said = words(answer.content)
        detail = f"status {answer.status}, {said}" if said else f"status {answer.status}"
        if answer.status in (401, 403):
            return self.side.refused.error(detail, target=target)
        if answer.status in (408, 429) or answer.status >= 500:
            return container_registry.REQUEST_FAILED.error(detail, target=target)
        return container_registry.ANSWER_OUT_OF_BOUNDS.error(detail, target=target)


def _read(response: "requests.Response", max_bytes: int, into: BinaryIO | None) -> bytes:
    """Return the body, or write it to `into` and return an empty one. Do not begin a body that says it is too large."""
    announced = header_fields.number(response.headers.get("Content-Length", ""))
    if response.request.method != "HEAD" and announced is not None and announced > max_bytes:
        response.close()
        raise TooLarge
    if into is None:
        return read_capped(response, max_bytes)
    into.seek(0)
    into.truncate()
    copy_capped(response, max_bytes, into)
    return b""


def _cause(error: Exception) -> str:
    """Return the innermost reason. The outer ones repeat the address and mention retries that did not happen."""
    reason = error.args[0] if error.args else error
    text = str(getattr(reason, "reason", reason))
    return whole_words("".join(character for character in text if character.isprintable()), MAX_WORDS)
