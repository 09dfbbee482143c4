"""RFC 9421's own examples, byte for byte, through the one canonicalisation. A message with two readings is refused."""

import base64
from collections.abc import Mapping

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from runbook_lib.request_signing.fields import parse_signature, parse_signature_input
from runbook_lib.request_signing.message import (
    Message,
    NotCanonicalError,
    SignatureParameters,
    content_digest,
    field_values,
    mac,
    message,
    normal_authority,
    signature_base,
)

# Appendix B.1.3, B.1.4 and B.1.5.
ECC_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTN"
    "noXQ=="
)
ED25519_KEY = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
SHARED_SECRET = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
# Appendix B.2: test-request. Its digest is SHA-512. For the signature it is a field like any other.
DIGEST = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
FIELDS = {
    "date": "Tue, 20 Apr 2021 02:07:55 GMT",
    "content-type": "application/json",
    "content-digest": DIGEST,
    "content-length": "18",
}
CLIENT_CERT = (
    ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBD"
    "QTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/I"
    "ncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYC"
    "uiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BA"
    "MCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:"
)


def request(url: str = "https://example.com/foo?param=Value&Pet=dog", **fields: str) -> Message:
    return message(method="POST", url=url, fields=FIELDS | fields)


def base_of(sent: Message, signature_input: str) -> bytes:
    """Return the signed bytes. The parameters are read from a field and written again."""
    _, parameters = parse_signature_input(signature_input)
    assert signature_input.endswith(parameters.serialised())
    return signature_base(sent, parameters)


def test_b_2_1_minimal_signature_base() -> None:
    field = 'sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"'
    assert base_of(request(), field) == (
        b'"@signature-params": ();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"'
    )


def test_b_2_3_full_coverage() -> None:
    covered = '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length")'
    assert base_of(request(), f'sig-b23={covered};created=1618884473;keyid="test-key-rsa-pss"').decode() == (
        '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        '"@method": POST\n'
        '"@path": /foo\n'
        '"@query": ?param=Value&Pet=dog\n'
        '"@authority": example.com\n'
        '"content-type": application/json\n'
        f'"content-digest": {DIGEST}\n'
        '"content-length": 18\n'
        f'"@signature-params": {covered};created=1618884473;keyid="test-key-rsa-pss"'
    )


