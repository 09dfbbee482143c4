"""Access tokens as Entra issues them: RS256 JWTs with the v1.0 claims that Azure services read."""

import base64
import hashlib
import uuid
from collections.abc import Collection
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from lab.clock import LabClock

# Managed identities' tokens live a day, other v1.0 access tokens 60 to 90 minutes (learn access-tokens, "lifetime").
MANAGED_IDENTITY_LIFETIME_SECONDS = 24 * 3600
APPLICATION_LIFETIME_SECONDS = 3600
# Clients cache a token until shortly before it expires, so a service sees few different ones.
VERIFIED_CACHE_ENTRIES = 1024
KEY_BITS = 2048
# A claim in the tokens of a job's sandbox. No Azure service reads it.
SANDBOX_CLAIM = "xms_lab_sandbox"


class TokenRefused(Exception):  # noqa: N818 - an answer to the client, not a fault of the lab
    """A service must answer a token with 401. `reason` says why, for the service's own error body."""

    def __init__(self, reason: str) -> None:
        """Keep `reason`, one sentence."""
        super().__init__(reason)
        self.reason = reason


class TokenIssuer:
    """Signs and verifies the tokens of one tenant."""

    def __init__(self, *, clock: LabClock, tenant_id: str) -> None:
        """Make a signing key of its own; tokens of another lab or an earlier run are refused."""
        self._clock = clock
        self.tenant_id = tenant_id
        self.issuer = f"https://sts.windows.net/{tenant_id}/"
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        self._public_key = self._key.public_key()
        modulus = self._public_key.public_numbers().n
        self._modulus = modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")
        self.key_id = _base64url(hashlib.sha256(self._modulus).digest()[:20])
        self._verified: dict[str, dict[str, Any]] = {}

    def issue(
        self, audience: str, subject: str, lifetime_seconds: float = APPLICATION_LIFETIME_SECONDS, **claims: object
    ) -> str:
        """Return a signed token.

        `audience` is the resource as the client asked for it. `subject` is the principal's object id (also `oid`).
        `claims` are added (`appid` names the client) and replace the ordinary ones, e.g. `exp` for a token that a real
        server checks by its own clock.
        """
        now = int(self._clock.now())
        payload: dict[str, object] = {
            "aud": audience,
            "iss": self.issuer,
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime_seconds),
            "oid": subject,
            "sub": subject,
            "tid": self.tenant_id,
            "ver": "1.0",
            "uti": uuid.uuid4().hex,
        }
        payload.update(claims)
        return jwt.encode(payload, self._key, algorithm="RS256", headers={"kid": self.key_id, "x5t": self.key_id})

    def verify(self, token: str, audiences: Collection[str]) -> dict[str, Any]:
        """Return the claims after a check of signature, issuer, validity by the lab's clock, and audience.

        Raises TokenRefused if one of them is wrong. A trailing slash of an audience does not count, as in Azure.
        """
        claims = self._verified.get(token)
        if claims is None:
            claims = self._check_signature(token)
            if len(self._verified) >= VERIFIED_CACHE_ENTRIES:
                self._verified.clear()
            self._verified[token] = claims
        now = self._clock.now()
        if claims["exp"] <= now:
            raise TokenRefused("The access token has expired.")
        if claims["nbf"] > now + 300:  # the usual allowance for clock skew
            raise TokenRefused("The access token is not valid yet.")
        if str(claims["aud"]).rstrip("/") not in {audience.rstrip("/") for audience in audiences}:
            raise TokenRefused(
                f"The access token has been obtained for the wrong audience or resource '{claims['aud']}'."
            )
        return claims

    def _check_signature(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self._public_key,
                algorithms=["RS256"],
                issuer=self.issuer,
                # `verify` checks these by the lab's clock and with the service's own audiences.
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "require": ["exp", "nbf", "aud", "oid"],
                },
            )
        except jwt.InvalidTokenError as error:
            raise TokenRefused(f"The access token is invalid: {error}.") from error

    def keys(self) -> dict[str, object]:
        """Return the JSON Web Key Set that Entra serves at `discovery/v2.0/keys`."""
        exponent = self._public_key.public_numbers().e.to_bytes(3, "big")
        return {
            "keys": [
                {
                    "kty": "RSA",
                    "use": "sig",
                    "alg": "RS256",
                    "kid": self.key_id,
                    "x5t": self.key_id,
                    "n": _base64url(self._modulus),
                    "e": _base64url(exponent),
                }
            ]
        }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
