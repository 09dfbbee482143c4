"""Which CAA records allow an order: RFC 8659, and the parameters of RFC 8657."""

import pytest

from publisher.certificates.caa import Issuer, refusal

ZONE, HOST = "vibedata.ai", "k3v9x2p7.vibedata.ai"
ACCOUNT = "https://ca.example/acct/1"
ISSUER = Issuer(identities=("letsencrypt.org",), account=ACCOUNT, method="dns-01")
OURS = '0 issue "letsencrypt.org"'


def refused(*records: str, at: str = ZONE, issuer: Issuer = ISSUER) -> str:
    return refusal(HOST, ZONE, issuer, lambda name: frozenset(records) if name == at else frozenset())


@pytest.mark.parametrize(
    "records",
    [
        (),
        (OURS,),
        ('0 issue "LetsEncrypt.org."',),
        ('0 issue "other.example"', OURS),
        (f'0 issue "letsencrypt.org; validationmethods=http-01,dns-01; accounturi={ACCOUNT}"',),
        ('0 iodef "mailto:security@example.com"', '0 issuewild ";"'),
        ('128 issue "letsencrypt.org"',),
        ('0 future "x"', OURS),
    ],
)
def test_allowed(records: tuple[str, ...]) -> None:
    assert refused(*records) == ""


@pytest.mark.parametrize(
    "records",
    [
        ('0 issue ";"',),
        ('0 issue "other.example"',),
        ('0 issue "letsencrypt.org; validationmethods=http-01"',),
        ('0 issue "letsencrypt.org; accounturi=https://ca.example/acct/2"',),
        ('128 future "x"', OURS),
        ('0 issue "letsencrypt.org',),
        ("nonsense",),
    ],
)
def test_refused(records: tuple[str, ...]) -> None:
    assert "vibedata.ai has" in refused(*records)


def test_the_nearest_records_count_and_an_authority_without_a_name_is_not_compared() -> None:
    both = {HOST: (OURS,), ZONE: ('0 issue ";"',)}
    assert refusal(HOST, ZONE, ISSUER, lambda name: both.get(name, ())) == ""
    assert refused('0 issue ";"', at="ai") == "", "records above the zone are not asked for"
    assert refused('0 issue ";"', issuer=Issuer(identities=(), account=ACCOUNT, method="dns-01")) == ""
