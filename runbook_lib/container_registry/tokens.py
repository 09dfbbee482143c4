"""Access tokens for a container registry's data plane, few and shared.

This is ACR's own flow (docs/azure-facts.md#registry-tokens): a GET of /oauth2/token with a repository-scoped token as
Basic credentials, or an Entra token that is exchanged for a refresh token and then for access tokens. One access token
covers many repositories, so that N lookups do not cost N token requests. No request needs a 401 first.
"""

import base64
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from runbook_lib.basics import base64url, strict_json
from runbook_lib.basics.clock import Clock
from runbook_lib.container_registry.wire import Answer, ContainerRegistryWire
from runbook_lib.errors import container_registry

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

CONTAINER_REGISTRY_SCOPE = "https://containerregistry.azure.net/.default"
# A request carries a token in a header, which servers limit to 8 KiB or more. A scope adds some 100 bytes to it.
MAX_SCOPES_PER_TOKEN = 20
MAX_SCOPE_CHARACTERS = 4000
# The lifetime of a token that does not say it (distribution's token specification: expires_in).
DEFAULT_LIFETIME_SECONDS = 60.0
# A token is renewed before it expires, so that none expires on its way.
RENEW_BEFORE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token, and when (monotonic seconds) to get another."""

    value: str
    renew_at: float

    @staticmethod
    def from_answer(answer: Answer, names: Sequence[str], *, target: str, now: float) -> "AccessToken":
        """Return the token in a JSON answer: the first member of `names` that the answer has.

        Raises RunbookError VD-REGISTRY-006 if it has none of them.
        """
        try:
            body = strict_json.loads(answer.content)
            value = next(body[name] for name in names if body.get(name))
            if not isinstance(value, str) or not value.isascii() or not value.isprintable():
                raise ValueError("the token is no text")
        except (ValueError, AttributeError, StopIteration) as error:
            raise container_registry.ANSWER_OUT_OF_BOUNDS.error("the answer holds no token", target=target) from error
        stated = body.get("expires_in")
        lifetime = float(stated) if isinstance(stated, int) and stated > 0 else _lifetime(value)
        return AccessToken(value, now + max(lifetime - RENEW_BEFORE_SECONDS, lifetime / 2))


class TokenSource(Protocol):
    """A source of access tokens."""

    def fetch(self, scopes: Sequence[str]) -> AccessToken:
        """Return a new access token for all `scopes` (`repository:<name>:pull`)."""
        ...

    def forget(self) -> None:
        """Drop everything kept from earlier calls, because the container registry refused a token."""
        ...


class PublisherTokenSource:
    """A repository-scoped token, as Basic credentials."""

    def __init__(self, *, wire: ContainerRegistryWire, username: str, password: str, clock: Clock) -> None:
        self._wire = wire
        self._basic = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
        self._clock = clock

    def fetch(self, scopes: Sequence[str]) -> AccessToken:
        """Return a new access token. Raises RunbookError VD-REGISTRY-001, -002, -004, -006."""
        answer = self._wire.request(
            "GET",
            f"{self._wire.base_url}/oauth2/token",
            authorization=self._basic,
            params=[("service", self._wire.login_server), *(("scope", scope) for scope in scopes)],
        )
        return _token(self._wire, answer, ("access_token", "token"), self._clock)

    def forget(self) -> None:
        """Do nothing: this source keeps nothing."""


class EntraTokenSource:
    """An Entra identity. Its token is exchanged for a refresh token, and the refresh token for access tokens."""

    def __init__(self, *, wire: ContainerRegistryWire, credential: "TokenCredential", clock: Clock) -> None:
        self._wire = wire
        self._credential = credential
        self._clock = clock
        self._lock = threading.Lock()
        self._refresh_token: AccessToken | None = None

    def fetch(self, scopes: Sequence[str]) -> AccessToken:
        """Return a new access token. Raises RunbookError VD-REGISTRY-003, -004, -006, -007."""
        answer = self._wire.request(
            "POST",
            f"{self._wire.base_url}/oauth2/token",
            data=[
                ("grant_type", "refresh_token"),
                ("service", self._wire.login_server),
                ("refresh_token", self._refresh()),
                *(("scope", scope) for scope in scopes),
            ],
        )
        return _token(self._wire, answer, ("access_token",), self._clock)

    def forget(self) -> None:
        """Drop the refresh token."""
        with self._lock:
            self._refresh_token = None

    def _refresh(self) -> str:
        with self._lock:
            if self._refresh_token is None or self._clock.monotonic() >= self._refresh_token.renew_at:
                answer = self._wire.request(
                    "POST",
                    f"{self._wire.base_url}/oauth2/exchange",
                    data={
                        "grant_type": "access_token",
                        "service": self._wire.login_server,
                        "access_token": self._credential.get_token(CONTAINER_REGISTRY_SCOPE).token,
                    },
                )
                self._refresh_token = _token(self._wire, answer, ("refresh_token",), self._clock)
            return self._refresh_token.value


@dataclass(slots=True)
class _Group:
    """Repositories that share an access token."""

    repositories: tuple[str, ...]
    lock: threading.Lock = field(default_factory=threading.Lock)
    token: AccessToken | None = None


class AccessTokens:
    """The access tokens of one container registry, for use by many threads."""

    def __init__(self, *, source: TokenSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._groups: dict[str, _Group] = {}

    def expect(self, repositories: Iterable[str]) -> None:
        """Say which repositories will be read, so that they share access tokens."""
        with self._lock:
            for chunk in _chunks(sorted(set(repositories) - self._groups.keys())):
                self._groups.update(dict.fromkeys(chunk, _Group(chunk)))

    def get(self, repository: str) -> str:
        """Return an access token that allows reading `repository`."""
        self.expect([repository])
        group = self._groups[repository]
        with group.lock:
            if group.token is None or self._clock.monotonic() >= group.token.renew_at:
                group.token = self._source.fetch([_scope(each) for each in group.repositories])
            return group.token.value

    def refuse(self, repository: str, token: str) -> None:
        """Note that the container registry refused `token`. Then fetch new tokens, one for each repository.

        A server may grant fewer scopes than one request asks for.
        """
        with self._lock:
            group = self._groups[repository]
            if group.token is None or group.token.value != token:
                return  # another thread has done this
            self._source.forget()
            self._groups.update({each: _Group((each,)) for each in group.repositories})


def _chunks(repositories: Sequence[str]) -> Iterable[tuple[str, ...]]:
    chunk: list[str] = []
    characters = 0
    for repository in repositories:
        size = len(_scope(repository))
        if chunk and (len(chunk) == MAX_SCOPES_PER_TOKEN or characters + size > MAX_SCOPE_CHARACTERS):
            yield tuple(chunk)
            chunk, characters = [], 0
        chunk.append(repository)
        characters += size
    if chunk:
        yield tuple(chunk)


def _scope(repository: str) -> str:
    return f"repository:{repository}:pull"


def _token(wire: ContainerRegistryWire, answer: Answer, names: Sequence[str], clock: Clock) -> AccessToken:
    if answer.status != 200:
        raise wire.failure(answer, wire.login_server)
    return AccessToken.from_answer(answer, names, target=wire.login_server, now=clock.monotonic())


def _lifetime(token: str) -> float:
    """Return the seconds from a JWT's issue to its expiry. It is not verified: it decides only when to ask again.

    This difference of the server's own times does not depend on this machine's clock.
    """
    try:
        payload = token.split(".")[1]
        claims = strict_json.loads(base64url.decode(payload))
        lifetime = float(claims["exp"] - claims["iat"])
    except (ValueError, TypeError, KeyError, IndexError):
        return DEFAULT_LIFETIME_SECONDS  # not every server's token is a JWT
    return lifetime if lifetime > 0 else DEFAULT_LIFETIME_SECONDS
