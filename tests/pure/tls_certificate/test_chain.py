"""Chains from the publisher and signing requests: which ones are accepted, and which are refused."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.basics import base64url
from runbook_lib.errors import ErrorEntry, RunbookError, tls
from runbook_lib.tls_certificate.chain import MAX_CERTIFICATE_BYTES, MAX_CHARACTERS, check_chain, read_chain, text_of
from runbook_lib.tls_certificate.operation import judge, policy_for
from runbook_lib.tls_certificate.versions import Operation
from tests.support.unknown_versions import certificate_of_version_9, request_of_version_9
from tests.support.web_authority import DAY, HOUR, WebAuthority, new_web_authority

HOST = "k3v9x2p7.vibedata.ai"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def csr(*names: x509.GeneralName, key: Key = KEY) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name.from_rfc4514_string(f"CN={HOST}"))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


REQUEST = csr(x509.DNSName(HOST))


@pytest.fixture(scope="module")
def authority() -> WebAuthority:
    return new_web_authority()


def encoded(chain: list[x509.Certificate]) -> str:
    return text_of([each.public_bytes(Encoding.DER) for each in chain])


def checked(chain: list[x509.Certificate], authority: WebAuthority, now: datetime | None = None) -> None:
    now = now or datetime.now(timezone.utc)
    check_chain(read_chain(encoded(chain)), host=HOST, now=now, trusted=[authority.root.certificate])


def refusal(act: Callable[[], object]) -> ErrorEntry:
    with pytest.raises(RunbookError) as caught:
        act()
    return caught.value.entry


def test_a_good_chain_is_read_as_it_was_written(authority: WebAuthority) -> None:
    chain = authority.chain(REQUEST)
    found = read_chain(encoded(chain))
    assert found.encoded == tuple(each.public_bytes(Encoding.DER) for each in chain)
    assert found.leaf.key == asked(REQUEST).key
    assert found.not_after == chain[0].not_valid_after_utc
    checked(chain, authority)
    assert len(encoded(chain)) < MAX_CHARACTERS


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda text: text.partition(".")[0],
        lambda text: ".".join([text] * 4),
        lambda text: text + ".",
        lambda text: "." + text,
        lambda text: text + "=",
        lambda text: text + "AAAA",
        lambda text: text[:-8],
        lambda text: text.replace(".", "\n"),
        lambda text: text + "." + base64url.encode(b"0" * (MAX_CERTIFICATE_BYTES + 1)),
        lambda text: text + "." + base64url.encode(b"-----BEGIN CERTIFICATE-----"),
    ],
)
def test_garbage_is_refused(authority: WebAuthority, spoil: Callable[[str], str]) -> None:
    assert refusal(lambda: read_chain(spoil(encoded(authority.chain(REQUEST))))) is tls.CHAIN_UNREADABLE


def test_no_flipped_bit_raises_another_error_or_passes(authority: WebAuthority) -> None:
    chain = [each.public_bytes(Encoding.DER) for each in authority.chain(REQUEST)]
    dice = random.Random(64)  # noqa: S311 - the same mutations each time
    for _ in range(300):
        spoiled = [bytearray(each) for each in chain]
        one = dice.choice(spoiled)
        one[dice.randrange(len(one))] ^= 1 << dice.randrange(8)
        with pytest.raises(RunbookError) as caught:
            check_chain(
                read_chain(text_of([bytes(each) for each in spoiled])),
                host=HOST,
                now=datetime.now(timezone.utc),
                trusted=[authority.root.certificate],
            )
        assert caught.value.area == "VD-TLS"


def test_names_times_order_and_trust(authority: WebAuthority) -> None:
    leaf, intermediate = authority.chain(REQUEST)
    stranger = new_web_authority("Lab")  # the same names, other keys
    for names in ((), ("other.example",), (HOST, "other.example"), (f"*.{HOST}",), (f"www.{HOST}",)):
        chain = authority.chain(REQUEST, names=names)
        assert refusal(lambda chain=chain: checked(chain, authority)) is tls.CHAIN_OF_OTHER_NAMES  # type: ignore[misc]
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    for now in (begin - HOUR, end, end + DAY):
        late = [leaf, intermediate], authority, now
        assert refusal(lambda late=late: checked(*late)) is tls.CHAIN_OUT_OF_TIME  # type: ignore[misc]
    for wrong in (
        [leaf, stranger.intermediate.certificate],
        [leaf, intermediate, intermediate],
        [leaf, authority.root.certificate],
        stranger.chain(REQUEST),
    ):
        assert refusal(lambda wrong=wrong: checked(wrong, authority)) is tls.CHAIN_NOT_TRUSTED  # type: ignore[misc]


def asked(request: bytes) -> Operation:
    return judge(request_id="r", csr=request, issuer="Unknown", cancelled=False, policy=policy_for(HOST), host=HOST)


def test_an_operation_fits_only_as_the_suite_would_begin_it() -> None:
    good = asked(REQUEST)
    assert (good.unfit, len(good.key)) == ("", 64)
    assert asked(csr(x509.DNSName(HOST.upper()))).unfit == ""
    others = [
        csr(),
        csr(x509.DNSName(HOST), x509.DNSName("other.example")),
        csr(x509.RFC822Name(f"a@{HOST}")),
        csr(x509.DNSName(HOST), key=ec.generate_private_key(ec.SECP256R1())),
        csr(x509.DNSName(HOST), key=rsa.generate_private_key(public_exponent=65537, key_size=3072)),
        REQUEST[:-1] + bytes([REQUEST[-1] ^ 1]),
        REQUEST + b"\0",
        b"",
    ]
    assert all(asked(each).unfit for each in others)
    told = {"request_id": "r", "csr": REQUEST, "issuer": "Unknown", "cancelled": False, "host": HOST}
    policy = policy_for(HOST)
    for changed in (
        {"key_props": {**policy["key_props"], "exportable": False}},
        {"key_props": {**policy["key_props"], "reuse_key": True}},
        {"secret_props": {"contentType": "application/x-pem-file"}},
        {"secret_props": None},
    ):
        assert judge(**told, policy={**policy, **changed}).unfit  # type: ignore[arg-type]
    assert judge(**{**told, "issuer": "Self"}, policy=policy).unfit  # type: ignore[arg-type]
    assert judge(**{**told, "cancelled": True}, policy=policy).unfit  # type: ignore[arg-type]
    assert replace(good, unfit="x") != good


def test_versions_that_do_not_exist_are_refused(authority: WebAuthority) -> None:
    leaf, *others = authority.chain(REQUEST)
    chain = [certificate_of_version_9(leaf), *(each.public_bytes(Encoding.DER) for each in others)]
    assert refusal(lambda: read_chain(text_of(chain))) == tls.CHAIN_UNREADABLE
    assert asked(request_of_version_9(REQUEST)).unfit == "its signing request cannot be read"
