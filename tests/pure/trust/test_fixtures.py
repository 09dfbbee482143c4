"""Every case of the Notary Project's corpus (tests/fixtures/notation): its verdict, and our reason for each refusal."""

from collections.abc import Iterator

import pytest

from runbook_lib.errors import RunbookError
from tests.support.notary_fixtures import Case, cases

# Features that we do not have. A case that needs one is refused, whatever notation says ("requires", in the corpus's
# README).
LACKED = {"cose", "level", "userMetadata"}

# The code of each refusal. If the name of a case does not begin with `negative/` in the corpus, it has a `+` here.
REFUSALS = {
    "VD-TRUST-001": "referrer-other-artifact-type referrers-empty",
    "VD-TRUST-002": """
        annotations-not-strings b64-newline-in-payload-signed b64-newline-in-signature b64-padded-payload-signed
        b64-padded-signature b64-space-in-payload b64-standard-alphabet b64-trailing-bits case-variant-member
        crit-duplicate crit-empty crit-missing crit-nonstring crit-string cty-missing cty-wrong dup-payload-first-good
        dup-signature-first-good empty-envelope expiry-before-signing expiry-critical-absent expiry-equals-signing
        expiry-malformed expiry-not-critical general-serialization header-missing json-big-number json-bom json-null
        json-trailing-object large-8mib layer-size-declared-huge layers-none layers-two manifest-no-subject
        payload-case-variant payload-dup-digest-first-good payload-dup-target-last-good payload-empty payload-no-target
        payload-not-json payload-trailing-data protected-dup-alg-first-good referrer-is-index
        referrer-type-in-index-only scheme-signing-authority-with-signing-time scheme-x509-with-authentic-time
        subject-digest-uppercase subject-media-type-missing subject-sha512 subject-size-bool subject-size-float
        subject-size-negative subject-size-string time-date-only time-hour-24 time-lowercase time-space time-zero
        x5c-empty x5c-pem x5c-string""",
    "VD-TRUST-003": """
        +es256-cose +es384-cose +ps256-cose +ps384-cose layer-media-type-cose-for-jws layer-media-type-jose""",
    "VD-TRUST-004": """
        alg-es384-p256 alg-hs256 alg-lowercase alg-none-with-signature crit-signing-time plugin-not-critical
        scheme-missing-everywhere scheme-signing-authority-ca-store scheme-unknown scheme-uppercase""",
    "VD-TRUST-005": """
        es256-zero-signature layer-bytes-differ-good layer-size-wrong level-audit-tampered manifest-digest-differs
        ps256-salt-zero signature-empty tamper-payload-byte tamper-protected-byte""",
    "VD-TRUST-006": """
        cert-ed25519 cert-eku-any cert-eku-ocsp cert-eku-serverauth cert-intermediate-ku-missing
        cert-intermediate-not-ca cert-issuer-name-mismatch cert-ku-no-digital-signature cert-ku-not-critical
        cert-leaf-ca cert-root-pathlen-exceeded cert-rsa1024 cert-rsa2304 cert-selfsigned-other-issuer
        cert-selfsigned-then-root cert-sha1 x5c-extra-unrelated x5c-garbage-intermediate x5c-leaf-only
        x5c-leaf-trailing-bytes x5c-missing-intermediate x5c-missing-root x5c-root-twice x5c-tampered-leaf""",
    "VD-TRUST-007": "level-permissive-expired-cert",
    "VD-TRUST-008": "cert-root-reissued trust-leaf-only",
    "VD-TRUST-009": "identity-case-mismatch identity-of-issuer",
    "VD-TRUST-010": "+es256-jws-expired-24h +es256-jws-expired-cli expiry-fractional-past",
    "VD-TRUST-011": """
        manifest-other-subject replayed-on-other-subject subject-wrong-digest subject-wrong-media-type
        subject-wrong-size""",
    "VD-TRUST-013": "two-bad",
}
# Cases for which the corpus allows several answers, and we differ from its first one. docs/trust.md gives the reasons.
DIFFERENT = {
    "negative/agent-number": "accept",
    "negative/b64-trailing-bits": "reject",
    "negative/json-big-number": "reject",
    "negative/large-8mib": "reject",
    "negative/manifest-no-subject": "reject",
    "negative/manifest-other-subject": "reject",
    "negative/referrer-type-in-index-only": "reject",
}


def refusals() -> Iterator[tuple[str, str]]:
    for code, names in REFUSALS.items():
        for name in names.split():
            yield (name[1:] if name.startswith("+") else f"negative/{name}"), code


def answer(case: Case) -> tuple[str, str]:
    if "userMetadata" in case.verdict.get("requires", ()):
        return "reject", ""  # nobody can demand it, so a case that needs it must be refused
    try:
        case.verify()
    except RunbookError as error:
        return "reject", error.code
    return "accept", ""


def wanted(case: Case) -> str:
    if LACKED & set(case.verdict.get("requires", ())) and case.name != "jws-and-cose":
        return "reject"
    expected: str = case.verdict["expected"]
    return DIFFERENT.get(case.name, expected)


@pytest.mark.parametrize("name", cases())
def test_a_case_is_answered_as_it_must_be(name: str) -> None:
    case = cases()[name]
    assert answer(case) == (wanted(case), dict(refusals()).get(name, ""))


def test_all_cases_are_here_and_we_differ_only_where_there_is_room() -> None:
    assert len(cases()) == 168
    assert all(cases()[name].verdict["either_ok"] for name in DIFFERENT)
    assert {name for name, _ in refusals()} <= cases().keys()
