"""What signs a release, as the command line and the environment say."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from oci.notary_sign import Signing
from oci.signers import PemSigner
from oci.signing_chain import read_chain
from runbook_lib.clock import Clock
from runbook_lib.errors import RunbookError

KEY = "VIBEDATA_SIGNING_KEY"
CHAIN = "VIBEDATA_SIGNING_CHAIN"


def add_options(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    """Add --signing-key and --signing-chain, which the environment may stand in for."""
    parser.add_argument(
        "--signing-key",
        default=environ.get(KEY, ""),
        metavar="KEY",
        help=f"PEM file of the key that signs (default: ${KEY})",
    )
    parser.add_argument(
        "--signing-chain",
        default=environ.get(CHAIN, ""),
        metavar="FILE",
        help=f"PEM file of its certificates, from the key's own to the root (default: ${CHAIN})",
    )


def signing(arguments: argparse.Namespace, clock: Clock) -> Signing | None:
    """Return what signs, None where neither key nor chain is given.

    Raises RunbookError VD-TRUST-051 (one of them is missing or not usable), -052 (they do not belong together).
    """
    if not arguments.signing_key and not arguments.signing_chain:
        return None
    if not arguments.signing_key or not arguments.signing_chain:
        missing = "key" if arguments.signing_chain else "chain"
        raise RunbookError("VD-TRUST-051", f"the {missing} is not given", target=f"--signing-{missing}")
    chain = read_chain(_read(arguments.signing_chain), now=clock.now())
    return Signing(chain=chain, signer=PemSigner(pem=_read(arguments.signing_key), chain=chain), clock=clock)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RunbookError("VD-TRUST-051", f"it cannot be read: {error.strerror}", target=path) from error
