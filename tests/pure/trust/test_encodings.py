"""Certificates that `cryptography` reads, but Go and openssl do not: the key has another encoding, and the signature
covers it.
"""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runbook_lib.errors import RunbookError
from runbook_lib.trust._encoding import MAX_RSA_EXPONENT
from runbook_lib.trust.certificates import check_chain, read_chain
from tests.support.certificate_maker import AUTHORITY, Made, Wanted, certify, make, new_key
from tests.support.notary_maker import ECDSA_SHA256, INTERMEDIATE, LEAF, ROOT, as_der, assemble, der

EC_KEY = bytes.fromhex("06072a8648ce3d0201")
P256 = bytes.fromhex("06082a8648ce3d030107")
RSA_KEY, RSA_PSS_KEY = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01010a")
NULL = bytes.fromhex("0500")
# `openssl ecparam -name prime256v1 -param_enc explicit`.
SPELLED_OUT = bytes.fromhex(
    "3081f7020101302c06072a8648ce3d0101022100ffffffff00000001000000000000000000000000ffffffffffffffffffffffff305b0420ff"
    "ffffff00000001000000000000000000000000fffffffffffffffffffffffc04205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f6"
    "3bce3c3e27d2604b031500c49d360886e704936a6678e1139d26b7819f7e900441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33"
    "a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5022100ffffffff00000000ffffffffff"
    "ffffffbce6faada7179e84f3b9cac2fc632551020101"
)


def key_info(made: Made) -> bytes:
    return made.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def point(made: Made, form: PublicFormat) -> bytes:
    return b"\0" + made.key.public_key().public_bytes(Encoding.X962, form)


def rewritten(made: Made, issuer: Made, old: bytes, new: bytes) -> bytes:
    """Return the certificate with `new` in place of `old`, signed by its issuer's EC key."""
    tbs = made.certificate.tbs_certificate_bytes
    content = tbs[4:] if tbs[1] == 0x82 else tbs[3:]
    assert content.count(old) == 1
    return assemble(der(0x30, content.replace(old, new)), issuer.key, ECDSA_SHA256, hashes.SHA256())


def refusal(*chain: Made | bytes | x509.Certificate) -> str:
    """Return why a chain is refused, "" if it is good."""
    try:
        check_chain(
            read_chain(
                [
                    each.public_bytes(Encoding.DER) if isinstance(each, x509.Certificate) else as_der(each)
                    for each in chain
                ]
            )
        )
    except RunbookError as error:
        assert error.code == "VD-TRUST-006"
        return error.detail
    return ""


def test_the_usual_encoding_of_each_key_is_taken() -> None:
    assert refusal(LEAF, INTERMEDIATE, ROOT) == ""
    for algorithm in ("ES384", "ES512", "PS256"):
        root = make(AUTHORITY, key=new_key(algorithm))
        assert refusal(make(Wanted(), issuer=root, key=new_key(algorithm)), root) == ""


@pytest.mark.parametrize(
    "parameters",
    [
        SPELLED_OUT,
        SPELLED_OUT.replace(bytes.fromhex("6b17d1f2"), bytes.fromhex("7cf27b18")),
        NULL,
        b"",
    ],
    ids=["specifiedCurve", "another generator", "implicitCurve", "absent"],
)
def test_a_key_that_does_not_name_its_curve_is_refused(parameters: bytes) -> None:
    """RFC 5480, 2.1.1: implicitCurve and specifiedCurve MUST NOT be used."""
    for place in range(3):
        made = [LEAF, INTERMEDIATE, ROOT]
        issuers = [INTERMEDIATE, ROOT, ROOT]
        own = made[place]
        algorithm = der(0x30, EC_KEY, parameters)
        other = der(0x30, algorithm, der(0x03, point(own, PublicFormat.UncompressedPoint)))
        chain: list[Made | bytes] = [*made]
        chain[place] = rewritten(own, issuers[place], key_info(own), other)
        said = refusal(*chain)
        assert f"certificate {place + 1} of the chain" in said
        # `cryptography` reads only the first one.
        assert "spells out the parameters of its curve" in said or "cannot be read" in said


def test_a_compressed_point_is_refused() -> None:
    other = der(0x30, der(0x30, EC_KEY, P256), der(0x03, point(LEAF, PublicFormat.CompressedPoint)))
    leaf = rewritten(LEAF, INTERMEDIATE, key_info(LEAF), other)
    assert "certificate 1 of the chain" in refusal(leaf, INTERMEDIATE, ROOT)


