"""The profile of callbacks and a public library: each accepts the signatures of the other."""

import dataclasses
import random
import string
from dataclasses import dataclass
from datetime import datetime, timezone

import pytest
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import HMAC_SHA256

from runbook_lib.request_signing import signer as callback_signer
from runbook_lib.request_signing.message import (
    field_values,
    message,
    normal_authority,
)
from runbook_lib.request_signing.signer import COVERED, LIFE_SECONDS, TAG, SigningKey
from runbook_lib.request_signing.verifier import SignatureRefusedError, Verified, verify
from tests.support.signed_requests import Keys, Nonces


@dataclass
class Sent:
    """A request in the form that http-message-signatures needs."""

    method: str
    url: str
    headers: dict[str, str]


class Resolver(HTTPSignatureKeyResolver):
    def __init__(self, key: SigningKey) -> None:
        self.key = key

    def resolve_public_key(self, key_id: str) -> bytes:
        assert key_id == self.key.key_id
        return self.key.key

    resolve_private_key = resolve_public_key


@dataclass(frozen=True)
class Case:
    method: str
    url: str
    content_type: str
    body: bytes
    key: SigningKey
    nonce: str

    def ours(self, created: int) -> dict[str, str]:
        return callback_signer.sign(**vars(self), created=created)

    def theirs(self, created: int) -> dict[str, str]:
        sent = Sent(self.method, self.url, {"Content-Type": self.content_type})
        HTTPMessageSigner(signature_algorithm=HMAC_SHA256, key_resolver=Resolver(self.key)).sign(
            sent,
            key_id=self.key.key_id,
            created=moment(created),
            expires=moment(created + LIFE_SECONDS),
            nonce=self.nonce,
            tag=TAG,
            include_alg=False,
            covered_component_ids=COVERED,
            body=self.body,
        )
        return sent.headers


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def cases(count: int) -> list[Case]:
    """Return generated requests, the same at each run, with every form of address."""
    chance = random.Random(9421)  # noqa: S311 - not for secrets
    unreserved = string.ascii_letters + string.digits + "-._~"

    def text(alphabet: str, least: int, most: int) -> str:
        return "".join(chance.choices(alphabet, k=chance.randint(least, most)))

    def encoded(alphabet: str, most: int) -> str:
        return "".join(chance.choice([*alphabet, "%20", "%2F", "%c3%A4"]) for _ in range(chance.randint(0, most)))

    found = []
    for _ in range(count):
        host = chance.choice(
            [text(string.ascii_letters + string.digits, 1, 20), "a.Example", "127.0.0.1", "[2001:DB8::1]"]
        )
        port = chance.choice(["", ":443", ":80", ":8443", ":65535"])
        path = chance.choice(["", "/", "/" + encoded(unreserved + "!$&'()*+,;=:@/", 40)])
        query = chance.choice(["", "?", "?" + encoded(unreserved + "!$&'()*+,;=:@/?", 40)])
        found.append(
            Case(
                method=chance.choice(["GET", "POST", "PUT", "PATCH", "DELETE", "M-SEARCH"]),
                url=f"{chance.choice(['https', 'http'])}://{host}{port}{path}{query}",
                content_type=chance.choice(["application/json", 'text/plain; charset="utf-8"', "a/b;c=\\", "x"]),
                body=chance.randbytes(chance.choice([0, 1, 100, 3000])),
                key=SigningKey(f"hmac-{chance.randbytes(8).hex()}", chance.randbytes(32)),
                nonce=text(string.ascii_letters + string.digits + "-_", 16, 64),
            )
        )
    return found


@pytest.mark.slow
def test_each_takes_what_the_other_signs() -> None:
    """Thousands of requests in both directions.

    Each side accepts the other's signatures, but not with another key or address.
    """
    for case in cases(2500):
        # The library looks at the clock, and thousands of requests may take longer than a signature lives.
        now = int(datetime.now(tz=timezone.utc).timestamp())
        verifier = HTTPMessageVerifier(signature_algorithm=HMAC_SHA256, key_resolver=Resolver(case.key))
        headers = case.ours(now)
        results = verifier.verify(
            Sent(case.method, case.url, headers), expect_tag=TAG, require_components=COVERED, body=case.body
        )
        assert [result.parameters["nonce"] for result in results] == [case.nonce]

        theirs = case.theirs(now)
        sent = message(method=case.method, url=case.url, fields=field_values(theirs.items()))
        authority = normal_authority(case.url.partition(":")[0], case.url.split("/")[2].partition("?")[0])
        keys = Keys({case.key.key_id: case.key.key})
        verified = verify(sent, case.body, authority=authority, keys=keys, nonces=Nonces(), now=now)
        assert verified == Verified(key_id=case.key.key_id, nonce=case.nonce, created=now)

        wrong = dataclasses.replace(sent, query=sent.query + "x")
        with pytest.raises(SignatureRefusedError) as refused:
            verify(wrong, case.body, authority=authority, keys=keys, nonces=Nonces(), now=now)
        assert refused.value.reason == "signature"
