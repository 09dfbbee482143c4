"""Hostile fields of a signature: the module answers only with its own refusal."""

import dataclasses
from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.request_signing import fields as signature_fields
from runbook_lib.request_signing.message import (
    SignatureParameters,
    message,
)
from runbook_lib.request_signing.signer import COVERED, TAG
from runbook_lib.request_signing.verifier import SignatureRefusedError, verify
from tests.support.signed_requests import AUTHORITY, BODY, KEY, NONCE, NOW, URL, Keys, Nonces, signed

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
    """Return texts like `text`: a piece of it is replaced, removed or doubled, or something is added."""
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
    # An accepted field means the same, in the same words, except for its label and for spaces that a structured field
    # may have.
    assert signature_fields.parse_signature_input(signature_input)[1] == SignatureParameters(
        COVERED, {"created": NOW, "expires": NOW + 60, "nonce": NONCE, "keyid": KEY.key_id, "tag": TAG}
    )
    assert signature_fields.parse_signature(signature)[1] == signature_fields.parse_signature(GOOD["Signature"])[1]


@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), bent(GOOD["Signature-Input"])))
def test_what_is_read_is_a_structured_field(text: str) -> None:
    """A public reader of structured fields accepts the same fields, and reads the same values."""
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
