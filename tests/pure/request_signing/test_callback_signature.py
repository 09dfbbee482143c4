"""The callbacks' profile: signer and verifier against each other, a public library, and what is forged."""

import dataclasses
import random
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import http_sf
import pytest
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
)
from http_message_signatures.algorithms import HMAC_SHA256
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.request_signing import fields as signature_fields
from runbook_lib.request_signing import signer as callback_signer
from runbook_lib.request_signing.message import (
    SignatureParameters,
    byte_sequence,
    content_digest,
    field_values,
    mac,
    message,
    normal_authority,
    signature_base,
)
from runbook_lib.request_signing.signer import COVERED, LIFE_SECONDS, SKEW_SECONDS, TAG, SigningKey
from runbook_lib.request_signing.verifier import SignatureRefusedError, Verified, verify

NOW = 1_800_000_000
URL = "https://api.vibedata.ai/v1/instances/one/ping"
AUTHORITY = "api.vibedata.ai"
BODY = b'{"a":1}'
KEY = SigningKey("hmac-0123456789abcdef", bytes(range(32)))
NONCE = "abcdefghijklmnopqrstuvwx"


@dataclass
class Keys:
    keys: Mapping[str, bytes]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def find(self, *, path: str, key_id: str) -> bytes | None:
        self.asked.append((path, key_id))
        return self.keys.get(key_id)


@dataclass
class Nonces:
    spent: set[tuple[str, str]] = field(default_factory=set)
    until: float = 0

    def spend(self, *, key_id: str, nonce: str, until: float) -> bool:
        self.until = until
        if (key_id, nonce) in self.spent:
            return False
        self.spent.add((key_id, nonce))
        return True


def signed(url: str = URL, **changed: object) -> dict[str, str]:
    wanted = {"method": "POST", "content_type": "application/json", "body": BODY, "key": KEY, "created": NOW}
    return callback_signer.sign(**{"url": url, "nonce": NONCE, **wanted, **changed})  # type: ignore[arg-type]


def by_hand(covered: tuple[str, ...] = COVERED, **changed: str | int | None) -> dict[str, str]:
    """Return fields with a right signature over whatever they say; a parameter of None is left out."""
    values = {"created": NOW, "expires": NOW + 60, "nonce": NONCE, "keyid": KEY.key_id, "tag": TAG, **changed}
    parameters = SignatureParameters(covered, {name: each for name, each in values.items() if each is not None})
    fields = signed() | {"Date": "now"}
    request = message(method="POST", url=URL, fields=field_values(fields.items()))
    return fields | {
        "Signature-Input": f"x={parameters.serialised()}",
        "Signature": f"x={byte_sequence(mac(KEY.key, signature_base(request, parameters)))}",
    }


def check(
    fields: Mapping[str, str],
    *,
    url: str = URL,
    method: str = "POST",
    body: bytes = BODY,
    now: float = NOW,
    keys: Keys | None = None,
    nonces: Nonces | None = None,
) -> Verified:
    return verify(
        message(method=method, url=url, fields=field_values(fields.items())),
        body,
        authority=AUTHORITY,
        keys=keys or Keys({KEY.key_id: KEY.key}),
        nonces=nonces or Nonces(),
        now=now,
    )


def refusal(fields: Mapping[str, str], **changed: object) -> str:
    """Return why a request is refused; nothing of that shows to who sent it, and no nonce is spent."""
    nonces = Nonces()
    with pytest.raises(SignatureRefusedError) as refused:
        check(fields, nonces=nonces, **changed)  # type: ignore[arg-type]
    assert str(refused.value) == "the signature is refused"
    assert nonces.spent == set()
    return refused.value.reason


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
    """Where no key is found a signature is computed all the same, with a key that anybody knows."""
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
    """Also by clocks that are off by as much as is granted, of who accepts it and of who forgets it."""
    nonces = Nonces()
    check(by_hand(expires=NOW + life), now=now, nonces=nonces)
    assert nonces.until >= now + LIFE_SECONDS + 2 * SKEW_SECONDS
    assert nonces.until >= NOW + life + 3 * SKEW_SECONDS