def test_what_stands_elsewhere_in_a_certificate_is_not_taken_for_its_key() -> None:
    usual = key_info(LEAF)
    spelled = der(0x30, der(0x30, EC_KEY, SPELLED_OUT), der(0x03, point(LEAF, PublicFormat.UncompressedPoint)))
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), usual)
    builder = (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(LEAF.key.public_key())
        .serial_number(7)
        .not_valid_before(LEAF.certificate.not_valid_before_utc)
        .not_valid_after(LEAF.certificate.not_valid_after_utc)
        .add_extension(LEAF.certificate.extensions.get_extension_for_class(x509.KeyUsage).value, critical=True)
        .add_extension(extension, critical=False)
    )
    certificate = builder.sign(ROOT.key, hashes.SHA256())
    assert refusal(certificate, ROOT) == ""
    tbs = certificate.tbs_certificate_bytes
    content = tbs[4:].replace(usual, spelled, 1)
    hidden = assemble(der(0x30, content), ROOT.key, ECDSA_SHA256, hashes.SHA256())
    assert usual in hidden
    assert "spells out the parameters of its curve" in refusal(hidden, ROOT)


@pytest.mark.parametrize("algorithm", [der(0x30, RSA_KEY), der(0x30, RSA_PSS_KEY), der(0x30, RSA_PSS_KEY, NULL)])
def test_an_rsa_key_in_another_encoding_is_refused(algorithm: bytes) -> None:
    made = make(Wanted(), issuer=INTERMEDIATE, key=new_key("PS256"))
    usual = key_info(made)
    other = der(0x30, algorithm, usual[4 + len(der(0x30, RSA_KEY, NULL)) :])
    assert refusal(made, INTERMEDIATE, ROOT) == ""
    assert refusal(rewritten(made, INTERMEDIATE, usual, other), INTERMEDIATE, ROOT) != ""


@pytest.mark.parametrize(("exponent", "good"), [(3, True), (MAX_RSA_EXPONENT, True), (MAX_RSA_EXPONENT + 2, False)])
def test_an_rsa_exponent_has_31_bits_at_most(exponent: int, good: bool) -> None:
    key = new_key("PS256")
    assert isinstance(key, rsa.RSAPrivateKey)
    public = rsa.RSAPublicNumbers(exponent, key.public_key().public_numbers().n).public_key()
    said = refusal(certify(Wanted(), public, issuer=INTERMEDIATE), INTERMEDIATE, ROOT)
    assert ("an exponent of more than 31 bits" in said, said == "") == (not good, good)


def test_an_ed25519_authority_with_parameters_is_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    usual = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # RFC 8410, 3: the parameters MUST be absent.
    other = der(0x30, der(0x30, bytes.fromhex("06032b6570"), NULL), usual[usual.index(b"\x03\x21") :])
    made = certify(replace(AUTHORITY, name="CN=Ed"), key.public_key(), issuer=ROOT)  # type: ignore[arg-type]
    changed = rewritten(Made(certificate=made, key=ROOT.key), ROOT, usual, other)
    assert "certificate 1 of the chain" in refusal(changed, ROOT)


def test_a_certificate_before_version_3_is_refused() -> None:
    """RFC 5280, 4.1.2.1: only version 3 has extensions; Go passes them over elsewhere."""
    version = bytes.fromhex("a003020102")
    for other in (b"", bytes.fromhex("a003020101"), bytes.fromhex("a003020100")):
        changed = rewritten(LEAF, INTERMEDIATE, version, other)
        assert "certificate 1 of the chain" in refusal(changed, INTERMEDIATE, ROOT)


@pytest.mark.parametrize(
    ("parameters", "good"),
    [
        (padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32), True),
        (padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=20), False),
        (padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=0), False),
        (padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=32), False),
    ],
)
def test_rsa_pss_has_one_hash_and_a_salt_as_long_as_it(parameters: padding.PSS, good: bool) -> None:
    key = new_key("PS256")
    assert isinstance(key, rsa.RSAPrivateKey)
    root = make(AUTHORITY, key=key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(root.certificate.subject)
        .public_key(LEAF.key.public_key())
        .serial_number(7)
        .not_valid_before(LEAF.certificate.not_valid_before_utc)
        .not_valid_after(LEAF.certificate.not_valid_after_utc)
        .add_extension(LEAF.certificate.extensions.get_extension_for_class(x509.KeyUsage).value, critical=True)
    )
    said = refusal(builder.sign(key, hashes.SHA256(), rsa_padding=parameters), root)
    assert ("RSA-PSS in parameters" in said, said == "") == (not good, good)


def test_a_signature_algorithm_that_differs_inside_and_outside_is_refused() -> None:
    tbs = LEAF.certificate.tbs_certificate_bytes
    sha384 = bytes.fromhex("06082a8648ce3d040303")
    signature = INTERMEDIATE.key.sign(tbs, ec.ECDSA(hashes.SHA384()))  # type: ignore[call-arg, arg-type]
    changed = der(0x30, tbs, der(0x30, sha384), der(0x03, b"\0", signature))
    assert refusal(changed, INTERMEDIATE, ROOT) != ""
