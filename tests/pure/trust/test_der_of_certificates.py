"""Malformed DER that an issuer signed, and bytes that are not a certificate."""

import warnings
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from runbook_lib.trust.certificates import MAX_CERTIFICATE_BYTES
from tests.support.certificate_maker import Made
from tests.support.chains import SIGNS, UNKNOWN, built, code_of
from tests.support.notary_maker import (
    CHAIN,
    ECDSA_SHA1,
    ECDSA_SHA256,
    INTERMEDIATE,
    LEAF,
    ROOT,
    altered,
    as_der,
    assemble,
    fingerprint,
)

KEY_USAGE = bytes.fromhex("0603551d0f0101ff0404")  # OID, critical, the octets


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
