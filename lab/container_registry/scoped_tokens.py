"""The repository-scoped tokens of a container registry: two passwords each, which expire or are replaced. Pure.

Faithful: a password is shown once, when it is generated. Generating replaces the password of that name, or both; a
password that is not replaced still works. A disabled token refuses every login. An update names the passwords to keep,
without their values, and cannot make new ones. Left out: certificates, other scope maps, creating and deleting tokens,
and the time that a change takes to reach the data plane.
Not documented, so chosen here: an update may change the expiry of a password that it keeps, as its fields suggest.

Sources: learn container-registry-token-based-repository-permissions; azure-mgmt-containerregistry 15.0.0;
`az acr token credential delete` (how a password is deleted); Azure/azure-powershell#22104 (none can be added).
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from lab.names import registry_password

PASSWORDS = ("password1", "password2")
STATUSES = ("enabled", "disabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """One of a token's two passwords. Times are in epoch seconds; no expiry (None) means that it never expires."""

    name: str
    value: str = field(repr=False)
    created: float
    expires: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryToken:
    """A token as it is now."""

    name: str
    created: float
    status: str = STATUSES[0]
    passwords: Mapping[str, Password] = field(default_factory=dict)


class UnknownPasswordError(Exception):
    """An update names a password that was never generated. The text is its name."""


class RegistryTokens:
    """The tokens of one container registry."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Start without tokens; `now` is in epoch seconds."""
        self._now = now
        self._tokens: dict[str, RegistryToken] = {}
        # What the scope map lets each of them do, by repository (lab/container_registry/scope_maps_provider.py).
        self.repositories: dict[str, frozenset[str]] = {}

    def deploy(self, name: str, *, password1: str) -> None:
        """Forget all tokens, and make one with a first password that never expires."""
        first = Password(name=PASSWORDS[0], value=password1, created=self._now(), expires=None)
        token = RegistryToken(name=name, created=self._now(), passwords={first.name: first})
        self._tokens = {name.lower(): token}

    def keep(self) -> Callable[[], None]:
        """Keep the tokens and what they may do, and return a function that puts both back."""
        tokens, repositories = dict(self._tokens), dict(self.repositories)

        def put_back() -> None:
            self._tokens, self.repositories = dict(tokens), dict(repositories)

        return put_back

    def find(self, name: str) -> RegistryToken | None:
        """Return a token; its name is compared without case."""
        return self._tokens.get(name.lower())

    def every(self) -> list[RegistryToken]:
        """Return the tokens by name."""
        return [self._tokens[name] for name in sorted(self._tokens)]

    def generate(self, token_name: str, name: str | None, *, expires: float | None) -> list[Password]:
        """Make one new password (None: both) of an existing token, and return what was made."""
        token = self._tokens[token_name.lower()]
        made = [
            Password(name=one, value=registry_password(), created=self._now(), expires=expires)
            for one in (PASSWORDS if name is None else (name,))
        ]
        self._keep(replace(token, passwords={**token.passwords, **{one.name: one for one in made}}))
        return made

    def update(self, token_name: str, *, status: str | None, kept: Mapping[str, float | None] | None) -> RegistryToken:
        """Change what is given of an existing token (None: no change), and return the token.

        kept: the passwords that stay, with their expiries. If one of these does not exist, raise UnknownPasswordError
        and change nothing.
        """
        token = self._tokens[token_name.lower()]
        passwords = token.passwords
        if kept is not None:
            unknown = next((name for name in kept if name not in passwords), None)
            if unknown is not None:
                raise UnknownPasswordError(unknown)
            passwords = {name: replace(passwords[name], expires=expires) for name, expires in kept.items()}
        changed = replace(token, status=status or token.status, passwords=passwords)
        self._keep(changed)
        return changed

    def lets_in(self, name: str, password: str) -> bool:
        """Tell whether a password works now. Here the token's name is compared with case."""
        token = self._tokens.get(name.lower())
        if token is None or token.name != name or token.status != STATUSES[0]:
            return False
        return any(
            hmac.compare_digest(one.value.encode(), password.encode())
            and (one.expires is None or self._now() < one.expires)
            for one in token.passwords.values()
        )

    def _keep(self, token: RegistryToken) -> None:
        self._tokens[token.name.lower()] = token
