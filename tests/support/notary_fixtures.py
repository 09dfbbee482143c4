"""The corpus of the Notary Project (tests/fixtures/notation) as a verifier sees it: referrers, and a repository."""

import gzip
import hashlib
import json
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from runbook_lib.errors import RunbookError
from runbook_lib.trust.good_signature import GoodSignature, first_good_signature, read_referrers
from runbook_lib.trust.signature import Subject, TrustPolicy

FOLDER = Path(__file__).parents[1] / "fixtures" / "notation"
# The day after the signatures were made. The README and the expiries show that day.
NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
NOBODY = "CN=nobody"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    verdict: dict[str, Any]

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def subject(self) -> Subject:
        subject = self.verdict["subject"]
        return Subject(media_type=subject["mediaType"], digest=subject["digest"], size=subject["size"])

    @property
    def referrers(self) -> bytes:
        return (self.folder / "referrers.json").read_bytes()

    @property
    def manifests(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.glob("signature*.manifest.json"))]

    @property
    def envelopes(self) -> dict[str, bytes]:
        """The envelope that the repository serves under each digest."""
        served = {}
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith("signature") and path.suffix in (".jws", ".cose", ".gz"):
                named = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                other = path.with_name(path.name + ".served")
                served[digest_of(named)] = other.read_bytes() if other.exists() else named
        return served

    def roots(self, store: str) -> frozenset[str]:
        files = self.verdict["policy"]["trustStores"].get(store, ())
        certificates = [x509.load_pem_x509_certificate((FOLDER / file).read_bytes()) for file in files]
        return frozenset(certificate.fingerprint(hashes.SHA256()).hex() for certificate in certificates)

    def policies(self) -> list[TrustPolicy]:
        """Return the case's policy, once for each trusted name. We have no `*`, so it becomes the names that signed."""
        (wanted,) = self.verdict["policy"]["trustedIdentities"]
        names = self._signers() if wanted == "*" else [wanted.removeprefix("x509.subject: ")]
        return [
            TrustPolicy(roots=self.roots("ca"), identity=name, signing_authority_roots=self.roots("signingAuthority"))
            for name in names
        ]

    def _signers(self) -> list[str]:
        names = set()
        for envelope in self.envelopes.values():
            try:
                leaf = x509.load_der_x509_certificate(b64decode(json.loads(envelope)["header"]["x5c"][0]))
                names.add(leaf.subject.rfc4514_string())
            except (ValueError, LookupError, TypeError):
                names.add(NOBODY)
        return sorted(names) or [NOBODY]

    def verify(self) -> GoodSignature:
        """Return the signature that is good under the case's policy, or raise the first policy's RunbookError."""
        failures = []
        for policy in self.policies():
            try:
                return first_good_signature(
                    read_referrers(self.referrers), source=self, subject=self.subject, policy=policy, now=NOW
                )
            except RunbookError as error:
                failures.append(error)
        raise failures[0]

    def manifest(self, digest: str, max_bytes: int) -> bytes | None:
        """Answer like the registry. It serves its first manifest for a digest that no manifest has."""
        found = self.manifests
        return next((each for each in found if digest_of(each) == digest), found[0])[: max_bytes + 1]

    def blob(self, digest: str, max_bytes: int) -> bytes | None:
        content = self.envelopes.get(digest)
        return None if content is None else content[: max_bytes + 1]


@cache
def cases() -> dict[str, Case]:
    verdicts = json.loads((FOLDER / "verdicts.json").read_text())
    return {name: Case(name, verdict) for name, verdict in verdicts.items()}