def test_a_changed_body_does_not_spend_the_nonce() -> None:
    nonces = Nonces()
    with pytest.raises(SignatureRefusedError):
        check(signed(), body=b"other", nonces=nonces)
    check(signed(), nonces=nonces)


# --- the public library -----------------------------------------------------------------------------------------------


@dataclass
class Sent:
    """A request as http-message-signatures wants it."""

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
    """Return generated requests, the same at each run: of every shape that an address may have."""
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


def test_each_takes_what_the_other_signs() -> None:
    """Thousands of requests, both ways: what one side signs the other accepts, and not with another key or address."""
    for case in cases(2500):
        # The other side looks at the clock, and thousands of requests may take longer than a signature lives.
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


# --- what anybody may send --------------------------------------------------------------------------------------------

PIECES = [
    '"',
    "\\",
    "(",
    ")",
    ";",
    "=",
    ":",
    ",",
    " ",
    "\t",
    "a",
    "created",
    '"@method"',
    "1",
    "-",
    ".",
    "*",
    "é",
    "\x00",
]
GOOD = signed()


def bent(text: str) -> st.SearchStrategy[str]:
    """Return texts like `text`: a piece of it replaced, cut out or doubled, or something put in."""
    where = st.integers(min_value=0, max_value=len(text))
    piece = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
    return st.tuples(where, where, piece).map(lambda at: text[: min(at[:2])] + at[2] + text[max(at[:2]) :])


@given(
    st.one_of(
        st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=30).map("".join), bent(GOOD["Signature-Input"])
    ),
    st.one_of(st.text(max_size=60), bent(GOOD["Signature"]), st.just(GOOD["Signature"])),
)
def test_whatever_the_fields_hold_only_the_module_refuses(signature_input: str, signature: str) -> None:
    fields = {name.lower(): value for name, value in GOOD.items()}
    sent = message(method="POST", url=URL, fields=fields)
    changed = {"signature-input": signature_input, "signature": signature}
    bent_message = dataclasses.replace(sent, fields=fields | changed)
    try:
        verify(bent_message, BODY, authority=AUTHORITY, keys=Keys({KEY.key_id: KEY.key}), nonces=Nonces(), now=NOW)
    except SignatureRefusedError:
        return
    # What is accepted says the same, in the same words: spaces where a structured field may have some, and its label.
    assert signature_fields.parse_signature_input(signature_input)[1] == SignatureParameters(
        COVERED, {"created": NOW, "expires": NOW + 60, "nonce": NONCE, "keyid": KEY.key_id, "tag": TAG}
    )
    assert signature_fields.parse_signature(signature)[1] == signature_fields.parse_signature(GOOD["Signature"])[1]


@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), bent(GOOD["Signature-Input"])))
def test_what_is_read_is_a_structured_field(text: str) -> None:
    """A public reader of structured fields takes what this one takes, and reads the same."""
    try:
        label, parameters = signature_fields.parse_signature_input(text)
    except signature_fields.NotSignatureFieldError:
        return
    read: Any = http_sf.parse(text.encode(), tltype="dictionary")
    components, values = read[label]
    assert ([each[0] for each in components], dict(values)) == (list(parameters.components), dict(parameters.values))


@pytest.mark.parametrize(
    "text",
    ["x=(" + '"a" ' * 2000 + ")", "x=(" + " " * 2000 + ")", "x=()" + ";a=1" * 2000, 'x=("' + "\\" * 2000, " " * 5000],
)
def test_a_field_that_is_too_long_is_not_read(text: str) -> None:
    with pytest.raises(signature_fields.NotSignatureFieldError):
        signature_fields.parse_signature_input(text)
    with pytest.raises(signature_fields.NotSignatureFieldError):
        signature_fields.parse_signature(text)
