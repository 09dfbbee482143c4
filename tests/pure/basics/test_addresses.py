"""Addresses: each text has one meaning, or is refused with a code."""

import random

import pytest

from runbook_lib.basics import addresses
from runbook_lib.basics.addresses import MAX_LENGTH, NotAnAddressError

HOME = addresses.read("https://registry.example/v2/a/manifests/1?x=1")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("https://registry.example", "https://registry.example/"),
        ("HTTPS://Registry.EXAMPLE:443/A/b", "https://registry.example/A/b"),
        ("https://registry.example.:/a", "https://registry.example/a"),
        ("https://registry.example:8443", "https://registry.example:8443/"),
        ("https://registry.example?a=b&c", "https://registry.example/?a=b&c"),
        ("http://registry.example:80/#part", "http://registry.example/"),
        ("http://registry.example:443/", "http://registry.example:443/"),
        ("https://127.0.0.1:5000/a b?c d", "https://127.0.0.1:5000/a%20b?c%20d"),
        ("https://[0:0:0:0:0:0:0:1]:443/", "https://[::1]/"),
        ("https://[2001:DB8::0001]:8443/a", "https://[2001:db8::1]:8443/a"),
        ("https://a_b.example/%7Eu", "https://a_b.example/%7Eu"),
        ("https://management.azure.com:0443/x", "https://management.azure.com/x"),
    ],
)
def test_an_address_is_what_it_means(text: str, sent: str) -> None:
    assert str(addresses.read(text)) == sent
    assert str(addresses.read(sent)) == sent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "registry.example",
        "//registry.example/",
        "ftp://registry.example/",
        "https:registry.example",
        "https:///path",
        "https://[",
        "https://[]/",
        "https://[zz]/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://[1.2.3.4]/",
        "https://host:99999/",
        "https://host:0/",
        "https://host:8x/",
        "https://host:\u0661/",
        "https://host:-1/",
        "https://user@host/",
        "https://user:password@host/",
        "https://host\\@elsewhere.example/",
        "https://ho st/",
        "https://host%2eexample/",
        "https://*.example/",
        "https://.example/",
        "https://a..example/",
        "https://-a.example/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://a\u2100b/",
        "https://\u0661.example/",
        "https://ex\u00e4mple/",
        "https://host/\u00e4",
        "https://host/\x00",
        "https://host/\r\nX: y",
        "https://host/\ta",
        "https://host/\x1b[2J",
        "https://host/" + "a" * MAX_LENGTH,
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1.1/",
        "https://0/",
    ],
)
def test_what_has_two_readings_or_none_is_refused(text: str) -> None:
    with pytest.raises(NotAnAddressError) as caught:
        addresses.read(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("reference", "sent"),
    [
        ("/b", "https://registry.example/b"),
        ("?n=2", "https://registry.example/v2/a/manifests/1?n=2"),
        ("2", "https://registry.example/v2/a/manifests/2"),
        ("../../../../b", "https://registry.example/b"),
        ("//Other.example/b", "https://other.example/b"),
        (" https://Other.example:443/b ", "https://other.example/b"),
    ],
)
def test_a_reference_is_followed(reference: str, sent: str) -> None:
    assert str(addresses.follow(HOME, reference)) == sent


def test_a_reference_that_is_empty_leads_nowhere() -> None:
    for reference in ("", "  "):
        with pytest.raises(NotAnAddressError, match="it is empty"):
            addresses.follow(HOME, reference)


def test_a_server_is_a_host_and_no_more() -> None:
    assert addresses.read_server("Registry.example:443").origin == "https://registry.example"
    for text in ("https://registry.example", "registry.example/", "registry.example?x", "a@b", "", "[", "h:x"):
        with pytest.raises(NotAnAddressError):
            addresses.read_server(text)


def test_a_query_is_not_shown() -> None:
    assert addresses.read("https://h.example/a?sig=secret").shown == "https://h.example/a"


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("https://127.0.0.1/", True),
        ("https://10.1.2.3/", True),
        ("https://169.254.169.254/", True),
        ("https://168.63.129.16/", True),
        ("https://224.0.0.1/", True),
        ("https://0.0.0.0/", True),
        ("https://255.255.255.255/", True),
        ("https://[::1]/", True),
        ("https://[::]/", True),
        ("https://[::127.0.0.1]/", True),
        ("https://[::ffff:127.0.0.1]/", True),
        ("https://[64:ff9b::7f00:1]/", True),
        ("https://[2002:7f00:1::]/", True),
        ("https://[fe80::1]/", True),
        ("https://[fd00::1]/", True),
        ("https://[ff02::1]/", True),
        ("https://LocalHost/", True),
        ("https://localhost./", True),
        ("https://a.localhost/", True),
        ("https://localhost6/", True),
        ("https://20.38.0.1/", False),
        ("https://[2603:1020::1]/", False),
        ("https://storage.example/", False),
        ("https://localhost.example/", False),
    ],
)
def test_inner_addresses_are_known_in_every_spelling(text: str, inner: bool) -> None:
    assert addresses.is_inner(addresses.read(text)) is inner


def test_no_text_whatever_raises_anything_else() -> None:
    chosen = random.Random(9)  # noqa: S311 - the same texts each time
    pieces = [
        "https://",
        "http://",
        "[",
        "]",
        ":",
        "@",
        "/",
        "?",
        "#",
        "%",
        ".",
        "..",
        "0x",
        "1",
        "a",
        "\\",
        "\u2100",
        " ",
    ]
    read = 0
    for _ in range(5000):
        text = "".join(chosen.choices(pieces, k=chosen.randrange(12)))
        for call in (addresses.read, lambda text: addresses.follow(HOME, text), addresses.read_server):
            try:
                assert str(addresses.read(str(call(text)))) == str(call(text))
                read += 1
            except NotAnAddressError:
                pass
    assert read > 300
