"""Sign test releases as the Notary Project says (JWS envelope), with the tests' own certificates.

This does not depend on the code that builds or verifies releases. It uses only the tests' certificates of this project,
so we cannot make the same mistake on both sides. Source: notaryproject/specifications, signature-envelope-jws.md.
"""

import functools
import hashlib
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificate_maker import AUTHORITY, Made, Wanted, make

SIGNATURE_TYPE = "application/vnd.cncf.notary.signature"
ENVELOPE_TYPE = "application/jose+json"
SCHEME = "io.cncf.notary.signingScheme"
TIME = "io.cncf.notary.signingTime"
EXPIRY = "io.cncf.notary.expiry"
ROOTS_VARIABLE = "VIBEDATA_TRUST_ROOTS"
IDENTITY_VARIABLE = "VIBEDATA_TRUSTED_IDENTITY"
IDENTITY = Wanted().name
DAY = timedelta(days=1)


def descriptor(manifest: bytes) -> dict[str, Any]:
    """Return the descriptor of an OCI manifest. A signer signs this descriptor."""
    media_type = json.loads(manifest)["mediaType"]
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
    return {"mediaType": media_type, "digest": digest, "size": len(manifest)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSigner:
    """A code signer: its leaf (EC P-256) and the root that issued it."""

    leaf: Made
    root: Made

    @property
    def leaf_fingerprint(self) -> str:
        return self.leaf.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def root_fingerprint(self) -> str:
        return self.root.certificate.fingerprint(hashes.SHA256()).hex()

    def environment(self) -> dict[str, str]:
        """Return the settings with which a runbook trusts only this signer."""
        return {
            ROOTS_VARIABLE: self.root_fingerprint,
            IDENTITY_VARIABLE: self.leaf.certificate.subject.rfc4514_string(),
        }

    def envelope(
        self,
        subject: Mapping[str, Any],
        *,
        signing_time: datetime | None = None,
        expiry: datetime | None = None,
        headers: Mapping[str, object] | None = None,
    ) -> bytes:
        """Return a signature over the descriptor `subject`.

        signing_time: default now. expiry: when the signature expires (default: never). headers: protected headers that
        replace the usual ones.
        """
        protected: dict[str, object] = {
            "alg": "ES256",
            "crit": [SCHEME] if expiry is None else [SCHEME, EXPIRY],
            "cty": "application/vnd.cncf.notary.payload.v1+json",
            SCHEME: "notary.x509",
            TIME: _rfc3339(signing_time or datetime.now(timezone.utc)),
        }
        if expiry is not None:
            protected[EXPIRY] = _rfc3339(expiry)
        parts = [_base64url(json.dumps(part).encode()) for part in (protected | dict(headers or {}), _payload(subject))]
        chain = [made.certificate.public_bytes(Encoding.DER) for made in (self.leaf, self.root)]
        signed = {"payload": parts[1], "protected": parts[0], "signature": _base64url(self._sign(".".join(parts)))}
        return json.dumps({**signed, "header": {"x5c": [b64encode(each).decode() for each in chain]}}).encode()

    def _sign(self, text: str) -> bytes:
        assert isinstance(self.leaf.key, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(self.leaf.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def new_signer(
    *, name: str = IDENTITY, begin: datetime | None = None, end: datetime | None = None, root: Made | None = None
) -> ReleaseSigner:
    """Return a signer of that name. Its leaf is valid from `begin` (default: a day ago) to `end` (default: in years).

    root: issues the leaf (default: a new root).
    """
    now = datetime.now(timezone.utc).replace(microsecond=0)
    begin, end = begin or now - DAY, end or now + 3650 * DAY
    root = root or make(replace(AUTHORITY, begin=min(begin, now - DAY), end=max(end, now + 3650 * DAY)))
    leaf = make(Wanted(name=name, begin=begin, end=end), issuer=root)
    return ReleaseSigner(leaf=leaf, root=root)


@functools.cache
def usual_signer() -> ReleaseSigner:
    """Return the signer that tests use by default."""
    return new_signer()


def trusting(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a lab's environment in which runbooks also trust the usual signer, besides the root that the lab pins."""
    own = usual_signer().environment()
    assert environment.get(IDENTITY_VARIABLE, IDENTITY) == IDENTITY, "both need the same name: one identity is pinned"
    roots = [root for root in (environment.get(ROOTS_VARIABLE), own[ROOTS_VARIABLE]) if root]
    return {**environment, **own, ROOTS_VARIABLE: ",".join(roots)}


def _payload(subject: Mapping[str, Any]) -> dict[str, object]:
    return {"targetArtifact": {name: subject[name] for name in ("mediaType", "digest", "size")}}


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
