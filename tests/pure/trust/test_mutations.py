"""Thousands of signatures with a fault: none is good, and none breaks the verifier.

The seeds are fixed, so a failure can be repeated.
"""

import json
import random
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.basics import strict_json
from runbook_lib.errors import RunbookError
from runbook_lib.trust.envelope import JWS
from runbook_lib.trust.good_signature import first_good_signature, read_referrers
from runbook_lib.trust.manifest import read_signature_manifest
from runbook_lib.trust.signature import VerifiedSignature, verify_envelope
from tests.support.mutations import envelope_of, mutated
from tests.support.notary_fixtures import NOW, Case, cases
from tests.support.notary_maker import CHAIN, IDENTITY, PROTECTED, TARGET

pytestmark = pytest.mark.slow  # thousands of changed signatures

# Each algorithm, a single certificate, an expiry.
GENUINE = (
    "es256-jws",
    "es384-jws",
    "es512-jws",
    "ps256-jws",
    "ps384-jws",
    "ps512-jws",
    "es256-jws-selfsigned",
    "es256-jws-expiry-valid",
)
ENVELOPES, CERTIFICATES, MANIFESTS = 2000, 3000, 2000


def answer(case: Case, envelope: bytes) -> VerifiedSignature | None:
    """Return the verifier's answer, None for a refusal. Any other exception fails the test."""
    try:
        return verify_envelope(envelope, JWS, subject=case.subject, policy=case.policies()[0], now=NOW)
    except RunbookError as error:
        assert error.code.startswith("VD-TRUST-")
        return None


def same(one: bytes, other: bytes) -> bool:
    """Return whether two texts are the same JSON. Blanks between tokens, and escapes, do not matter."""
    try:
        return bool(strict_json.loads(one) == strict_json.loads(other))
    except strict_json.NotStrictJsonError:
        return False


