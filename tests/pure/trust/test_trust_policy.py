"""The signers that the policy trusts: anchors, identities, and sources of a signature's time."""

from datetime import timedelta

import pytest

from runbook_lib.errors import RunbookError
from runbook_lib.trust.signature import TrustPolicy
from tests.support.certificate_maker import Wanted, make
from tests.support.envelopes import AUTHORITY_SCHEME, code_of
from tests.support.notary_fixtures import NOW
from tests.support.notary_maker import (
    AUTHENTIC_TIME,
    CHAIN,
    IDENTITY,
    INTERMEDIATE,
    LEAF,
    ROOT,
    SCHEME,
    Chain,
    fingerprint,
)


def test_any_authority_of_the_chain_may_be_the_anchor() -> None:
    for made in (INTERMEDIATE, ROOT):
        assert CHAIN.verify(roots=frozenset({fingerprint(made)})).anchor_fingerprint == fingerprint(made)
    both = frozenset({fingerprint(INTERMEDIATE), fingerprint(ROOT), "0" * 64})
    assert CHAIN.verify(roots=both).anchor_fingerprint == fingerprint(INTERMEDIATE)


@pytest.mark.parametrize(
    "roots",
    [frozenset(), frozenset({"0" * 64}), frozenset({fingerprint(LEAF)}), frozenset({fingerprint(ROOT).upper()})],
)
def test_nothing_else_is_an_anchor(roots: frozenset[str]) -> None:
    assert code_of(CHAIN.sign(), roots=roots) == "VD-TRUST-008"


def test_a_self_signed_leaf_is_its_own_anchor() -> None:
    alone = make(Wanted())
    chain = Chain((alone,), alone.key)
    assert chain.verify().anchor_fingerprint == chain.verify().leaf_fingerprint == fingerprint(alone)


def test_a_signing_authority_is_trusted_apart_and_believed_the_time() -> None:
    begin, end = NOW - timedelta(days=30), NOW - timedelta(days=1)
    leaf = make(Wanted(begin=begin, end=end), issuer=INTERMEDIATE)
    chain = Chain((leaf, INTERMEDIATE, ROOT), leaf.key)
    good, late = (
        chain.sign({**AUTHORITY_SCHEME, AUTHENTIC_TIME: time})
        for time in ("2026-11-20T00:00:00Z", "2026-11-24T00:00:00Z")
    )
    roots = frozenset({fingerprint(ROOT)})
    assert chain.verify(good, roots=frozenset(), signing_authority_roots=roots).algorithm == "ES256"
    for envelope, trusted, code in (
        (late, roots, "VD-TRUST-007"),
        (good, frozenset({"0" * 64}), "VD-TRUST-008"),
        (good, frozenset(), "VD-TRUST-004"),
    ):
        with pytest.raises(RunbookError) as caught:
            chain.verify(envelope, signing_authority_roots=trusted)
        assert caught.value.code == code
    for crit in ([SCHEME], [AUTHENTIC_TIME]):
        header = {**AUTHORITY_SCHEME, AUTHENTIC_TIME: "2026-11-20T00:00:00Z", "crit": crit}
        assert code_of(chain.sign(header), signing_authority_roots=roots) == "VD-TRUST-002"


@pytest.mark.parametrize(
    "identity",
    [
        IDENTITY,
        "C=NL, ST=Noord-Holland, O=Vibedata, CN=Vibedata Release Signing",
        "O=Vibedata,CN=Vibedata Release Signing,C=NL,ST=Noord-Holland",
        "2.5.4.3=Vibedata Release Signing,O=Vibedata,ST=Noord-Holland,C=NL",
        "cn=Vibedata Release Signing,o=Vibedata, St=Noord-Holland,c=NL",
        # As the policy of the request in docs/publishing.md.
        "CN=Vibedata Release Signing, O=Vibedata, S=Noord-Holland, C=NL",
        "c=NL, s=Noord-Holland, o=Vibedata, cn=Vibedata Release Signing",
    ],
)
def test_an_identity_may_be_written_in_many_ways(identity: str) -> None:
    CHAIN.verify(identity=identity)


@pytest.mark.parametrize(
    ("identity", "code"),
    [
        ("O=Vibedata,ST=Noord-Holland,C=NL", "VD-TRUST-009"),
        (f"{IDENTITY},OU=x", "VD-TRUST-009"),
        (f"{IDENTITY},C=NL", "VD-TRUST-009"),
        (IDENTITY.lower(), "VD-TRUST-009"),
        (f"{IDENTITY},S=Noord-Holland", "VD-TRUST-009"),
        ("2.5.4.45=#0304ff", "VD-TRUST-012"),
        (IDENTITY.replace("Vibedata,", "vibedata,"), "VD-TRUST-009"),
        (IDENTITY.replace(",O=", "+O="), "VD-TRUST-009"),
        ("*", "VD-TRUST-012"),
        ("", "VD-TRUST-012"),
        (",", "VD-TRUST-012"),
        ("CN=", "VD-TRUST-012"),
        ("NOBODY=x", "VD-TRUST-012"),
        ("x509.subject: CN=x", "VD-TRUST-012"),
        ("C=NLD", "VD-TRUST-012"),
        ("CN=#zz", "VD-TRUST-012"),
        ("CN=a\\", "VD-TRUST-012"),
        ("CN=\\ff", "VD-TRUST-012"),
        ("\ud800", "VD-TRUST-012"),
        ("CN=\ud800", "VD-TRUST-012"),
    ],
)
def test_an_identity_is_the_whole_subject(identity: str, code: str) -> None:
    assert code_of(CHAIN.sign(), identity=identity) == code


@pytest.mark.parametrize(
    "name",
    ["CN=a\\, b,O=c\\\\", "CN=\\ a\\ ,O=\\#b", "CN=a+OU=b,O=c", "CN=a\\,o=b\\+c=d\\,s,O=e=f", "CN=\\<\u00e9\\>,UID=1"],
)
def test_names_that_need_escapes_match_themselves_alone(name: str) -> None:
    leaf = make(Wanted(name=name), issuer=INTERMEDIATE)
    chain = Chain((leaf, INTERMEDIATE, ROOT), leaf.key)
    found = chain.verify(identity=name)
    assert chain.verify(identity=found.leaf_subject) == found
    with pytest.raises(RunbookError, match="VD-TRUST-009"):
        chain.verify(identity=IDENTITY)


def test_a_nameless_leaf_is_nobodys() -> None:
    leaf = make(Wanted(name=""), issuer=INTERMEDIATE)
    chain = Chain((leaf, INTERMEDIATE, ROOT), leaf.key)
    for identity in (IDENTITY, ""):
        with pytest.raises(RunbookError):
            chain.verify(identity=identity)


def test_the_product_trusts_no_signing_authority_unless_told() -> None:
    assert TrustPolicy(roots=frozenset(), identity="").signing_authority_roots == frozenset()
