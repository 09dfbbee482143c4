"""The profile of callbacks: signer and verifier against each other, and forged requests."""

import pytest

from runbook_lib.request_signing.message import content_digest
from runbook_lib.request_signing.signer import COVERED, LIFE_SECONDS, SKEW_SECONDS, SigningKey
from runbook_lib.request_signing.verifier import SignatureRefusedError, Verified
from tests.support.signed_requests import BODY, KEY, NONCE, NOW, URL, Keys, Nonces, by_hand, check, refusal, signed


def test_what_is_signed_is_verified() -> None:
    keys = Keys({KEY.key_id: KEY.key})
    assert check(signed(), keys=keys) == Verified(key_id=KEY.key_id, nonce=NONCE, created=NOW)
    assert keys.asked == [("/v1/instances/one/ping", KEY.key_id)]
    assert signed()["Signature-Input"] == (
        'vibedata=("@method" "@authority" "@path" "@query" "content-digest" "content-type")'
        f';created={NOW};expires={NOW + 60};nonce="{NONCE}";keyid="{KEY.key_id}";tag="vibedata-callback-v1"'
    )


def test_a_key_does_not_show() -> None:
    assert "key=" not in repr(KEY)


@pytest.mark.parametrize("off", [-SKEW_SECONDS, 0, LIFE_SECONDS, LIFE_SECONDS + SKEW_SECONDS])
def test_clocks_may_differ(off: int) -> None:
    assert check(signed(), now=NOW + off).created == NOW


@pytest.mark.parametrize(
    ("off", "reason"), [(-SKEW_SECONDS - 1, "early"), (LIFE_SECONDS + SKEW_SECONDS + 1, "expired"), (10**9, "expired")]
)
def test_clocks_may_not_differ_more(off: int, reason: str) -> None:
    assert refusal(signed(), now=NOW + off) == reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"url": URL + "?"}, ""),  # an empty query is no query (RFC 9421, 2.2.7)
        ({"url": "https://API.vibedata.ai:443/v1/instances/one/ping"}, ""),
        ({"url": URL + "?a=1"}, "signature"),
        ({"url": URL + "/"}, "signature"),
        ({"url": URL.replace("one", "two")}, "signature"),
        ({"url": URL.replace("ping", "%70ing")}, "signature"),
        ({"url": URL.replace("/v1", "//v1")}, "signature"),
        ({"url": URL.replace("api.", "other.")}, "authority"),
        ({"url": URL.replace("ai/", "ai:8443/")}, "authority"),
        ({"method": "PUT"}, "signature"),
        ({"method": "post"}, "signature"),
        ({"body": BODY + b" "}, "digest"),
        ({"body": b""}, "digest"),
        ({"keys": Keys({})}, "key"),
        ({"keys": Keys({KEY.key_id: bytes(32)})}, "signature"),
    ],
)
def test_what_is_changed_on_the_way_is_refused(changed: dict[str, object], reason: str) -> None:
    if reason:
        assert refusal(signed(), **changed) == reason
    else:
        check(signed(), **changed)  # type: ignore[arg-type]


def test_a_key_that_there_is_not_is_none_of_zeros() -> None:
    """If no key is found, a signature is computed all the same, with a key that anybody knows."""
    assert refusal(signed(key=SigningKey(KEY.key_id, bytes(32))), keys=Keys({})) == "key"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (by_hand(expires=NOW + LIFE_SECONDS + 1), "life"),
        (by_hand(expires=NOW), "life"),
        (by_hand(expires=NOW - 1), "life"),
        (by_hand(expires=None), "profile"),
        (by_hand(created=None), "profile"),
        (by_hand(nonce=None), "profile"),
        (by_hand(keyid=None), "profile"),
        (by_hand(tag=None), "profile"),
        (by_hand(tag="other"), "profile"),
        (by_hand(alg="hmac-sha256"), "profile"),
        (by_hand(created=str(NOW)), "profile"),
        (by_hand(nonce=1), "profile"),
        (by_hand(nonce="short"), "profile"),
        (by_hand(nonce="a" * 65), "profile"),
        (by_hand(nonce="a/../../../../b c"), "profile"),
        (by_hand(keyid="hmac-0123456789ABCDEF"), "profile"),
        (by_hand(covered=COVERED[:-1]), "profile"),
        (by_hand(covered=COVERED[::-1]), "profile"),
        (by_hand(covered=(*COVERED, "date")), "profile"),
        (by_hand(covered=()), "profile"),
        (signed() | {"Signature": ""}, "malformed"),
        (signed() | {"Signature": signed()["Signature"].replace("vibedata", "other")}, "malformed"),
        (signed() | {"Signature": signed()["Signature"] + ", " + signed()["Signature"]}, "malformed"),
        (signed() | {"Signature-Input": signed()["Signature-Input"] + ';nonce="a"'}, "malformed"),
        (signed() | {"Signature": "vibedata=::"}, "signature"),
        (signed() | {"Content-Type": "text/plain"}, "signature"),
        (signed() | {"Content-Digest": content_digest(b"other")}, "signature"),
        ({name: value for name, value in signed().items() if name != "Signature"}, "missing"),
        ({name: value for name, value in signed().items() if name != "Signature-Input"}, "missing"),
        ({name: value for name, value in signed().items() if name != "Content-Digest"}, "missing"),
        ({name: value for name, value in signed().items() if name != "Content-Type"}, "missing"),
    ],
)
def test_what_is_not_of_the_profile_is_refused(fields: dict[str, str], reason: str) -> None:
    assert refusal(fields) == reason


def test_a_nonce_is_good_once_for_each_key() -> None:
    nonces, other = Nonces(), SigningKey("hmac-fedcba9876543210", b"o" * 32)
    keys = Keys({each.key_id: each.key for each in (KEY, other)})
    check(signed(), nonces=nonces, keys=keys)
    for again in (signed(), signed(created=NOW + 1)):
        with pytest.raises(SignatureRefusedError) as refused:
            check(again, nonces=nonces, keys=keys)
        assert refused.value.reason == "replay"
    check(signed(key=other), nonces=nonces, keys=keys)


@pytest.mark.parametrize("life", [1, LIFE_SECONDS])
@pytest.mark.parametrize("now", [NOW - SKEW_SECONDS, NOW, NOW + 1 + SKEW_SECONDS])
def test_a_nonce_is_remembered_for_longer_than_its_signature_is_good(now: int, life: int) -> None:
    """This holds for clocks that differ as much as allowed, at the process that accepts a nonce and at the one that
    forgets it.
    """
    nonces = Nonces()
    check(by_hand(expires=NOW + life), now=now, nonces=nonces)
    assert nonces.until >= now + LIFE_SECONDS + 2 * SKEW_SECONDS
    assert nonces.until >= NOW + life + 3 * SKEW_SECONDS


def test_a_changed_body_does_not_spend_the_nonce() -> None:
    nonces = Nonces()
    with pytest.raises(SignatureRefusedError):
        check(signed(), body=b"other", nonces=nonces)
    check(signed(), nonces=nonces)