@pytest.mark.parametrize("name", GENUINE)
def test_bytes_of_an_envelope(name: str) -> None:
    case, dice = cases()[name], random.Random(f"envelope {name}")  # noqa: S311
    envelope = envelope_of(case)
    assert answer(case, envelope)
    for _ in range(ENVELOPES // len(GENUINE)):
        changed = mutated(envelope, dice)
        assert answer(case, changed) is None or same(changed, envelope)


@pytest.mark.parametrize("name", GENUINE)
def test_bytes_of_its_certificates(name: str) -> None:
    case, dice = cases()[name], random.Random(f"certificates {name}")  # noqa: S311
    document = json.loads(envelope_of(case))
    chain = document["header"]["x5c"]
    for _ in range(CERTIFICATES // len(GENUINE)):
        at = dice.randrange(len(chain))
        genuine = b64decode(chain[at])
        changed = mutated(genuine, dice)
        if dice.random() < 0.3:
            changed = mutated(changed or genuine, dice)
        if changed != genuine:
            header = {"x5c": [*chain[:at], b64encode(changed).decode(), *chain[at + 1 :]]}
            assert answer(case, json.dumps({**document, "header": header}).encode()) is None


@pytest.mark.parametrize("name", GENUINE)
def test_every_field_of_an_envelope(name: str) -> None:
    """Each member and each item is left out, changed to another value of its kind, and changed to one of each other
    kind.
    """
    case = cases()[name]
    document = json.loads(envelope_of(case))
    for changed in variants(document):
        assert answer(case, json.dumps(changed).encode()) is None


OTHERS: tuple[Any, ...] = (None, True, 0, -1, 0.5, "", "x", "e30", [], {}, [[]], {"x5c": []})


def variants(value: Any) -> Iterator[Any]:
    for other in OTHERS:
        if other != value:
            yield other
    if isinstance(value, dict):
        for name, member in value.items():
            yield {key: each for key, each in value.items() if key != name}
            yield {**{key: each for key, each in value.items() if key != name}, name.upper() + "_": member}
            for changed in variants(member):
                yield {**value, name: changed}
    elif isinstance(value, list):
        yield [*value, *value]
        yield value[::-1] if len(value) > 1 else [*value, "e30"]
        for at, item in enumerate(value):
            yield value[:at] + value[at + 1 :]
            for changed in variants(item):
                yield [*value[:at], changed, *value[at + 1 :]]


def test_every_field_of_what_is_signed() -> None:
    """The same, but with a correct signature over the changed content.

    Only content with the same meaning may be good.
    """
    for changed in variants(dict(PROTECTED)):
        check_signed(protected=changed)
    for changed in variants({"targetArtifact": TARGET}):
        check_signed(payload=changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TIMES = st.from_regex(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
HEADERS = st.dictionaries(st.sampled_from([*PROTECTED, "io.cncf.notary.expiry", "x"]), JSON | TIMES, max_size=3)


@pytest.mark.slow
@given(fields=HEADERS)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_any_value_in_a_signed_header(fields: dict[str, Any]) -> None:
    check_signed(protected={**PROTECTED, **fields})


@pytest.mark.slow
@given(payload=JSON | st.fixed_dictionaries({"targetArtifact": JSON}))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_any_signed_payload(payload: Any) -> None:
    assert check_signed(payload=payload if payload is not None else b"null") is None


def check_signed(protected: Any = PROTECTED, payload: Any = None) -> VerifiedSignature | None:
    """Sign these, and return the answer. A good answer must have the signed facts."""
    signed = protected if isinstance(protected, dict) else json.dumps(protected).encode()
    try:
        found = CHAIN.verify(CHAIN.sign(signed, payload))
    except RunbookError as error:
        assert error.code.startswith("VD-TRUST-")
        return None
    assert isinstance(protected, dict)
    relevant = {name: protected[name] for name in ("alg", "cty", "io.cncf.notary.signingScheme")}
    assert relevant == {name: PROTECTED[name] for name in relevant}
    assert found.leaf_subject == IDENTITY
    assert payload is None or all(payload["targetArtifact"][name] == value for name, value in TARGET.items())
    return found


# --- The parts around an envelope -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["es256-jws", "es256-jws-v2-layout"])
def test_bytes_of_a_signature_manifest(name: str) -> None:
    dice = random.Random(f"manifest {name}")  # noqa: S311
    (manifest,) = cases()[name].manifests
    genuine = read_signature_manifest(manifest)
    for _ in range(MANIFESTS):
        try:
            found = read_signature_manifest(mutated(manifest, dice))
        except RunbookError as error:
            assert error.code in {"VD-TRUST-002", "VD-TRUST-003"}
        else:  # another digest or size: the fetched bytes are compared with it, and the envelope proves itself
            assert found.envelope.media_type == genuine.envelope.media_type


def test_every_field_of_a_signature_manifest() -> None:
    manifest = json.loads(cases()["es256-jws-v2-layout"].manifests[0])
    for changed in variants(manifest):
        try:
            found = read_signature_manifest(json.dumps(changed).encode())
        except RunbookError as error:
            assert error.code in {"VD-TRUST-002", "VD-TRUST-003"}
        else:
            assert changed["artifactType"] == manifest["artifactType"]
            assert found.subject.digest == changed["subject"]["digest"]
            assert [found.envelope.digest] == [layer["digest"] for layer in changed["layers"]]


@pytest.mark.slow
def test_bytes_of_a_list_of_referrers() -> None:
    case, dice = cases()["es256-jws"], random.Random("referrers")  # noqa: S311
    for _ in range(MANIFESTS):
        try:
            entries = read_referrers(mutated(case.referrers, dice))
            found = first_good_signature(entries, source=case, subject=case.subject, policy=case.policies()[0], now=NOW)
        except RunbookError as error:
            assert error.code.startswith("VD-TRUST-")
        else:
            assert [found.envelope] == list(case.envelopes.values())
