"""Signatures of the Notary Project's corpus, pushed to a container registry and verified from there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from runbook_lib.basics.clock import SYSTEM_CLOCK
from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.tokens import AccessTokens, PublisherTokenSource
from runbook_lib.container_registry.wire import PUBLISHER, ContainerRegistryWire
from runbook_lib.errors import RunbookError
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.trust.good_signature import GoodSignature, first_good_signature, read_referrers
from runbook_lib.trust.signature import TrustPolicy
from tests.support import oci_client as oci
from tests.support.notary_fixtures import NOW, Case, cases
from tests.support.oci_client import Image
from tests.support.running_lab import LabUnderTest

REPOSITORY = "vibedata/release-manifest"


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository, as the product's own reader reads it."""

    reader: ContainerRegistryReader

    def manifest(self, digest: str, max_bytes: int) -> bytes | None:
        found = self.reader.manifest(REPOSITORY, digest, max_bytes)
        return found.content if found else None

    def blob(self, digest: str, max_bytes: int) -> bytes | None:
        return self.reader.blob(REPOSITORY, digest, max_bytes)


def reader(lab: LabUnderTest) -> ContainerRegistryReader:
    policy = NetworkRetryPolicy(delay_seconds=0.01)
    wire = ContainerRegistryWire(
        login_server=lab.env["VIBEDATA_PUBLISHER_REGISTRY"],
        side=PUBLISHER,
        session=new_session(),
        policy=lambda: policy,
        clock=SYSTEM_CLOCK,
    )
    names = lab.control("GET", "/names")
    source = PublisherTokenSource(
        wire=wire,
        username=names["publisher_token_username"],
        password=names["publisher_token_password"],
        clock=SYSTEM_CLOCK,
    )
    return ContainerRegistryReader(wire=wire, tokens=AccessTokens(source=source, clock=SYSTEM_CLOCK))


def push(lab: LabUnderTest, case: Case) -> None:
    blobs = (b"{}", *case.envelopes.values())
    for manifest in case.manifests:
        oci.publisher(lab).push(REPOSITORY, Image(manifest, oci.MANIFEST, blobs))


def listed(lab: LabUnderTest, case: Case) -> Sequence[Any]:
    answer = oci.publisher(lab).send("GET", f"/v2/{REPOSITORY}/referrers/{case.subject.digest}")
    assert answer.status_code == 200
    return read_referrers(answer.content)


def verify(lab: LabUnderTest, case: Case, policy: TrustPolicy) -> GoodSignature:
    return first_good_signature(
        listed(lab, case), source=Repository(reader(lab)), subject=case.subject, policy=policy, now=NOW
    )


def refused(lab: LabUnderTest, case: Case, policy: TrustPolicy | None = None) -> RunbookError:
    with pytest.raises(RunbookError) as caught:
        verify(lab, case, policy or case.policies()[0])
    return caught.value


@pytest.mark.parametrize("name", ["es256-jws", "ps384-jws", "es256-jws-v2-layout"])
def test_a_signature_made_by_notation_is_good(lab: LabUnderTest, name: str) -> None:
    case = cases()[name]
    push(lab, case)
    good = verify(lab, case, case.policies()[0])
    assert good.manifest == case.manifests[0]
    assert [good.envelope] == list(case.envelopes.values())
    assert good.verified.anchor_fingerprint in case.roots("ca")


def test_an_artifact_without_a_signature_is_unsigned(lab: LabUnderTest) -> None:
    push(lab, cases()["es384-jws"])
    assert refused(lab, cases()["es256-jws"]).code == "VD-TRUST-001"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("negative/x5c-string", "VD-TRUST-002"),
        ("es256-cose", "VD-TRUST-003"),
        ("negative/alg-none-with-signature", "VD-TRUST-004"),
        ("negative/tamper-payload-byte", "VD-TRUST-005"),
        ("negative/cert-eku-any", "VD-TRUST-006"),
        ("negative/level-permissive-expired-cert", "VD-TRUST-007"),
        ("negative/cert-root-reissued", "VD-TRUST-008"),
        ("negative/identity-case-mismatch", "VD-TRUST-009"),
        ("es256-jws-expired-24h", "VD-TRUST-010"),
        ("negative/replayed-on-other-subject", "VD-TRUST-011"),
        ("negative/two-bad", "VD-TRUST-013"),
    ],
)
def test_the_fault_of_a_signature_has_its_own_code(lab: LabUnderTest, name: str, code: str) -> None:
    push(lab, cases()[name])
    assert refused(lab, cases()[name]).code == code


@pytest.mark.parametrize("identity", ["", " ", "Vibedata", "CN=", "CN=a,,O=b", "CN=a\\"])
def test_nobody_is_trusted_by_an_unreadable_name(lab: LabUnderTest, identity: str) -> None:
    case = cases()["es256-jws"]
    push(lab, case)
    assert refused(lab, case, replace(case.policies()[0], identity=identity)).code == "VD-TRUST-012"


def test_a_signature_that_cannot_be_had_does_not_hide_a_good_one(lab: LabUnderTest) -> None:
    case = cases()["es256-jws-tag-schema"]
    push(lab, case)
    policy = case.policies()[0]
    first, second = (entry["digest"] for entry in listed(lab, case))
    assert verify(lab, case, policy).manifest_digest == first
    fail(lab, first)
    assert verify(lab, case, policy).manifest_digest == second
    fail(lab, second)
    error = refused(lab, case, policy)
    assert (error.code, error.retryable) == ("VD-TRUST-014", True)
    assert error.message.count("VD-REGISTRY-004") == 2
    lab.clear_faults()
    assert verify(lab, case, policy).manifest_digest == first


def fail(lab: LabUnderTest, digest: str) -> None:
    match = {"service": "publisher_registry", "path": f".*/manifests/{digest}"}
    lab.control("POST", "/faults", {"match": match, "action": "status", "status": 500, "times": 1000})


def test_an_only_signature_that_cannot_be_had_tells_its_own_failure(lab: LabUnderTest) -> None:
    case = cases()["es256-jws"]
    push(lab, case)
    fail(lab, listed(lab, case)[0]["digest"])
    assert refused(lab, case).code == "VD-REGISTRY-004"


def test_a_list_that_cannot_be_read_is_no_empty_list() -> None:
    for content in (b"", b"[]", b"{}", b'{"manifests": {}}', b'{"manifests": "x"}', b"\xff"):
        with pytest.raises(RunbookError) as caught:
            read_referrers(content)
        assert caught.value.code == "VD-TRUST-014"
