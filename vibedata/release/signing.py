"""Read the signing key and the chain of a release from the command line and the environment."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from oci.files.reading import MAX_PEM_BYTES, FileRefusedError, read_file
from oci.signing.chain import read_chain
from oci.signing.key_vault import KeyVaultSigner
from oci.signing.notary import Signing
from oci.signing.signers import PemSigner, Signer
from runbook_lib.azure.clients import cryptography_client
from runbook_lib.azure.identity import credential_of
from runbook_lib.basics import addresses
from runbook_lib.basics.clock import Clock
from runbook_lib.errors import build
from runbook_lib.network.retry import NetworkRetryPolicy

KEY = "VIBEDATA_SIGNING_KEY"
CHAIN = "VIBEDATA_SIGNING_CHAIN"
CLIENT_ID = "VIBEDATA_UAMI_CLIENT_ID"
KEY_ID = re.compile(r"https://[^/]+/keys/[0-9A-Za-z-]{1,127}(/[0-9a-f]{32})?")


def add_options(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    """Add --signing-key and --signing-chain. The environment may give them instead."""
    parser.add_argument(
        "--signing-key",
        default=environ.get(KEY, ""),
        metavar="KEY",
        help=f"the id of a key in a Key Vault (https://...), or a PEM file for tests (default: ${KEY})",
    )
    parser.add_argument(
        "--signing-chain",
        default=environ.get(CHAIN, ""),
        metavar="FILE",
        help=f"a PEM file: the key's certificate and those above it, up to the root (default: ${CHAIN})",
    )


def signing(arguments: argparse.Namespace, environ: Mapping[str, str], clock: Clock) -> Signing | None:
    """Return the signing key and chain, None if neither is given.

    Raises RunbookError VD-TRUST-051 (one of them is missing or not usable), -052 (they do not belong together).
    """
    if not arguments.signing_key and not arguments.signing_chain:
        return None
    if not arguments.signing_key or not arguments.signing_chain:
        missing = "key" if arguments.signing_chain else "chain"
        raise build.SIGNING_CHAIN_UNFIT.error(f"the {missing} is not given", target=f"--signing-{missing}")
    chain = read_chain(_read(arguments.signing_chain), now=clock.now())
    if arguments.signing_key.startswith("https://"):
        signer: Signer = _vault_signer(arguments.signing_key, chain.algorithm.name, environ, clock)
    else:
        signer = PemSigner(pem=_read(arguments.signing_key), chain=chain)
    return Signing(chain=chain, signer=signer, clock=clock)


def _vault_signer(key_id: str, algorithm: str, environ: Mapping[str, str], clock: Clock) -> KeyVaultSigner:
    """Return a signer that uses this shell's Azure login, or the managed identity if the environment has one."""
    if not KEY_ID.fullmatch(key_id) or not _is_address(key_id):
        raise build.SIGNING_CHAIN_UNFIT.error("it is not a key's id: https://VAULT/keys/NAME/VERSION", target=key_id)
    identity = credential_of(environ.get(CLIENT_ID, ""), environ, clock=clock)
    client = cryptography_client(key_id, credential=identity, retry_policy_source=NetworkRetryPolicy, clock=clock)
    return KeyVaultSigner(client=client, algorithm=algorithm)


def _is_address(text: str) -> bool:
    try:
        addresses.read(text)
    except addresses.NotAnAddressError:
        return False
    return True


def _read(path: str) -> bytes:
    try:
        return read_file(Path(path), max_bytes=MAX_PEM_BYTES)
    except FileRefusedError as error:
        raise build.SIGNING_CHAIN_UNFIT.error(str(error), target=path) from error
