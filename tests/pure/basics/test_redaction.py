import base64
import html
import json
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.callback_api.service import NothingToRedact
from runbook_lib.basics.redaction import MASK, MIN_SECRET_LENGTH, Redactor, whole_words
from runbook_lib.errors import RunbookError
from vibedata.error_catalogue import CATALOGUE

# Without surrogates: a secret comes from a service, in UTF-8.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=MIN_SECRET_LENGTH, max_size=40)

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "percent": lambda text: urllib.parse.quote(text, safe=""),
    "form": urllib.parse.quote_plus,
    "repr": lambda text: repr(text)[1:-1],
    "hex": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@given(secret=secrets, before=texts, after=texts)
def test_a_secret_shows_in_no_encoding(encode: Callable[[str], str], secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    redacted = redactor.redact(f"{before} {encode(secret)} {after}")
    assert MASK in redacted
    assert encode(secret) not in redacted


def test_a_secret_with_half_a_character_is_masked() -> None:
    secret = "\ud83d" + "0123456789"
    redactor = Redactor()
    redactor.learn(secret)
    assert redactor.redact(f"{secret} {json.dumps(secret)}") == f'{MASK} "{MASK}"'


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@given(
    secret=st.binary(min_size=8, max_size=30).map(bytes.hex), before=st.binary(max_size=5), after=st.binary(max_size=5)
)
def test_a_secret_within_longer_base64_is_masked(
    encode: Callable[[bytes], bytes], secret: str, before: bytes, after: bytes
) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    redacted = redactor.redact(encode(before + secret.encode() + after).decode())
    # Near each end of the secret at most two bytes share a group with their neighbours.
    assert MASK in redacted
    assert len(redacted) <= len(MASK) + 4 * (len(before) + len(after) + 8) // 3 + 8


@given(st.lists(secrets, min_size=1, max_size=4), texts)
def test_every_secret_of_a_run_is_masked(known: list[str], text: str) -> None:
    redactor = Redactor()
    for secret in known:
        redactor.learn(secret)
    redacted = redactor.redact(text.join(known))
    assert not any(secret in redacted for secret in known)


def test_a_secret_within_another_does_not_show_what_is_left() -> None:
    redactor = Redactor()
    redactor.learn("12345678")
    redactor.learn("12345678-and-more")
    assert redactor.redact("a 12345678-and-more b") == f"a {MASK} b"


def test_other_text_stays_as_it_is() -> None:
    redactor = Redactor()
    redactor.learn("a secret of some length")
    assert redactor.redact("nothing to hide") == "nothing to hide"


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="8 characters"):
        Redactor().learn("1234567")


def test_many_threads_may_teach_it() -> None:
    redactor = Redactor()
    known = [f"secret number {number:04}" for number in range(200)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(redactor.learn, known))
    assert redactor.redact("".join(known)) == MASK * 200


