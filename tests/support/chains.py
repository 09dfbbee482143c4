"""Chains of certificates that a test builds, and how a signature with one is judged."""

from dataclasses import replace

from runbook_lib.errors import RunbookError
from tests.support.certificate_maker import AUTHORITY, Made, Wanted, make
from tests.support.notary_maker import INTERMEDIATE, LEAF, Chain


def code_of(*certificates: Made | bytes, key: object = LEAF.key, trusted: str | None = None) -> str:
    """Return how a signature with this chain is refused, "" where it is good."""
    chain = Chain(certificates, key)
    try:
        chain.verify(roots=frozenset({trusted}) if trusted else chain.roots)
    except RunbookError as error:
        return error.code
    return ""


def leaf(issuer: Made = INTERMEDIATE, **fields: object) -> Made:
    return make(replace(Wanted(), **fields), issuer=issuer, key=LEAF.key)  # type: ignore[arg-type]


def authority(issuer: Made | None = None, **fields: object) -> Made:
    return make(replace(AUTHORITY, **fields), issuer=issuer)  # type: ignore[arg-type]
