"""The rules of a chain beyond the corpus: what each certificate must have, what must not matter, and odd DER."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from runbook_lib.errors import RunbookError
from runbook_lib.trust.certificates import MAX_CERTIFICATE_BYTES, MAX_CHAIN_LENGTH
from tests.support.certificate_maker import AUTHORITY, KEY_USAGES, Made, Wanted, make
from tests.support.notary_fixtures import NOW
from tests.support.notary_maker import (
    CHAIN,
    ECDSA_SHA1,
    ECDSA_SHA256,
    INTERMEDIATE,
    LEAF,
    ROOT,
    Chain,
    altered,
    as_der,
    assemble,
    fingerprint,
)

SECOND = timedelta(seconds=1)
KEY_USAGE = bytes.fromhex("0603551d0f0101ff0404")  # OID, critical, the octets


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


def built(
    issuer: Made, *extensions: tuple[x509.ExtensionType, bool], key: object = None, signer: object = None
) -> Made:
    """Return a certificate with exactly these extensions, for `key` (default: the leaf's), by the issuer's key."""
    own = key or LEAF.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(own.public_key())  # type: ignore[attr-defined]
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Made(certificate=builder.sign(signer or issuer.key, hashes.SHA256()), key=own)  # type: ignore[arg-type]


def usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in KEY_USAGES})


SIGNS = (usage("digital_signature"), True)
CERTIFIES = (usage("key_cert_sign"), True)
IS_CA = (x509.BasicConstraints(ca=True, path_length=None), True)
UNKNOWN = (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True)
ELSEWHERE = (x509.NameConstraints([x509.DNSName("example.com")], None), True)


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
    # RFC 5280 leaves self-issued ones out; the specification's "depth of the chain below" does not.
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


# --- DER that its issuer signed, and nobody should have ---------------------------------------------------------------


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(tbs: bytes) -> bytes:
        assert tbs.count(old) == 1
        return tbs.replace(old, new)

    return change


def serial(first: int) -> Callable[[bytes], bytes]:
    """Change the first byte of the serial number, which follows the version."""

    def change(tbs: bytes) -> bytes:
        at = tbs.index(bytes.fromhex("a003020102")) + 7
        return tbs[:at] + bytes([first]) + tbs[at + 1 :]

    return change


@pytest.mark.parametrize(
    "change",
    [
        serial(0x80),  # negative
        swap(KEY_USAGE + bytes.fromhex("03020780"), KEY_USAGE + bytes.fromhex("03020700")),  # no usage at all
        swap(KEY_USAGE + bytes.fromhex("03020780"), KEY_USAGE + bytes.fromhex("04020780")),  # no bit string
        swap(KEY_USAGE + bytes.fromhex("03020780"), KEY_USAGE + bytes.fromhex("03020980")),  # nine unused bits
        swap(bytes.fromhex("0603551d0f0101ff"), bytes.fromhex("0603551d0f010101")),  # true is ff in DER
        swap(bytes.fromhex("0603551d25"), bytes.fromhex("0603551d0f")),  # keyUsage twice
        swap(bytes.fromhex("0603551d25"), bytes.fromhex("0603551d13")),  # basicConstraints twice
        swap(bytes.fromhex("0603551d130101ff04023000"), bytes.fromhex("0603551d130101ff04023100")),  # no sequence
        swap(bytes.fromhex("a003020102"), bytes.fromhex("a003020101")),  # version 2 has no extensions
        swap(bytes.fromhex("a003020102"), bytes.fromhex("a003020107")),  # a version that is none
        swap(bytes.fromhex("170d") + b"240101000000Z", bytes.fromhex("170d") + b"241301000000Z"),  # month 13
        swap(bytes.fromhex("170d") + b"240101000000Z", bytes.fromhex("170d") + b"24010100000+0"),  # no Z
    ],
)
def test_odd_der_is_refused_and_breaks_nothing(change: Callable[[bytes], bytes]) -> None:
    odd = altered(LEAF.certificate, INTERMEDIATE.key, change)
    assert code_of(odd, INTERMEDIATE, ROOT) == "VD-TRUST-006"


def test_a_serial_number_of_zero_is_refused() -> None:
    tbs = built(INTERMEDIATE, SIGNS).certificate.tbs_certificate_bytes
    zero = tbs.replace(bytes.fromhex("a003020102020107"), bytes.fromhex("a003020102020100"))
    odd = assemble(zero, INTERMEDIATE.key, ECDSA_SHA256, hashes.SHA256())
    assert code_of(odd, INTERMEDIATE, ROOT) == "VD-TRUST-006"


def test_serial_numbers_that_are_not_positive_are_refused_where_cryptography_only_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test_a_serial_number_of_zero_is_refused()
        assert code_of(altered(LEAF.certificate, INTERMEDIATE.key, serial(0x80)), INTERMEDIATE, ROOT) == "VD-TRUST-006"


def test_sha1_is_refused_in_a_roots_own_signature_too() -> None:
    for certificate, key, position in ((LEAF, INTERMEDIATE.key, 0), (INTERMEDIATE, ROOT.key, 1), (ROOT, ROOT.key, 2)):
        tbs = certificate.certificate.tbs_certificate_bytes
        shorter = tbs.replace(bytes.fromhex("300a") + ECDSA_SHA256, bytes.fromhex("3009") + ECDSA_SHA1)
        body = shorter[4:]
        old = assemble(b"\x30\x82" + len(body).to_bytes(2, "big") + body, key, ECDSA_SHA1, hashes.SHA1())  # noqa: S303
        chain: list[Made | bytes] = [LEAF, INTERMEDIATE, ROOT]
        chain[position] = old
        assert code_of(*chain) == "VD-TRUST-006"


def test_the_outer_algorithm_must_be_the_signed_one() -> None:
    odd = assemble(
        LEAF.certificate.tbs_certificate_bytes,
        INTERMEDIATE.key,
        ECDSA_SHA256.replace(b"\x03\x02", b"\x03\x03"),
        hashes.SHA384(),
    )
    assert code_of(odd, INTERMEDIATE, ROOT) == "VD-TRUST-006"


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\x30\x00", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"0" * 100, as_der(LEAF)[:-1]]
)
def test_what_is_no_certificate(content: bytes) -> None:
    for chain in ((content, INTERMEDIATE, ROOT), (LEAF, content, ROOT), (LEAF, INTERMEDIATE, content)):
        assert code_of(*chain, trusted=fingerprint(ROOT)) == "VD-TRUST-006"


def test_bytes_after_a_certificate_are_not_ignored() -> None:
    for tail in (b"\0", as_der(ROOT)):
        assert code_of(as_der(LEAF) + tail, INTERMEDIATE, ROOT) == "VD-TRUST-006"
        assert code_of(LEAF, INTERMEDIATE, as_der(ROOT) + tail) == "VD-TRUST-006"


def test_a_giant_certificate_is_not_read() -> None:
    giant = built(
        INTERMEDIATE, SIGNS, (x509.UnrecognizedExtension(UNKNOWN[0].oid, bytes(MAX_CERTIFICATE_BYTES)), False)
    )
    assert code_of(giant, INTERMEDIATE, ROOT) == "VD-TRUST-006"
    assert CHAIN.verify().algorithm == "ES256"


def test_names_are_compared_byte_by_byte() -> None:
    name = INTERMEDIATE.certificate.subject.public_bytes()
    printable = name.replace(b"\x0c", b"\x13")  # the same letters, as PrintableString
    assert printable != name
    odd = altered(LEAF.certificate, INTERMEDIATE.key, swap(name, printable))
    assert code_of(odd, INTERMEDIATE, ROOT) == "VD-TRUST-006"
