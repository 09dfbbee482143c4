"""The rules of a signature beyond the corpus: its form, its attributes, its payload, and time."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from runbook_lib.errors import RunbookError
from runbook_lib.trust.envelope import JWS, MAX_ENVELOPE_BYTES
from runbook_lib.trust.signature import TrustPolicy, verify_envelope
from tests.support.envelopes import AUTHORITY_SCHEME, code_of
from tests.support.notary_fixtures import NOW
from tests.support.notary_maker import (
    CHAIN,
    EXPIRY,
    IDENTITY,
    LEAF,
    PROTECTED,
    ROOT,
    SCHEME,
    SUBJECT,
    TARGET,
    TIME,
    Chain,
    base64url,
    fingerprint,
    protected_with,
)
from tests.support.release_signer import usual_signer


def test_a_good_signature_says_who_made_it_when() -> None:
    found = CHAIN.verify(CHAIN.sign(protected_with(expiry="2026-12-01T00:00:00.5+01:00", crit=[EXPIRY, SCHEME])))
    assert found.algorithm == "ES256"
    assert found.leaf_subject == IDENTITY
    assert found.leaf_fingerprint == fingerprint(LEAF)
    assert found.anchor_fingerprint == fingerprint(ROOT)
    assert found.signing_time == datetime(2026, 11, 23, tzinfo=timezone.utc)
    assert found.expiry == datetime(2026, 11, 30, 23, 0, 0, 500_000, tzinfo=timezone.utc)


PASSED = (
    "the envelope and its certificates can be read (steps 3.1 to 3.3)",
    "the key of its certificate made it (step 3.5)",
    "its chain of certificates is complete (step 4.1.1)",
    f"its chain leads to the trusted certificate {fingerprint(ROOT)} (step 4.1.2)",
    "it was made by the trusted identity (step 4.1.4)",
    "it has not expired (step 5.1)",
    "its certificates are valid (step 6.2)",
)


@pytest.mark.parametrize(
    ("envelope", "policy", "code", "steps"),
    [
        (CHAIN.sign(protected_with(alg="ES384")), {}, "VD-TRUST-004", 1),
        (json.dumps({**json.loads(CHAIN.sign()), "payload": "eHh4"}).encode(), {}, "VD-TRUST-005", 1),
        (Chain((LEAF, ROOT), LEAF.key).sign(), {}, "VD-TRUST-006", 2),
        (CHAIN.sign(), {"roots": frozenset({"0" * 64})}, "VD-TRUST-008", 3),
        (CHAIN.sign(), {"identity": "CN=Another,O=Vibedata,ST=Utrecht,C=NL"}, "VD-TRUST-009", 4),
        (CHAIN.sign(protected_with(expiry="2026-11-23T12:00:00Z", crit=[EXPIRY, SCHEME])), {}, "VD-TRUST-010", 5),
        (CHAIN.sign(payload={}), {}, "VD-TRUST-002", 7),
    ],
)
def test_a_refusal_says_who_signed_and_how_far_it_came(
    envelope: bytes, policy: dict[str, Any], code: str, steps: int
) -> None:
    with pytest.raises(RunbookError) as caught:
        CHAIN.verify(envelope, **policy)
    assert caught.value.code == code
    (signer,) = caught.value.signers
    assert (signer.subject, signer.fingerprint) == (IDENTITY, fingerprint(LEAF))
    assert signer.passed == PASSED[:steps]


def test_a_refusal_of_what_cannot_be_read_names_nobody() -> None:
    for envelope in (b"{", CHAIN.sign(header={"x5c": [""]})):
        with pytest.raises(RunbookError) as caught:
            CHAIN.verify(envelope)
        assert caught.value.signers == ()


@pytest.mark.parametrize(
    "envelope",
    [
        CHAIN.sign(further={"member": [1]}),  # RFC 7515, 7.2.1: ignored
        CHAIN.sign(header={"io.cncf.notary.signingAgent": 7, "x": {"y": [None]}, EXPIRY: "1999-01-01T00:00:00Z"}),
        CHAIN.sign(protected_with(typ="JOSE", kid="x", b64=False)),
        CHAIN.sign(payload={"targetArtifact": {**TARGET, "annotations": {}, "urls": [1], "x": None}, "more": 1}),
        CHAIN.sign(json.dumps(PROTECTED, indent=8).encode()),
        CHAIN.sign(protected_with(time="2026-11-23T23:59:59.123456789123-23:59")),
        CHAIN.sign(protected_with(time="2999-12-31T00:00:00Z")),
        b" \n" + CHAIN.sign() + b"\t\n",
    ],
)
def test_what_is_good_in_spite_of_its_looks(envelope: bytes) -> None:
    assert CHAIN.verify(envelope).leaf_subject == IDENTITY


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        (CHAIN.sign(signatures=[]), "VD-TRUST-002"),
        (CHAIN.sign(b"null"), "VD-TRUST-002"),
        (json.dumps({**json.loads(CHAIN.sign()), "payload": "eHh4"}).encode(), "VD-TRUST-005"),
        (CHAIN.sign(signature="é"), "VD-TRUST-002"),
        (json.dumps({**json.loads(CHAIN.sign()), "payload": "é"}, ensure_ascii=False).encode(), "VD-TRUST-002"),
        (json.dumps({**json.loads(CHAIN.sign()), "payload": "\u0661" * 4}).encode(), "VD-TRUST-002"),
        (json.dumps({**json.loads(CHAIN.sign()), "protected": {}}).encode(), "VD-TRUST-002"),
        (CHAIN.sign(Payload="e30"), "VD-TRUST-002"),
        (CHAIN.sign(header={"X5C": []}), "VD-TRUST-002"),
        (CHAIN.sign(header={"alg": "ES256"}), "VD-TRUST-002"),  # RFC 7515, 4: in one of both
        (CHAIN.sign(header={"crit": [SCHEME]}), "VD-TRUST-002"),
        (CHAIN.sign(header={"x5c": [""]}), "VD-TRUST-006"),
        (CHAIN.sign(header={"x5c": [None]}), "VD-TRUST-002"),
        (CHAIN.sign(header={"x5c": {}}), "VD-TRUST-002"),
        (CHAIN.sign(header={"x": "y" * MAX_ENVELOPE_BYTES}), "VD-TRUST-002"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "VD-TRUST-002"),
        (CHAIN.sign(further=json.loads("[" * 20 + "]" * 20)), "VD-TRUST-002"),
        (CHAIN.sign(further=float("nan")), "VD-TRUST-002"),
        (CHAIN.sign().decode().encode("utf-16"), "VD-TRUST-002"),
        (CHAIN.sign().replace(b'"header"', b'"he\\u0061der"'), ""),
        (b"[" + CHAIN.sign() + b"]", "VD-TRUST-002"),
        (b'"' + b"." * 40 + b'"', "VD-TRUST-002"),
        (b"a.b.c", "VD-TRUST-002"),
    ],
)
def test_the_form_of_an_envelope(envelope: bytes, code: str) -> None:
    if code:
        assert code_of(envelope) == code
    else:
        CHAIN.verify(envelope)


@pytest.mark.parametrize(
    ("media_type", "code"),
    [
        ("application/cose", "VD-TRUST-003"),
        ("application/jose", "VD-TRUST-003"),
        ("application/JOSE+json", "VD-TRUST-003"),
        ("application/jose+json; charset=utf-8", "VD-TRUST-003"),
        ("", "VD-TRUST-003"),
    ],
)
def test_only_jws_is_read(media_type: str, code: str) -> None:
    with pytest.raises(RunbookError) as caught:
        verify_envelope(CHAIN.sign(), media_type, subject=SUBJECT, policy=CHAIN.policy(), now=NOW)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("protected", "code"),
    [
        (protected_with(alg=None), "VD-TRUST-002"),
        (protected_with(alg=["ES256"]), "VD-TRUST-002"),
        (protected_with(alg="ES256 "), "VD-TRUST-004"),
        (protected_with(alg="RS256"), "VD-TRUST-004"),
        (protected_with(alg="PS256"), "VD-TRUST-004"),
        (protected_with(alg=""), "VD-TRUST-004"),
        (protected_with(ALG="none"), "VD-TRUST-002"),
        (protected_with(cty="application/vnd.cncf.notary.payload.v1+json "), "VD-TRUST-002"),
        (protected_with(cty="application/vnd.cncf.notary.payload.v2+json"), "VD-TRUST-002"),
        (protected_with(cty=1), "VD-TRUST-002"),
        # crit: RFC 7515, 4.1.11
        (protected_with(crit={SCHEME: 1}), "VD-TRUST-002"),
        (protected_with(crit=[SCHEME, "absent"]), "VD-TRUST-002"),
        (protected_with(crit=[SCHEME, "known"], known=1), "VD-TRUST-004"),
        (protected_with(crit=["known"], known=1), "VD-TRUST-004"),
        (protected_with(crit=[SCHEME, "alg"]), "VD-TRUST-004"),
        (protected_with(crit=[SCHEME, "cty"]), "VD-TRUST-004"),
        (protected_with(crit=[SCHEME, "crit"]), "VD-TRUST-004"),
        (protected_with(crit=[SCHEME, "b64"], b64=True), "VD-TRUST-004"),
        (protected_with(crit=[SCHEME, TIME]), "VD-TRUST-004"),
        (protected_with(crit=[SCHEME, SCHEME]), "VD-TRUST-002"),
        (protected_with(crit=[SCHEME, None]), "VD-TRUST-002"),
        (protected_with(crit=[SCHEME.upper()]), "VD-TRUST-002"),
        (protected_with(crit=[EXPIRY], expiry="2027-01-01T00:00:00Z"), "VD-TRUST-002"),
        # plugins
        (protected_with(**{"io.cncf.notary.verificationPlugin": "x"}), "VD-TRUST-004"),
        (protected_with(**{"io.cncf.notary.verificationPluginMinVersion": "1.0.0"}), "VD-TRUST-004"),
        # schemes
        (protected_with(scheme=["notary.x509"]), "VD-TRUST-004"),
        (protected_with(scheme="notary.x509 "), "VD-TRUST-004"),
        (protected_with(authentic_time="2026-11-23T00:00:00Z"), "VD-TRUST-002"),
        (protected_with(authentic_time="x"), "VD-TRUST-002"),
        (AUTHORITY_SCHEME, "VD-TRUST-004"),  # the product trusts no signing authority
        # times: RFC 3339
        (protected_with(time=None), "VD-TRUST-002"),
        (protected_with(time=1), "VD-TRUST-002"),
        (protected_with(time=""), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00:00"), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00Z"), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00:00.Z"), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00:00,5Z"), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00:00Z\n"), "VD-TRUST-002"),
        (protected_with(time=" 2026-11-23T00:00:00Z"), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00:00+0200"), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00:00+02"), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00:00+24:00"), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00:00+02:60"), "VD-TRUST-002"),
        (protected_with(time="2026-11-23T00:00:60Z"), "VD-TRUST-002"),
        (protected_with(time="2026-02-29T00:00:00Z"), "VD-TRUST-002"),
        (protected_with(time="2026-13-01T00:00:00Z"), "VD-TRUST-002"),
        (protected_with(time="0000-01-01T00:00:00Z"), "VD-TRUST-002"),
        (protected_with(time="0001-01-01T00:00:00+02:00"), "VD-TRUST-002"),
        (protected_with(time="0001-01-01T02:00:00+02:00"), "VD-TRUST-002"),
        (protected_with(time="9999-12-31T23:59:59-00:01"), "VD-TRUST-002"),
        (protected_with(time="20261123T000000Z"), "VD-TRUST-002"),
        (protected_with(time="2026-W48-1T00:00:00Z"), "VD-TRUST-002"),
        (protected_with(time="\u0662026-11-23T00:00:00Z"), "VD-TRUST-002"),
        (protected_with(expiry="", crit=[SCHEME, EXPIRY]), "VD-TRUST-002"),
        (protected_with(crit=[SCHEME, EXPIRY], expiry="2026-11-23T00:00:00.0000001Z"), "VD-TRUST-002"),
        (b"", "VD-TRUST-002"),
        (b"[]", "VD-TRUST-002"),
        (b"{}", "VD-TRUST-002"),
        (json.dumps(PROTECTED).encode() + b"{}", "VD-TRUST-002"),
        (b"\xef\xbb\xbf" + json.dumps(PROTECTED).encode(), "VD-TRUST-002"),
    ],
)
def test_a_protected_header_that_is_refused(protected: Any, code: str) -> None:
    assert code_of(CHAIN.sign(protected)) == code


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:32] + b"\0" + raw[32:],
        lambda raw: b"\0" + raw[:32] + b"\0" + raw[32:],
        lambda raw: raw + b"\0",
        lambda raw: raw[:31] + raw[32:],
        lambda raw: raw[32:] + raw[:32],
        lambda raw: bytes(32) + raw[32:],
        lambda raw: raw[:32] + bytes(32),
        lambda raw: raw[:0],
        lambda raw: encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
    ],
)
def test_an_ecdsa_signature_is_two_numbers_of_fixed_length(change: Callable[[bytes], bytes]) -> None:
    genuine = json.loads(CHAIN.sign())
    signature = base64url(change(urlsafe_b64decode(genuine["signature"] + "==")))
    assert code_of(json.dumps({**genuine, "signature": signature}).encode()) == "VD-TRUST-005"


def test_a_high_s_is_as_good_as_a_low_one() -> None:
    genuine = json.loads(CHAIN.sign())
    raw = urlsafe_b64decode(genuine["signature"] + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    CHAIN.verify(json.dumps({**genuine, "signature": base64url(other)}).encode())


def test_expiry_null_is_not_no_expiry() -> None:
    header = {**PROTECTED, EXPIRY: None}
    assert code_of(CHAIN.sign(json.dumps(header).encode())) == "VD-TRUST-002"
    assert code_of(CHAIN.sign(json.dumps({**header, "crit": [SCHEME, EXPIRY]}).encode())) == "VD-TRUST-002"


@pytest.mark.parametrize(("seconds", "good"), [(-0.000001, False), (0, False), (0.000001, True)])
def test_a_signature_expires_at_its_expiry(seconds: float, good: bool) -> None:
    expiry = (NOW + timedelta(seconds=seconds)).isoformat()
    envelope = CHAIN.sign(protected_with(crit=[SCHEME, EXPIRY], expiry=expiry))
    if good:
        CHAIN.verify(envelope)
    else:
        assert code_of(envelope) == "VD-TRUST-010"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ({**TARGET, "digest": "sha256:" + "b" * 64}, "VD-TRUST-011"),
        ({**TARGET, "size": 507}, "VD-TRUST-011"),
        ({**TARGET, "mediaType": TARGET["mediaType"] + " "}, "VD-TRUST-011"),  # type: ignore[operator]
        ({**TARGET, "digest": "sha256:" + "a" * 63}, "VD-TRUST-002"),
        ({**TARGET, "digest": "sha256:" + "a" * 64 + "\n"}, "VD-TRUST-002"),
        ({**TARGET, "size": 506.0}, "VD-TRUST-002"),
        ({**TARGET, "size": "506"}, "VD-TRUST-002"),
        ({**TARGET, "size": None}, "VD-TRUST-002"),
        ({**TARGET, "Size": 506}, "VD-TRUST-002"),
        ({**TARGET, "annotations": None}, "VD-TRUST-002"),
        ({**TARGET, "annotations": []}, "VD-TRUST-002"),
        ([TARGET], "VD-TRUST-002"),
        (None, "VD-TRUST-002"),
        ({}, "VD-TRUST-002"),
    ],
)
def test_the_payload_is_the_artifact_and_nothing_near_it(target: Any, code: str) -> None:
    assert code_of(CHAIN.sign(payload={"targetArtifact": target})) == code


def test_a_second_target_in_another_case_is_refused() -> None:
    assert code_of(CHAIN.sign(payload={"targetArtifact": TARGET, "TargetArtifact": TARGET})) == "VD-TRUST-002"


def test_what_another_signer_makes_is_good() -> None:
    """The tests' release signer has no common code with the verifier, or with the code that made the signatures
    above.
    """
    signer = usual_signer()
    policy = TrustPolicy(roots=frozenset({signer.root_fingerprint}), identity=IDENTITY)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    for expiry in (None, now + timedelta(days=1)):
        envelope = signer.envelope(TARGET, signing_time=now, expiry=expiry)
        found = verify_envelope(envelope, JWS, subject=SUBJECT, policy=policy, now=now)
        assert (found.signing_time, found.expiry) == (now, expiry)
        assert found.leaf_fingerprint == signer.leaf_fingerprint
