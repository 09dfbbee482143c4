"""The rules of a chain beyond the corpus: parts that each certificate must have, and parts that must not matter."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from runbook_lib.trust.certificates import MAX_CHAIN_LENGTH
from tests.support.certificate_maker import AUTHORITY, KEY_USAGES, Made, Wanted, make
from tests.support.chains import CERTIFIES, ELSEWHERE, IS_CA, SIGNS, UNKNOWN, authority, built, code_of, leaf
from tests.support.notary_fixtures import NOW
from tests.support.notary_maker import INTERMEDIATE, LEAF, ROOT, fingerprint

SECOND = timedelta(seconds=1)


def test_a_good_chain_is_good() -> None:
    assert code_of(LEAF, INTERMEDIATE, ROOT) == ""
    assert code_of(leaf(ROOT), ROOT) == ""


@pytest.mark.parametrize(
    "made",
    [
        leaf(purposes=None),
        leaf(purposes=(ObjectIdentifier("1.2.3.4"),)),
        leaf(authority=None),
        leaf(key_usage=frozenset({"digital_signature", "content_commitment"})),
        leaf(begin=NOW, end=NOW),
        built(INTERMEDIATE, SIGNS),
        built(INTERMEDIATE, SIGNS, UNKNOWN),
        built(INTERMEDIATE, SIGNS, (x509.BasicConstraints(ca=False, path_length=None), False)),
        built(INTERMEDIATE, SIGNS, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True)),
        built(INTERMEDIATE, SIGNS, (x509.SubjectAlternativeName([x509.DNSName("example.com")]), True)),
    ],
)
def test_a_leaf_that_may_sign(made: Made) -> None:
    assert code_of(made, INTERMEDIATE, ROOT) == ""


@pytest.mark.parametrize(
    "made",
    [
        leaf(authority=True),
        leaf(key_usage=None),
        leaf(key_usage_critical=False),
        leaf(key_usage=frozenset({"content_commitment"})),
        *(leaf(key_usage=frozenset({"digital_signature", name})) for name in KEY_USAGES[2:7]),
        *(leaf(key_usage=frozenset({"digital_signature", "key_agreement", name})) for name in KEY_USAGES[7:]),
        *(
            leaf(purposes=(ExtendedKeyUsageOID.CODE_SIGNING, purpose))
            for purpose in (
                ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
                ExtendedKeyUsageOID.SERVER_AUTH,
                ExtendedKeyUsageOID.CLIENT_AUTH,
                ExtendedKeyUsageOID.EMAIL_PROTECTION,
                ExtendedKeyUsageOID.TIME_STAMPING,
                ExtendedKeyUsageOID.OCSP_SIGNING,
            )
        ),
    ],
)
def test_a_leaf_that_may_not_sign(made: Made) -> None:
    assert code_of(made, INTERMEDIATE, ROOT) == "VD-TRUST-006"


@pytest.mark.parametrize(
    "curve", [ec.SECP224R1(), ec.SECP256K1(), ec.BrainpoolP256R1()], ids=["P-224", "secp256k1", "brainpool"]
)
def test_a_leaf_of_another_curve(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    made = make(Wanted(), issuer=INTERMEDIATE, key=key)
    assert code_of(made, INTERMEDIATE, ROOT, key=ec.generate_private_key(ec.SECP256R1())) == "VD-TRUST-006"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, ""),
        ({"path_length": 0}, ""),
        ({"purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)}, ""),  # no rule for an authority's purposes
        ({"begin": NOW, "end": NOW}, ""),
        ({"key_usage": frozenset({"key_cert_sign", "digital_signature"})}, ""),
        ({"authority": None}, "VD-TRUST-006"),
        ({"authority": False}, "VD-TRUST-006"),
        ({"key_usage": None}, "VD-TRUST-006"),
        ({"key_usage_critical": False}, "VD-TRUST-006"),
        ({"key_usage": frozenset({"crl_sign"})}, "VD-TRUST-006"),
        ({"end": NOW - SECOND}, "VD-TRUST-007"),
        ({"begin": NOW + SECOND}, "VD-TRUST-007"),
    ],
)
def test_an_intermediate_and_a_root(fields: dict[str, Any], code: str) -> None:
    middle = authority(ROOT, name="CN=Middle", **fields)
    assert code_of(leaf(middle), middle, ROOT) == code
    root = authority(**fields)
    assert code_of(leaf(root), root) == code


def test_a_leaf_out_of_its_time() -> None:
    assert code_of(leaf(end=NOW - SECOND), INTERMEDIATE, ROOT) == "VD-TRUST-007"
    assert code_of(leaf(begin=NOW + SECOND), INTERMEDIATE, ROOT) == "VD-TRUST-007"


def test_lifetimes_need_not_be_nested() -> None:
    middle = authority(ROOT, name="CN=Middle", begin=NOW - SECOND, end=NOW + SECOND)
    assert code_of(leaf(middle), middle, ROOT) == ""


def test_the_length_of_the_path_counts_every_authority() -> None:
    for length, code in ((0, "VD-TRUST-006"), (1, ""), (2, "")):
        root = authority(path_length=length)
        middle = authority(root, name="CN=Middle")
        assert code_of(leaf(middle), middle, root) == code
    # RFC 5280 does not count self-issued authorities. The specification's "depth of the chain below" does.
    root = authority(path_length=0)
    again = authority(root)
    assert code_of(leaf(again), again, root) == "VD-TRUST-006"


def test_long_chains_are_cut_off() -> None:
    chain: list[Made] = [ROOT]
    while len(chain) < MAX_CHAIN_LENGTH:
        chain.insert(0, authority(chain[0], name=f"CN=Authority {len(chain)}"))
    assert code_of(leaf(chain[1]), *chain[1:]) == ""
    assert code_of(leaf(chain[0]), *chain) == "VD-TRUST-006"


def test_the_order_and_completeness_of_a_chain() -> None:
    other = authority(name="CN=Other")
    twin = authority(ROOT, name="CN=Vibedata Intermediate")  # of the same name, another key
    for chain in (
        (LEAF, ROOT, INTERMEDIATE),
        (INTERMEDIATE, LEAF, ROOT),
        (LEAF, LEAF, INTERMEDIATE, ROOT),
        (LEAF, INTERMEDIATE, INTERMEDIATE, ROOT),
        (LEAF, INTERMEDIATE, ROOT, ROOT),
        (LEAF, INTERMEDIATE, ROOT, other),
        (LEAF, INTERMEDIATE, other, ROOT),
        (LEAF, INTERMEDIATE),
        (LEAF, ROOT),
        (LEAF,),
        (LEAF, twin, ROOT),
        (LEAF, INTERMEDIATE, other),
    ):
        assert code_of(*chain, trusted=fingerprint(ROOT)) in {"VD-TRUST-006", "VD-TRUST-005"}
        assert code_of(*chain, trusted=fingerprint(INTERMEDIATE)) in {"VD-TRUST-006", "VD-TRUST-005"}


def test_a_root_of_the_same_name_and_key_is_another() -> None:
    again = make(AUTHORITY, key=ROOT.key)
    assert code_of(LEAF, INTERMEDIATE, again) == ""
    assert code_of(LEAF, INTERMEDIATE, again, trusted=fingerprint(ROOT)) == "VD-TRUST-008"


def test_extensions_that_nobody_knows_are_nobodys_business() -> None:
    middle = built(ROOT, IS_CA, CERTIFIES, UNKNOWN, ELSEWHERE, key=INTERMEDIATE.key)
    assert code_of(leaf(middle), middle, ROOT) == ""


def test_an_authority_whose_constraints_are_not_critical_is_none() -> None:
    middle = built(ROOT, (IS_CA[0], False), CERTIFIES, key=INTERMEDIATE.key)
    assert code_of(leaf(middle), middle, ROOT) == "VD-TRUST-006"


@pytest.mark.parametrize(
    ("make_key", "code"),
    [
        (lambda: ec.generate_private_key(ec.SECP384R1()), ""),
        (lambda: ec.generate_private_key(ec.SECP521R1()), ""),
        (lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), ""),
        (lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024), "VD-TRUST-006"),  # noqa: S505
        (lambda: ec.generate_private_key(ec.SECP224R1()), "VD-TRUST-006"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "VD-TRUST-006"),
    ],
    ids=["P-384", "P-521", "RSA-2048", "RSA-1024", "P-224", "secp256k1"],
)
def test_the_keys_of_authorities(make_key: Callable[[], ec.EllipticCurvePrivateKey], code: str) -> None:
    root = make(AUTHORITY, key=make_key())
    assert code_of(leaf(root), root) == code


@pytest.mark.parametrize(
    ("algorithm", "parameters", "code"),
    [
        (hashes.SHA384(), None, ""),
        (hashes.SHA512(), padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64), ""),
        (hashes.SHA224(), None, "VD-TRUST-006"),
        (hashes.SHA3_256(), None, "VD-TRUST-006"),
        (hashes.SHA224(), padding.PSS(mgf=padding.MGF1(hashes.SHA224()), salt_length=28), "VD-TRUST-006"),
    ],
)
def test_how_a_certificate_may_be_signed(algorithm: hashes.SHA256, parameters: padding.PSS | None, code: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root = make(AUTHORITY, key=key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(root.certificate.subject)
        .public_key(LEAF.key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
        .add_extension(*SIGNS)
    )
    made = Made(certificate=builder.sign(key, algorithm, rsa_padding=parameters), key=LEAF.key)
    assert code_of(made, root) == code


def test_an_authority_with_an_ed25519_key() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name.from_rfc4514_string("CN=Ed")
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
        .add_extension(*IS_CA)
        .add_extension(*CERTIFIES)
    )
    root = builder.sign(key, None)
    made = (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(name)
        .public_key(LEAF.key.public_key())
        .serial_number(8)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
        .add_extension(*SIGNS)
        .sign(key, None)
    )
    assert code_of(Made(certificate=made, key=LEAF.key), Made(certificate=root, key=LEAF.key)) == ""
