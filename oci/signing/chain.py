"""Read the certificates of a signing key, from leaf to root, and check them by the verifier's own rules.

So nobody signs a release that every customer would refuse. The checks and messages are those of runbook_lib's verifier.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.errors import RunbookError, build
from runbook_lib.trust import certificates as notary_certificates
from runbook_lib.trust.algorithms import Algorithm, key_algorithm
from runbook_lib.trust.certificates import Certificate, check_chain, check_validity

_HASHES: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningChain:
    """A leaf, the certificates between, and the self-signed root. `algorithm` is that of the leaf's key."""

    certificates: tuple[Certificate, ...]
    algorithm: Algorithm

    @property
    def leaf(self) -> Certificate:
        """The certificate of the signing key."""
        return self.certificates[0]

    @property
    def hash(self) -> hashes.HashAlgorithm:
        """The hash of the algorithm."""
        return _HASHES[self.algorithm.hash_bits]

    @property
    def valid_until(self) -> datetime:
        """The time when the first certificate ends. The signature is good until then."""
        return min(certificate.end for certificate in self.certificates)


def read_chain(pem: bytes, *, now: datetime) -> SigningChain:
    """Return the chain in a PEM file's bytes: leaf first, root last.

    Every certificate must be valid at `now` (aware). Raises RunbookError VD-TRUST-051, which names certificate and
    rule.
    """
    try:
        found = [certificate.public_bytes(Encoding.DER) for certificate in x509.load_pem_x509_certificates(pem)]
    except (ValueError, x509.InvalidVersion) as error:
        raise build.SIGNING_CHAIN_UNFIT.error("no certificates can be read in it") from error
    try:
        chain = notary_certificates.read_chain(found)
        check_chain(chain)
        check_validity(chain, now)
        return SigningChain(certificates=chain, algorithm=key_algorithm(chain[0]))
    except RunbookError as error:
        raise build.SIGNING_CHAIN_UNFIT.error(f"{error.message} ({error.code})") from error
