"""Find out which signer `vibedata verify`, `verify-release` and `push` trust.

The options name the signer. Without these options, environment variables name it.
"""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from oci.files.reading import MAX_PEM_BYTES, FileRefusedError, read_file
from runbook_lib.errors import build, trust
from runbook_lib.trust.signature import TrustPolicy

ROOTS = "VIBEDATA_TRUST_ROOTS"
IDENTITY = "VIBEDATA_TRUSTED_IDENTITY"
# A deployment takes the same number of roots. There are two while the publisher changes its root.
MAX_ROOTS = 2
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def add_options(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    """Add --trust-root and --identity."""
    parser.add_argument(
        "--trust-root",
        action="append",
        default=[],
        metavar="ROOT",
        help=f"a PEM file of a trusted certificate, or its SHA-256 in hex; give it at most twice (default: ${ROOTS})",
    )
    parser.add_argument(
        "--identity",
        default=environ.get(IDENTITY, ""),
        metavar="SUBJECT",
        help=f"the subject of the signing certificate, as RFC 4514 or openssl writes it (default: ${IDENTITY})",
    )


def policy(arguments: argparse.Namespace, environ: Mapping[str, str]) -> TrustPolicy:
    """Return the roots and the identity to trust.

    Raises RunbookError VD-TRUST-030 (nobody is pinned), -056 (a root is not a certificate, or there are too many).
    """
    given = arguments.trust_root or [root for root in environ.get(ROOTS, "").split(",") if root]
    missing = [name for name, value in (("--trust-root", given), ("--identity", arguments.identity)) if not value]
    if missing:
        remedy = (
            f"Give --trust-root and --identity, or set {ROOTS} and {IDENTITY}. For the lab: `source .lab/lab.env`."
            " Use the values that came with the deployment, never values that came with a release."
        )
        raise trust.NOBODY_TRUSTED.error(f"{' and '.join(missing)} not given", remedy=remedy)
    if len(given) > MAX_ROOTS:
        raise build.VERIFICATION_UNCLEAR.error(f"{len(given)} trusted certificates; at most {MAX_ROOTS}")
    return TrustPolicy(roots=frozenset(map(_fingerprint, given)), identity=arguments.identity)


def _fingerprint(root: str) -> str:
    # openssl and Windows write capitals, and openssl writes a colon after each byte.
    fingerprint = root.replace(":", "").lower()
    if _FINGERPRINT.fullmatch(fingerprint):
        return fingerprint
    try:
        (certificate,) = x509.load_pem_x509_certificates(read_file(Path(root), max_bytes=MAX_PEM_BYTES))
    except FileRefusedError as error:
        raise build.VERIFICATION_UNCLEAR.error(str(error), target=root) from error
    except (ValueError, x509.InvalidVersion) as error:
        raise build.VERIFICATION_UNCLEAR.error("it is no PEM file of one certificate", target=root) from error
    return certificate.fingerprint(hashes.SHA256()).hex()
