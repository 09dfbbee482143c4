"""One subject as openssl, Java, Windows and two RFCs write it, and the message about a text that is not a subject."""

import contextlib
import random

import pytest

from runbook_lib.errors import RunbookError
from runbook_lib.trust._identity import read_identity
from runbook_lib.trust._names import NotANameError, read_name

# The form of `cryptography`. This product shows signers in the same form.
OURS = (
    "DC=example,STREET=Dam 1\\; b,2.5.4.17=1000 AA,2.5.4.15=Private,1.3.6.1.4.1.311.60.2.1.3=NL,2.5.4.97=NTRNL-1,"
    '1.2.840.113549.1.9.1=sign@example.org,2.5.4.5=12345678,CN=Some Signer,OU=Unit+O=Some\\, \\"B.V.\\" é,'
    "ST=Noord-Holland,C=NL"
)
WRITTEN = {
    "openssl 3": 'subject=C = NL, ST = Noord-Holland, OU = Unit + O = "Some, \\"B.V.\\" \\C3\\A9", CN = Some Signer, '
    "serialNumber = 12345678, emailAddress = sign@example.org, organizationIdentifier = NTRNL-1, jurisdictionC = NL, "
    'businessCategory = Private, postalCode = 1000 AA, street = "Dam 1; b", DC = example',
    "openssl 3.2": 'subject=C=NL, ST=Noord-Holland, OU=Unit + O="Some, \\"B.V.\\" \\C3\\A9", CN=Some Signer, '
    "serialNumber=12345678, emailAddress=sign@example.org, organizationIdentifier=NTRNL-1, jurisdictionC=NL, "
    'businessCategory=Private, postalCode=1000 AA, street="Dam 1; b", DC=example',
    "openssl -nameopt RFC2253": "subject=DC=example,street=Dam 1\\; b,postalCode=1000 AA,businessCategory=Private,"
    "jurisdictionC=NL,organizationIdentifier=NTRNL-1,emailAddress=sign@example.org,serialNumber=12345678,"
    'CN=Some Signer,O=Some\\, \\"B.V.\\" \\C3\\A9+OU=Unit,ST=Noord-Holland,C=NL',
    "openssl 1.0": 'subject= /C=NL/ST=Noord-Holland/OU=Unit+O=Some, "B.V." \\xC3\\xA9/CN=Some Signer'
    "/serialNumber=12345678/emailAddress=sign@example.org/organizationIdentifier=NTRNL-1/jurisdictionC=NL"
    "/businessCategory=Private/postalCode=1000 AA/street=Dam 1; b/DC=example",
    "openssl -nameopt RFC2253,dump_all": "DC=#16076578616D706C65,street=#0C0844616D20313B2062,"
    "postalCode=#0C0731303030204141,businessCategory=#0C0750726976617465,jurisdictionC=#13024E4C,"
    "organizationIdentifier=#0C074E54524E4C2D31,emailAddress=#16107369676E406578616D706C652E6F7267,"
    "serialNumber=#13083132333435363738,CN=#0C0B536F6D65205369676E6572,O=#0C0F536F6D652C2022422E562E2220C3A9+"
    "OU=#0C04556E6974,ST=#0C0D4E6F6F72642D486F6C6C616E64,C=#13024E4C",
    "openssl -nameopt RFC2253,oid": "0.9.2342.19200300.100.1.25=example,2.5.4.9=Dam 1\\; b,2.5.4.17=1000 AA,"
    "2.5.4.15=Private,1.3.6.1.4.1.311.60.2.1.3=NL,2.5.4.97=NTRNL-1,1.2.840.113549.1.9.1=sign@example.org,"
    '2.5.4.5=12345678,2.5.4.3=Some Signer,2.5.4.10=Some\\, \\"B.V.\\" \\C3\\A9+2.5.4.11=Unit,2.5.4.8=Noord-Holland,'
    "2.5.4.6=NL",
    "Java": 'DC=example, STREET="Dam 1; b", OID.2.5.4.17=1000 AA, OID.2.5.4.15=Private, '
    "OID.1.3.6.1.4.1.311.60.2.1.3=NL, OID.2.5.4.97=NTRNL-1, EMAILADDRESS=sign@example.org, SERIALNUMBER=12345678, "
    'CN=Some Signer, OU=Unit + O="Some, \\"B.V.\\" é", ST=Noord-Holland, C=NL',
    "Windows": 'DC=example, STREET="Dam 1; b", PostalCode=1000 AA, OID.2.5.4.15=Private, '
    "OID.1.3.6.1.4.1.311.60.2.1.3=NL, OID.2.5.4.97=NTRNL-1, E=sign@example.org, SERIALNUMBER=12345678, "
    'CN=Some Signer, OU=Unit + O="Some, ""B.V."" é", S=Noord-Holland, C=NL',
    "RFC 2253, semicolons": "dc=example;street=Dam 1\\; b;2.5.4.17=1000 AA;2.5.4.15=Private;"
    "1.3.6.1.4.1.311.60.2.1.3=NL;2.5.4.97=NTRNL-1;emailaddress=sign@example.org;serialnumber=12345678;cn=Some Signer;"
    "ou=Unit+o=Some\\2c \\22B.V.\\22 é;st=Noord-Holland;c=NL",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_subject_is_one_however_it_is_written(text: str) -> None:
    assert read_identity(text) == read_identity(OURS)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("CN=a,2.5.4.5=#13083132333435363738", "CN=a,serialNumber=12345678"),
        ("CN=#1e0400610062", "CN=ab"),
        ("O=#0c8180" + "61" * 128, "O=" + "a" * 128),
        ("/CN=a/O=b at https://b.example/rpa (c)", "CN=a,O=b at https://b.example/rpa (c)"),
        ("/O=a, b/CN=c", "CN=c,O=a\\, b"),
        ("CN=\\#61", 'CN="#61"'),
        ('CN=" a "', "CN=\\ a\\ "),
        ("CN = a = b", "CN=a \\= b"),
        ('CN="""a"', 'CN=\\"a'),
        ("O=#0c820080" + "61" * 128, "O=" + "a" * 128),
        ("SN=a,GN=b,T=c,G=b2", "surname=a,givenName=b,title=c,givenName=b2"),
    ],
)
def test_two_ways_of_writing_the_same(text: str, other: str) -> None:
    assert read_identity(text) == read_identity(other)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("CN=a+OU=b", "CN=a,OU=b"),
        ("CN=a", "CN=A"),
        ("CN=a", "CN=a,CN=a"),
        ("CN=a", "CN=\\ a"),
        ("CN=#0c0161", "CN=\\#0c0161"),
        ("SN=1", "serialNumber=1"),
        ("E=a@b.example", "mail=a@b.example"),
    ],
)
def test_two_subjects_that_look_alike(text: str, other: str) -> None:
    assert read_identity(text) != read_identity(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CN=a,NOBODY=b", "'NOBODY' is no type"),
        ("/CN=a/NOBODY=b", "'NOBODY' is no type"),
        ("CN=a,O=Some, Inc.,C=NL", "'Inc.' is no TYPE=VALUE"),
        ("CN=a + b,C=NL", "'b' is no TYPE=VALUE"),
        ("CN=a,", "'' is no TYPE=VALUE"),
        ("Some Signer", "'Some Signer' is no TYPE=VALUE"),
        ("/Some Signer", "does not begin with a type"),
        ("x/CN=a", "'x/CN' is no type"),
        ("=a", "'' is no type"),
        ("CN=", "the value of 2.5.4.3 is empty"),
        ('CN=""', "the value of 2.5.4.3 is empty"),
        ('CN="a', "a quote is not closed"),
        ('CN="a" b', "'b' follows a quoted value"),
        ("CN=a\\", "is no escape"),
        ("CN=a\\x", "is no escape"),
        ("CN=\\ff", "no UTF-8"),
        ("/CN=\\xff", "no UTF-8"),
        ("CN=\ud800", "no UTF-8"),
        ("CN=#zz", "is no value in hex"),
        ("CN=#0c016", "is no value in hex"),
        ("CN=#0c0161x", "is no value in hex"),
        ("CN=#61", "is no text in BER"),
        ("CN=#0c0261", "is no text in BER"),
        ("2.5.4.45=#0304ff000000", "is no text in BER"),
        ("CN=#0c01ff", "no UTF-8"),
        ("CN=a+CN=a", "stands twice"),
        ("+CN=a", "is no TYPE=VALUE"),
        ("OID.CN=a", "'OID.CN' is no type"),
        ("3.1=a", "'3.1' is no type"),
        ("1.02=a", "'1.02' is no type"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(RunbookError) as caught:
        read_identity(text)
    assert caught.value.code == "VD-TRUST-012"
    assert said in caught.value.detail
    assert caught.value.detail.isprintable()


def test_no_text_whatever_raises_anything_else() -> None:
    chosen = random.Random(26)  # noqa: S311 - the same texts each time
    pieces = [
        "CN",
        "=",
        ",",
        "+",
        ";",
        "/",
        "\\",
        '"',
        "#",
        "0c01",
        "61",
        " ",
        "x",
        "2.5.4.3",
        "subject",
        "\ud800",
        "é",
    ]
    read = 0
    for _ in range(20_000):
        text = "".join(chosen.choices(pieces, k=chosen.randrange(10)))
        with contextlib.suppress(NotANameError):
            read += bool(read_name(text))
    assert read > 20
