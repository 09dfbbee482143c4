"""The lab's certificate authority, driven by certbot's own client."""

from datetime import datetime, timedelta, timezone

import pytest
import requests
from acme import errors, messages
from cryptography import x509
from josepy.json_util import field

from lab.acme.renewals import certificate_id
from tests.support.acme import Account, answer_challenges, ari, register, request_for
from tests.support.running_lab import LabUnderTest

NAME = "abc.vibedata.ai"


class ReplacingOrder(messages.NewOrder):
    """An order that names the certificate that it replaces. The client's own order has no such field."""

    replaces: str = field("replaces")


@pytest.fixture(autouse=True)
def _trust(lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", lab.env["REQUESTS_CA_BUNDLE"])


def soon() -> datetime:
    """Return a deadline in the form that the client wants: local time without a zone."""
    return datetime.now() + timedelta(seconds=60)  # noqa: DTZ005


def issue(lab: LabUnderTest, account: Account, *names: str) -> list[x509.Certificate]:
    request, _key = request_for(*names)
    order = account.client.new_order(request)
    answer_challenges(lab, account, order)
    done = account.client.poll_and_finalize(order, soon())
    return x509.load_pem_x509_certificates(done.fullchain_pem.encode())


def replacing(account: Account, request: bytes, replaced: str) -> requests.Response:
    """Order with `replaces`. Return the answer itself, because the client would raise its error."""
    names = x509.load_pem_x509_csr(request).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    identifiers = [
        messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name)
        for name in names.get_values_for_type(x509.DNSName)
    ]
    network = account.client.net
    url = account.client.directory["newOrder"]
    body = ReplacingOrder(identifiers=identifiers, replaces=replaced)
    assert network.account is not None
    sent = network._wrap_in_jws(body, network._get_nonce(url, account.client.directory["newNonce"]), url)
    return requests.post(url, data=sent, headers={"Content-Type": "application/jose+json"}, timeout=30)


def problem(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Replay-Nonce"]
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_official_client_gets_a_certificate_over_dns_01(lab: LabUnderTest) -> None:
    account = register(lab)
    leaf, *chain = issue(lab, account, NAME)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=90)
    with open(lab.env["VIBEDATA_ACME_ROOT"], "rb") as file:  # noqa: PTH123
        root = x509.load_pem_x509_certificate(file.read())
    leaf.verify_directly_issued_by(chain[0])
    chain[0].verify_directly_issued_by(root)

    told = ari(lab, certificate_id(leaf))
    start = datetime.fromisoformat(told.json()["suggestedWindow"]["start"])
    assert leaf.not_valid_before_utc < start < leaf.not_valid_after_utc
    assert int(told.headers["Retry-After"]) > 0
    lab.control("POST", "/acme", {"renew_now": True})
    end = datetime.fromisoformat(ari(lab, certificate_id(leaf)).json()["suggestedWindow"]["end"])
    assert end < datetime.now(timezone.utc)
    assert ari(lab, "AAAA.AAAA").status_code == 404


def test_a_wrong_record_fails_the_order_and_five_failures_block_the_name(lab: LabUnderTest) -> None:
    account = register(lab)
    request, _key = request_for(NAME)
    for _ in range(5):
        order = account.client.new_order(request)
        answer_challenges(lab, account, order, right=False)
        with pytest.raises(errors.ValidationError):
            account.client.poll_authorizations(order, soon())
    with pytest.raises(messages.Error) as refused:
        account.client.new_order(request)
    assert refused.value.code == "rateLimited"
    assert "failed authorizations" in str(refused.value.detail)
    lab.control("POST", "/clock", {"advance_seconds": 3601})
    account.client.new_order(request)


def test_a_refused_nonce_is_tried_again_by_the_client(lab: LabUnderTest) -> None:
    account = register(lab)
    lab.control("POST", "/acme", {"bad_nonces": 1})
    assert account.client.new_order(request_for(NAME)[0]).body.status == messages.STATUS_PENDING
    assert "bad_nonces" in lab.control("POST", "/acme", {"unknown": 1}, status=400)["error"]["message"]
    for body in ({"bad_nonces": "many"}, {"slow_looks": None}, {"window": 5}, {"chain": ["a"]}):
        assert "whole numbers" in lab.control("POST", "/acme", body, status=400)["error"]["message"]


def test_an_order_replaces_a_certificate_once(lab: LabUnderTest) -> None:
    account, other = register(lab), register(lab)
    first = certificate_id(issue(lab, account, NAME)[0])
    request, _key = request_for(NAME)
    assert replacing(account, request, first).status_code == 201
    assert problem(replacing(account, request, first)) == (409, "alreadyReplaced")
    assert problem(replacing(account, request, "AAAA.AAAA")) == (404, "malformed")
    second = certificate_id(issue(lab, account, NAME)[0])
    assert problem(replacing(other, request, second)) == (403, "unauthorized")
    assert problem(replacing(account, request_for("other.vibedata.ai")[0], second)) == (400, "malformed")
    lab.control("POST", "/acme", {"refuse_replaces": True})
    assert problem(replacing(account, request, second)) == (403, "unauthorized")
