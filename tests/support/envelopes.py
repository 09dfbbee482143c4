"""Envelopes that a test signs, and the verifier's answer to each."""

from typing import Any

import pytest

from runbook_lib.errors import RunbookError
from tests.support.notary_maker import AUTHENTIC_TIME, CHAIN, SCHEME, protected_with

AUTHORITY_SCHEME = protected_with(
    scheme="notary.x509.signingAuthority",
    time=None,
    authentic_time="2026-11-23T00:00:00Z",
    crit=[SCHEME, AUTHENTIC_TIME],
)


def code_of(envelope: bytes, **policy: Any) -> str:
    with pytest.raises(RunbookError) as caught:
        CHAIN.verify(envelope, **policy)
    return caught.value.code
