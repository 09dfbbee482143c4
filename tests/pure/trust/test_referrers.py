"""From a list of referrers to a signature: the skipped entries, the remembered failures, and the fetched manifests."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from runbook_lib.errors import RunbookError
from runbook_lib.trust.descriptor import MANIFEST_TYPE, Descriptor
from runbook_lib.trust.envelope import JWS, MAX_ENVELOPE_BYTES
from runbook_lib.trust.good_signature import (
    MAX_REFUSAL_LENGTH,
    MAX_REFUSALS_SHOWN,
    MAX_SIGNATURES,
    GoodSignature,
    first_good_signature,
    read_referrers,
)
from runbook_lib.trust.manifest import (
    ARTIFACT_TYPE,
    MAX_SIGNATURE_MANIFEST_BYTES,
    SignatureManifest,
    read_signature_manifest,
    type_of,
)
from tests.support.certificate_maker import AUTHORITY, Wanted, make
from tests.support.notary_fixtures import NOW, digest_of
from tests.support.notary_maker import CHAIN, LEAF, SUBJECT, TARGET, Chain, fingerprint, protected_with
from vibedata.error_catalogue import CATALOGUE

GOOD = CHAIN.sign()
# A stranger with another root.
_OTHER_ROOT = make(AUTHORITY)
_OTHER_LEAF = make(Wanted(), issuer=_OTHER_ROOT)
STRANGER = Chain((_OTHER_LEAF, _OTHER_ROOT), _OTHER_LEAF.key)
DIGEST = "sha256:" + "c" * 64


def described(content: bytes, media_type: str, **more: object) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


def manifest_of(envelope: bytes, **fields: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": described(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [described(envelope, JWS)],
        "subject": TARGET,
        **fields,
    }


@dataclass
class Repository:
    """Serves the attached artifacts, fails on demand, and remembers the requests."""

    content: dict[str, bytes | RunbookError | None] = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def attach(self, envelope: bytes, **fields: Any) -> str:
        manifest = json.dumps(manifest_of(envelope, **fields)).encode()
        self.content |= {digest_of(manifest): manifest, digest_of(envelope): envelope}
        self.entries.append(described(manifest, MANIFEST_TYPE, artifactType=ARTIFACT_TYPE))
        return digest_of(manifest)

    def manifest(self, digest: str, max_bytes: int) -> bytes | None:
        self.asked.append((digest, max_bytes))
        found = self.content.get(digest)
        if isinstance(found, RunbookError):
            raise found
        return found

    blob = manifest

    def verify(self) -> GoodSignature:
        return first_good_signature(self.entries, source=self, subject=SUBJECT, policy=CHAIN.policy(), now=NOW)

    def refused(self) -> RunbookError:
        with pytest.raises(RunbookError) as caught:
            self.verify()
        return caught.value


def bad(number: int = 0) -> bytes:
    """Return a signature that expired, another one for each number."""
    expiry = "io.cncf.notary.expiry"
    crit = ["io.cncf.notary.signingScheme", expiry]
    return CHAIN.sign(protected_with(crit=crit, expiry="2026-11-23T01:00:00Z"), header={"number": number})


def test_the_first_good_signature_decides_and_no_more_is_fetched() -> None:
    repository = Repository()
    repository.attach(bad())
    wanted = repository.attach(GOOD)
    repository.attach(CHAIN.sign())
    found = repository.verify()
    assert (found.manifest_digest, found.envelope) == (wanted, GOOD)
    assert digest_of(found.manifest) == wanted
    assert len(repository.asked) == 4


def test_other_referrers_are_not_fetched() -> None:
    repository = Repository(entries=[None, 7, "x", [], {}, {"artifactType": "application/spdx+json", "digest": DIGEST}])
    assert repository.refused().code == "VD-TRUST-001"
    assert repository.asked == []


def test_only_so_much_is_fetched_as_was_announced() -> None:
    repository = Repository()
    repository.attach(GOOD)
    repository.verify()
    assert [most for _, most in repository.asked] == [len(repository.content[d]) for d, _ in repository.asked]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"size": MAX_SIGNATURE_MANIFEST_BYTES + 1},
        {"size": -1},
        {"size": True},
        {"digest": "sha512:" + "c" * 128},
        {"digest": None},
        {"digest": ["sha256"]},
        {"mediaType": "application/vnd.oci.image.index.v1+json"},
        {"mediaType": None},
    ],
)
def test_an_entry_that_is_no_descriptor_of_a_manifest_is_not_fetched(change: dict[str, Any]) -> None:
    repository = Repository()
    repository.attach(bad())
    repository.entries[0] |= change
    assert repository.refused().code == "VD-TRUST-002"
    assert repository.asked == []
    repository.attach(GOOD)
    assert repository.verify().envelope == GOOD


def test_an_entry_of_the_wrong_size_is_refused() -> None:
    repository = Repository()
    repository.attach(GOOD)
    repository.entries[0]["size"] += 1
    assert repository.refused().code == "VD-TRUST-005"


@pytest.mark.parametrize("wrong", [{"size": 1}, {"mediaType": "x"}, {"annotations": {"a": 1}}, {"Size": 1}])
def test_a_good_signature_that_is_also_listed_wrongly_is_found(wrong: dict[str, Any]) -> None:
    repository = Repository()
    repository.attach(GOOD)
    repository.entries.insert(0, repository.entries[0] | wrong)
    assert repository.verify().envelope == GOOD


def test_what_cannot_be_had_is_remembered_and_hides_nothing() -> None:
    repository = Repository()
    lost = repository.attach(GOOD, annotations={"number": "1"})
    repository.attach(bad())
    assert repository.verify().manifest_digest == lost
    for failure in (RunbookError(CATALOGUE["VD-REGISTRY-004"], "500"), None):
        repository.content[lost] = failure
        error = repository.refused()
        assert (error.code, error.retryable) == ("VD-TRUST-014", True)
        assert "VD-TRUST-010" in error.detail
    other = repository.attach(GOOD, annotations={"number": "2"})
    assert repository.verify().manifest_digest == other


def test_an_envelope_that_is_not_there_is_remembered_too() -> None:
    repository = Repository()
    repository.attach(GOOD)
    repository.content[digest_of(GOOD)] = None
    assert repository.refused().code == "VD-TRUST-014"
    repository.content[digest_of(GOOD)] = RunbookError(CATALOGUE["VD-REGISTRY-002"], "403")
    assert repository.refused().code == "VD-REGISTRY-002"  # the only signature: its own failure says most


def test_other_bytes_than_were_named_are_refused_however_good() -> None:
    repository, expired = Repository(), bad()
    named = repository.attach(expired)
    repository.content[digest_of(expired)] = GOOD
    assert repository.refused().code == "VD-TRUST-005"
    repository.content[named] = json.dumps(manifest_of(GOOD)).encode()
    assert repository.refused().code == "VD-TRUST-005"


def test_at_most_so_many_are_tried() -> None:
    repository = Repository()
    for number in range(MAX_SIGNATURES - 1):
        repository.attach(bad(number))
    repository.attach(GOOD)
    assert repository.verify().envelope == GOOD
    repository.entries.insert(0, dict(repository.entries[0]))  # the same again counts once
    assert repository.verify().envelope == GOOD
    repository.attach(bad(-1))
    repository.entries.insert(0, repository.entries.pop())
    repository.asked.clear()
    error = repository.refused()
    assert error.code == "VD-TRUST-013"
    assert len(repository.asked) == 2 * MAX_SIGNATURES
    assert error.detail.count("VD-TRUST-010") == MAX_REFUSALS_SHOWN
    assert [signer.fingerprint for signer in error.signers] == [fingerprint(LEAF)] * MAX_REFUSALS_SHOWN
    assert len(error.detail) < (MAX_REFUSALS_SHOWN + 1) * (MAX_REFUSAL_LENGTH + 2)


def test_those_that_came_furthest_are_told_first() -> None:
    repository = Repository()
    malformed = [repository.attach(b"{}", annotations={"number": str(number)}) for number in range(10)]
    foreign = repository.attach(STRANGER.sign())
    expired = repository.attach(bad())
    error = repository.refused()
    assert error.code == "VD-TRUST-013"
    told = [part.partition(" ")[0].strip("'") for part in error.detail.split("; ")]
    assert told[:5] == [expired, foreign, *malformed[:3]]
    assert [len(signer.passed) for signer in error.signers] == [5, 3]
    # A signature that cannot be retrieved decides the answer. So the message names it before the others.
    lost = repository.attach(GOOD)
    repository.content[lost] = RunbookError(CATALOGUE["VD-REGISTRY-004"], "500")
    error = repository.refused()
    assert error.code == "VD-TRUST-014"
    assert lost in error.detail.partition("; ")[0]


def test_media_types_have_no_case() -> None:
    repository = Repository()
    kind = ARTIFACT_TYPE.title()
    repository.attach(GOOD, artifactType=kind, mediaType=MANIFEST_TYPE.upper())
    repository.entries[0] |= {"artifactType": kind, "mediaType": MANIFEST_TYPE.upper()}
    assert repository.verify().envelope == GOOD


def test_a_policy_that_cannot_be_read_is_no_signatures_fault() -> None:
    repository = Repository()
    repository.attach(GOOD)
    repository.attach(bad())
    with pytest.raises(RunbookError) as caught:
        first_good_signature(
            repository.entries, source=repository, subject=SUBJECT, policy=CHAIN.policy(identity=""), now=NOW
        )
    assert caught.value.code == "VD-TRUST-012"


def test_a_signature_attached_to_something_else_is_not_taken_for_this() -> None:
    for change in ({"digest": DIGEST}, {"size": 507}, {"mediaType": "x"}):
        repository = Repository()
        repository.attach(GOOD, subject={**TARGET, **change})
        assert repository.refused().code == "VD-TRUST-011"


def test_a_list_is_read_strictly() -> None:
    assert read_referrers(b'{"manifests": [1, {}]}') == (1, {})
    for content in (b"", b"{}", b'{"manifests": null}', b'{"manifests": [], "manifests": []}', b"[" * 5000):
        with pytest.raises(RunbookError) as caught:
            read_referrers(content)
        assert (caught.value.code, caught.value.retryable) == ("VD-TRUST-014", True)


# --- The signature manifest -------------------------------------------------------------------------------------------


def read(**fields: Any) -> SignatureManifest:
    return read_signature_manifest(json.dumps(manifest_of(GOOD, **fields)).encode())


def test_both_ways_of_marking_a_signature_are_read() -> None:
    wanted = SignatureManifest(
        subject=SUBJECT, envelope=Descriptor(media_type=JWS, digest=digest_of(GOOD), size=len(GOOD))
    )
    old = {"mediaType": ARTIFACT_TYPE, "digest": digest_of(b"{}"), "size": 2}
    assert read() == read(artifactType=None, config=old) == read(artifactType="", config=old) == wanted
    assert read(config=None, annotations=3, further=[1]) == wanted
    without = {name: value for name, value in manifest_of(GOOD).items() if name != "mediaType"}
    assert read_signature_manifest(json.dumps(without).encode()) == wanted


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"artifactType": ARTIFACT_TYPE}, ARTIFACT_TYPE),
        ({"artifactType": "", "config": {"mediaType": ARTIFACT_TYPE.upper()}}, ARTIFACT_TYPE),
        ({"artifactType": "x/y", "config": {"mediaType": ARTIFACT_TYPE}}, "x/y"),
        ({"artifactType": 5, "config": {"mediaType": ARTIFACT_TYPE}}, ""),
        ({"config": {"mediaType": 5}}, ""),
        ({"config": []}, ""),
        ({}, ""),
    ],
)
def test_what_a_manifest_says_that_it_is(fields: dict[str, Any], kind: str) -> None:
    assert type_of(json.dumps(fields).encode()) == kind


def test_what_is_no_manifest_says_nothing() -> None:
    for content in (b"", b"[]", b"\xff", b"[" * 5000, b'{"artifactType": "a", "artifactType": "a"}'):
        assert type_of(content) == ""


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"artifactType": None}, "VD-TRUST-002"),
        ({"artifactType": "x", "config": {"mediaType": ARTIFACT_TYPE}}, "VD-TRUST-002"),
        ({"artifactType": [ARTIFACT_TYPE]}, "VD-TRUST-002"),
        ({"artifactType": None, "config": [ARTIFACT_TYPE]}, "VD-TRUST-002"),
        ({"schemaVersion": 1}, "VD-TRUST-002"),
        ({"schemaVersion": 2.0}, "VD-TRUST-002"),
        ({"schemaVersion": "2"}, "VD-TRUST-002"),
        ({"Layers": []}, "VD-TRUST-002"),
        ({"SUBJECT": TARGET}, "VD-TRUST-002"),
        ({"artifacttype": ARTIFACT_TYPE}, "VD-TRUST-002"),
        ({"config": {"mediaType": "x", "MediaType": ARTIFACT_TYPE}}, "VD-TRUST-002"),
        ({"mediaType": "application/vnd.oci.artifact.manifest.v1+json"}, "VD-TRUST-002"),
        ({"mediaType": None}, "VD-TRUST-002"),
        ({"layers": None}, "VD-TRUST-002"),
        ({"layers": [None]}, "VD-TRUST-002"),
        ({"layers": {"0": 1}}, "VD-TRUST-002"),
        ({"layers": [described(GOOD, JWS, size=MAX_ENVELOPE_BYTES + 1)]}, "VD-TRUST-002"),
        ({"layers": [described(GOOD, JWS, digest="sha256:x")]}, "VD-TRUST-002"),
        ({"layers": [described(GOOD, "application/cose")]}, "VD-TRUST-003"),
        ({"layers": [described(GOOD, JWS.upper())]}, "VD-TRUST-003"),
        ({"subject": None}, "VD-TRUST-002"),
        ({"subject": []}, "VD-TRUST-002"),
        ({"padding": "x" * MAX_SIGNATURE_MANIFEST_BYTES}, "VD-TRUST-002"),
    ],
)
def test_a_signature_manifest_that_is_refused(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(RunbookError) as caught:
        read(**fields)
    assert caught.value.code == code