@given(key=st.binary(min_size=32, max_size=32), before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_a_keys_bytes_show_in_no_encoding(key: bytes, before: bytes, after: bytes) -> None:
    redactor = Redactor()
    redactor.learn_key(key)
    longer = before + key + after
    shown = {
        base64.b64encode(key).decode(): base64.b64encode(key).decode(),
        base64.urlsafe_b64encode(key).decode().rstrip("="): base64.urlsafe_b64encode(key).decode().rstrip("="),
        longer.hex(): key.hex(),
        longer.hex().upper(): key.hex().upper(),
        json.dumps(list(longer)): json.dumps(list(key))[1:-1],
        urllib.parse.quote_from_bytes(longer, safe=""): urllib.parse.quote_from_bytes(key, safe=""),
        repr(key): repr(key)[2:-1],
    }
    for text, form in shown.items():
        assert form not in redactor.redact(text)
    # Inside longer base64, whole groups of three bytes are equal. Of 32 bytes at least 28 are hidden.
    left = redactor.redact(base64.b64encode(longer).decode()).replace("***", "")
    assert len(left) <= len(base64.b64encode(longer)) - 40


def test_a_service_that_meets_all_instances_keys_keeps_none() -> None:
    redactor, key = NothingToRedact(), bytes(range(32))
    redactor.learn_key(key)
    redactor.learn(key.hex())
    assert redactor.redact(key.hex()) == key.hex()


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 8 bytes"):
        Redactor().learn_key(bytes(7))


PASSWORD = "Zq7RkW2mXv9LpT4sBn6HcD1fJg8YeU3a"


def pieces_of(secret: str, text: str) -> list[str]:
    """Return the parts of a secret that are left in a text: sequences of eight characters."""
    return [secret[at : at + 8] for at in range(len(secret) - 7) if secret[at : at + 8] in text]


@pytest.mark.parametrize("limit", range(1, 80))
def test_a_cut_before_redaction_leaves_no_part_of_a_secret(limit: int) -> None:
    redactor = Redactor()
    redactor.learn(PASSWORD)
    redactor.learn(f"user:{PASSWORD}")
    for form in (PASSWORD, base64.b64encode(f"user:{PASSWORD}".encode()).decode(), urllib.parse.quote(PASSWORD)):
        cut = whole_words(f"denied for {form} here", limit)
        assert len(cut) <= max(limit, 4)
        assert pieces_of(form, redactor.redact(cut)) == []


def test_whole_words_keeps_what_fits_and_says_that_it_cut() -> None:
    assert whole_words("as it is", 8) == "as it is"
    assert whole_words("one two three", 9) == "one ..."
    assert whole_words("x" * 50, 20) == " ..."


@pytest.mark.parametrize(
    "written",
    [
        PASSWORD[:16] + "\n" + PASSWORD[16:],
        PASSWORD[:5] + "\r\n  " + PASSWORD[5:20] + "\n" + PASSWORD[20:],
        PASSWORD[:16] + "\\n" + PASSWORD[16:],
        base64.encodebytes(("k" * 40 + PASSWORD).encode()).decode(),
        "".join(f"\\u{ord(character):04X}" for character in PASSWORD),
        urllib.parse.quote(urllib.parse.quote(PASSWORD)),
    ],
)
def test_a_secret_that_is_folded_or_escaped_is_masked_and_the_rest_stays(written: str) -> None:
    redactor = Redactor()
    redactor.learn(PASSWORD)
    shown = redactor.redact(f"before {written} after\nnext line")
    assert shown.startswith("before ") and shown.endswith(" after\nnext line")
    assert MASK in shown
    assert pieces_of(PASSWORD, shown) == []
    assert written.strip()[-12:-4] not in shown


def test_special_characters_are_masked_in_every_form() -> None:
    secret = 'a/b+c=d&e"f<g>h%i'
    redactor = Redactor()
    redactor.learn(secret)
    for form in (
        urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret),
        urllib.parse.quote(urllib.parse.quote(secret, safe=""), safe=""), json.dumps(secret), html.escape(secret),
        json.dumps(secret).replace("/", "\\/"),
    ):  # fmt: skip
        assert "b" not in redactor.redact(form).replace(MASK, ""), form


@pytest.mark.parametrize(
    "link",
    [
        "https://a.blob.core.windows.net/c/b?sv=2024&sig=abc%2Bdef%3D&se=x",
        "https://a/b?SIG=abcdef12%3D",
        "u=https%3A%2F%2Fa%2Fb%3Fsv%3D1%26sig%3Dabcdef12%253D",
        "u=https%3A%2F%2Fa%2Fb%3fsig%3dabcdef12%253D",
        '{"uri": "https://a/b?sig\\u003dabcdef12="}',
    ],
)
def test_the_signature_of_a_read_link_is_masked_though_nobody_told(link: str) -> None:
    shown = Redactor().redact(f"copying from {link} failed")
    assert MASK in shown and "abc" not in shown and shown.endswith("failed")


def test_a_text_without_secrets_stays_as_it_is() -> None:
    redactor = Redactor()
    redactor.learn(PASSWORD)
    for text in ("", "one\ntwo\r\n  three\\n", "design=8; sigma = 3; the sig of it", "\n" * 10):
        assert redactor.redact(text) == text


def test_no_error_holds_the_signature_of_a_read_link() -> None:
    error = RunbookError(
        CATALOGUE["VD-NET-001"], "GET https://a.blob.core.windows.net/c/b?sv=1&sig=abc%2Fdef%3D&se=2 failed"
    )
    for text in (str(error), error.detail, str(error.as_json()), repr(error)):
        assert "abc" not in text
    assert f"sig={MASK}&se=2" in error.message