def test_b_2_5_hmac_sha256() -> None:
    field = 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    base = base_of(request(), field)
    assert base.decode() == (
        '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        '"@authority": example.com\n'
        '"content-type": application/json\n'
        '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    )
    label, signature = parse_signature("sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:")
    assert (label, signature) == ("sig-b25", mac(base64.b64decode(SHARED_SECRET), base))


@pytest.mark.parametrize(
    ("tag", "signature"),
    [
        ("", ":wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"),
        (
            ';tag="tag-b27"',
            ":pDPhW4vxi28JZfogrM4NLeYhZKW+TYDko8KtzCFoTOFeGCCSivD0iVcIuT9gqM6AtGfgzqQU/GaoLqh8sC6bCg==:",
        ),
    ],
)
def test_b_2_6_what_an_ed25519_signature_was_made_over(tag: str, signature: str) -> None:
    """The same with a tag, as in the tests of http-message-signatures."""
    covered = '("date" "@method" "@path" "@authority" "content-type" "content-length")'
    base = base_of(request(), f'sig-b26={covered};created=1618884473;keyid="test-key-ed25519"{tag}')
    ed25519_key().verify(parse_signature(f"sig-b26={signature}")[1], base)


def test_b_3_what_a_proxy_signed() -> None:
    sent = request("https://service.internal.example/foo?param=Value&Pet=dog", **{"client-cert": CLIENT_CERT})
    covered = '("@path" "@query" "@method" "@authority" "client-cert")'
    base = base_of(sent, f'ttrp={covered};created=1618884473;keyid="test-key-ecc-p256"')
    text = "ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:"
    _, signature = parse_signature(text)
    pair = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key = load_der_public_key(base64.b64decode(ECC_KEY))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(pair, base, ec.ECDSA(SHA256()))


@pytest.mark.parametrize(
    ("method", "url", "accept", "holds"),
    [
        ("GET", "https://example.org/demo?name1=Value1&Name2=value2", ["application/json", "*/*"], True),
        ("GET", "https://example.org/demo?name1=Value1&Name2=value2&param=added", ["application/json", "*/*"], True),
        ("GET", "https://example.org/demo?name1=Value1&Name2=value2", ["application/json, */*"], True),
        ("GET", "https://EXAMPLE.org:443/demo", [" application/json ", "*/*\t"], True),
        ("POST", "https://example.com/demo?name1=Value1&Name2=value2", ["application/json", "*/*"], False),
        ("GET", "https://example.org/demo?name1=Value1&Name2=value2", ["*/*", "application/json"], False),
        ("GET", "https://example.org/Demo", ["application/json", "*/*"], False),
    ],
)
def test_b_4_which_changes_on_the_way_a_signature_survives(
    method: str, url: str, accept: list[str], holds: bool
) -> None:
    field = 'transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"'
    text = "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:"
    fields = field_values(("Accept", value) for value in accept)
    base = base_of(message(method=method, url=url, fields=fields), field)
    try:
        ed25519_key().verify(parse_signature(text)[1], base)
        survived = True
    except InvalidSignature:
        survived = False
    assert survived is holds


def ed25519_key() -> Ed25519PublicKey:
    key = load_der_public_key(base64.b64decode(ED25519_KEY))
    assert isinstance(key, Ed25519PublicKey)
    return key


def test_2_1_field_values() -> None:
    lines = [
        ("Host", "www.example.com"),
        ("Date", "Tue, 20 Apr 2021 02:07:56 GMT"),
        ("X-OWS-Header", "  Leading and trailing whitespace.   "),
        ("X-Obs-Fold-Header", "Obsolete\r\n    line folding."),
        ("Cache-Control", "max-age=60"),
        ("Cache-Control", "   must-revalidate"),
        ("Example-Dict", " a=1,    b=2;x=1;y=2,   c=(a   b   c)"),
        ("X-Empty-Header", ""),
    ]
    sent = message(method="GET", url="https://www.example.com/", fields=field_values(lines))
    covered = ("host", "date", "x-ows-header", "x-obs-fold-header", "cache-control", "example-dict", "x-empty-header")
    assert signature_base(sent, SignatureParameters(covered, {})).decode().splitlines()[:-1] == [
        '"host": www.example.com',
        '"date": Tue, 20 Apr 2021 02:07:56 GMT',
        '"x-ows-header": Leading and trailing whitespace.',
        '"x-obs-fold-header": Obsolete line folding.',
        '"cache-control": max-age=60, must-revalidate',
        '"example-dict": a=1,    b=2;x=1;y=2,   c=(a   b   c)',
        '"x-empty-header": ',
    ]


@pytest.mark.parametrize(
    ("url", "derived"),
    [
        # Sections 2.2.3, 2.2.6 and 2.2.7.
        ("https://www.example.com/path?param=value", ("www.example.com", "/path", "?param=value")),
        (
            "https://www.example.com/path?param=value&foo=bar&baz=bat%2Dman",
            ("www.example.com", "/path", "?param=value&foo=bar&baz=bat%2Dman"),
        ),
        ("https://www.example.com/path?queryString", ("www.example.com", "/path", "?queryString")),
        ("https://www.example.com/path?", ("www.example.com", "/path", "?")),
        ("https://www.example.com/path", ("www.example.com", "/path", "?")),
        # RFC 9110, 4.2.3.
        ("https://www.EXAMPLE.com:443", ("www.example.com", "/", "?")),
        ("https://www.example.com?a", ("www.example.com", "/", "?a")),
        ("http://example.com:80/%7Esmith/home.html", ("example.com", "/%7Esmith/home.html", "?")),
        ("https://example.com:/~smith/", ("example.com", "/~smith/", "?")),
        ("https://example.com:8443//a/../b?c??d", ("example.com:8443", "//a/../b", "?c??d")),
        ("http://example.com:443/", ("example.com:443", "/", "?")),
        ("https://[2001:DB8::1]:443/", ("[2001:db8::1]", "/", "?")),
    ],
)
def test_2_2_derived_components(url: str, derived: tuple[str, str, str]) -> None:
    sent = message(method="POST", url=url, fields={})
    assert tuple(map(sent.value, ("@authority", "@path", "@query"))) == derived
    assert sent.value("@method") == "POST"


def test_2_5_signature_base() -> None:
    covered = ("@method", "@authority", "@path", "content-digest", "content-length", "content-type")
    parameters = SignatureParameters(covered, {"created": 1618884473, "keyid": "test-key-rsa-pss"})
    assert signature_base(request(), parameters).decode() == (
        '"@method": POST\n'
        '"@authority": example.com\n'
        '"@path": /foo\n'
        f'"content-digest": {DIGEST}\n'
        '"content-length": 18\n'
        '"content-type": application/json\n'
        '"@signature-params": ("@method" "@authority" "@path" "content-digest" "content-length" "content-type")'
        ';created=1618884473;keyid="test-key-rsa-pss"'
    )


def test_rfc_9530_digest() -> None:
    # RFC 9530 appendix B.1.
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


@pytest.mark.parametrize(
    "url",
    [
        "/only/a/path",
        "https://user@example.com/",
        "https://example.com/#fragment",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://example.com/é",
        "https://example.com:port/",
        "https://example.com:999999/",
        "https:///path",
        "https://exa mple.com/",
        "https://example.com/?a\x7f",
    ],
)
def test_an_address_without_one_reading_is_refused(url: str) -> None:
    with pytest.raises(NotCanonicalError):
        message(method="GET", url=url, fields={})


@pytest.mark.parametrize("method", ["", "GE T", "POST\n", "PÖST"])
def test_a_method_that_is_no_token_is_refused(method: str) -> None:
    with pytest.raises(NotCanonicalError):
        message(method=method, url="https://example.com/", fields={})


@pytest.mark.parametrize("value", ["a\nb", "a\r\nInjected: b", "\x00", "ü", "a\x7f"])
def test_a_field_that_could_forge_a_line_is_refused(value: str) -> None:
    with pytest.raises(NotCanonicalError):
        message(method="GET", url="https://example.com/", fields={"a": value})


@pytest.mark.parametrize(
    ("covered", "values"),
    [
        (("@method", "@method"), {}),
        (("absent",), {}),
        (("@status",), {}),
        (('a"\n',), {}),
        (("@method",), {"Created": 1}),
        (("@method",), {"created": 10**15}),
        (("@method",), {"created": True}),
        (("@method",), {"nonce": "a\nb"}),
        (("@method",), {"nonce": "ü"}),
    ],
)
def test_what_cannot_be_covered_or_said_is_refused(covered: tuple[str, ...], values: Mapping[str, str | int]) -> None:
    sent = message(method="GET", url="https://example.com/", fields={'a"\n': "x"})
    with pytest.raises(NotCanonicalError):
        signature_base(sent, SignatureParameters(covered, values))


def test_quotes_and_backslashes_are_escaped_and_read_again() -> None:
    parameters = SignatureParameters(("@method", 'a"b\\c'), {"nonce": '"\\', "created": -1})
    written = parameters.serialised()
    assert written == '("@method" "a\\"b\\\\c");nonce="\\"\\\\";created=-1'
    assert parse_signature_input(f" x=  {written}".replace("=  ", "=")) == ("x", parameters)


def test_authorities() -> None:
    assert normal_authority("https", "API.vibedata.ai:443") == "api.vibedata.ai"
    assert normal_authority("https", "127.0.0.1:8443") == "127.0.0.1:8443"
    for bad in ("", "a@b", "a/b", "a,b", "a b", "[::1", "host:1:2", "host:-1"):
        with pytest.raises(NotCanonicalError):
            normal_authority("https", bad)
