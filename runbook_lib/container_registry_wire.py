"""One request to a container registry: sent under the network retry policy, its answer capped, its failures named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from runbook_lib import strict_json
from runbook_lib.clock import Clock
from runbook_lib.errors import RunbookError
from runbook_lib.http import TooLarge, copy_capped, read_capped
from runbook_lib.retry import PolicySource, send
from runbook_lib.secrets import whole_words

if TYPE_CHECKING:
    import requests

# What a token or an error may be long: an answer that nobody asked for by size.
MAX_ANSWER_BYTES = 256 * 1024
# How much of a container registry's own words an error shows.
MAX_WORDS = 300

ABSENT = 404
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Whose container registry it is, and the codes of the failures that differ by that."""

    unreachable: str
    refused: str


PUBLISHER = Side(unreachable="VD-REGISTRY-001", refused="VD-REGISTRY-002")
CUSTOMER = Side(unreachable="VD-REGISTRY-007", refused="VD-REGISTRY-003")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A container registry's answer, whole. headers: case-insensitive."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class ContainerRegistryWire:
    """Sends requests to one container registry, given by its login server (host or host:port), over TLS."""

    def __init__(
        self, *, login_server: str, side: Side, session: "requests.Session", policy: PolicySource, clock: Clock
    ) -> None:
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
        """Send a request that does no harm a second time, and return the answer, of any status.

        Parameters: authorization, that header's value, None for a request that must not carry it; max_bytes, of a 200's
        body; into, a file that takes a 200's body in place of the answer, from its beginning; options, further ones of
        `requests.Session.request`. Redirects are not followed.
        Raises RunbookError: the side's `unreachable` code, VD-REGISTRY-006 (larger than max_bytes).
        """
        import requests

        body: list[bytes] = []

        def read_body(response: "requests.Response", **_: object) -> None:
            # As a hook the body is read within the attempt, so that a connection that breaks in it is retried, too.
            wanted = response.status_code == 200
            body[:] = [_read(response, max_bytes if wanted else MAX_ANSWER_BYTES, into if wanted else None)]

        try:
            response = send(
                self._session,
                method,
                url,
                policy=self._policy(),
                clock=self._clock,
                repeatable=True,
                headers={**(headers or {}), **({"Authorization": authorization} if authorization else {})},
                allow_redirects=False,
                stream=True,
                hooks={"response": read_body},
                **options,
            )
        except TooLarge as error:
            raise RunbookError("VD-REGISTRY-006", f"more than {max_bytes} bytes", target=url) from error
        except requests.RequestException as error:
            raise RunbookError(self.side.unreachable, _cause(error), target=self.login_server) from error
        return Answer(status=response.status_code, headers=response.headers, content=body[0])

    def failure(self, answer: Answer, target: str) -> RunbookError:
        """Return the error that an answer of another than the wanted status is: never "absent"."""
        detail = f"status {answer.status}{_words(answer.content)}"
        if answer.status in (401, 403):
            return RunbookError(self.side.refused, detail, target=target)
        if answer.status in (408, 429) or answer.status >= 500:
            return RunbookError("VD-REGISTRY-004", detail, target=target)
        return RunbookError("VD-REGISTRY-006", detail, target=target)


def _read(response: "requests.Response", max_bytes: int, into: BinaryIO | None) -> bytes:
    """Return the body, or write it to `into` and return none; one that is announced as too large is not begun."""
    announced = response.headers.get("Content-Length", "")
    if response.request.method != "HEAD" and announced.isdecimal() and int(announced) > max_bytes:
        response.close()
        raise TooLarge
    if into is None:
        return read_capped(response, max_bytes)
    into.seek(0)
    into.truncate()
    copy_capped(response, max_bytes, into)
    return b""


def _words(content: bytes) -> str:
    """Return what the container registry says, in the OCI distribution specification's error format."""
    try:
        errors = strict_json.loads(content)["errors"]
        words = "; ".join(f"{error['code']}: {error['message']}" for error in errors)
    except (ValueError, TypeError, KeyError):
        return ""  # an error of another form (a proxy's page) tells a user nothing
    printable = "".join(character for character in words if character.isprintable())
    return f", {whole_words(printable, MAX_WORDS)}" if printable else ""


def _cause(error: "requests.RequestException") -> str:
    """Return the innermost reason: the outer ones repeat the address and the retries that did not happen."""
    reason = error.args[0] if error.args else error
    return whole_words(str(getattr(reason, "reason", reason)), MAX_WORDS)
