"""The plans of the two import runbooks, and the time of their next look, as pure functions of facts."""

import dataclasses
import json
from datetime import datetime, timezone
from typing import Any

import pytest

from runbook_lib.basics.digest import digest_from_hex, digest_of
from runbook_lib.change import Change, Plan
from runbook_lib.container_registry._import_operation import ImportOperation, failure
from runbook_lib.container_registry.image_import import ImageImporter, Pace
from runbook_lib.container_registry.manifest import Manifest
from runbook_lib.container_registry.reader import ContainerRegistryReader, may_follow
from runbook_lib.errors import RunbookError
from runbook_lib.release.hop import Release, SignedArtifact
from runbook_lib.release.manifest import parse
from runbook_lib.release.model import Pin, ReleaseId
from runbook_lib.release.storage import ARTIFACT, CONTENT, SIGNATURE
from runbook_lib.trust.signature import TrustPolicy, VerifiedSignature
from runbooks import import_images, import_manifest
from tests.support.fake_clock import FakeClock
from tests.support.manifest_maker import DOCUMENT

D1, D2, D3 = ("sha256:" + character * 64 for character in "123")
SHA256 = "a" * 64
VERSION = "2026.11.0"
RELEASE = "vibedata/release-manifest"
BLOB = f"release-manifests/{VERSION}/{SHA256}"
# The parts of the release in artifact storage, each with its digest.
PARTS = {part: digest_of(content) for part, content in ((ARTIFACT, b"{}"), (SIGNATURE, b"e"), (CONTENT, b"{}"))}
VERIFIED = VerifiedSignature(
    algorithm="ES256",
    leaf_subject="CN=x",
    leaf_fingerprint="1" * 64,
    anchor_fingerprint="2" * 64,
    signing_time=datetime(2026, 11, 1, tzinfo=timezone.utc),
    expiry=None,
)

# The plans never use these.
READER: Any = ContainerRegistryReader.__new__(ContainerRegistryReader)
IMPORTER: Any = ImageImporter.__new__(ImageImporter)


def manifest_facts(**fields: Any) -> import_manifest.Facts:
    facts = import_manifest.Facts(
        release_tag="latest",
        allow_downgrade=False,
        now=datetime(2026, 11, 23, tzinfo=timezone.utc),
        offered=Release(
            id=ReleaseId(VERSION, digest_from_hex(SHA256)),
            signed=SignedArtifact(artifact=Manifest(D1, b"{}"), signature_digest=D3, envelope=b"e", verified=VERIFIED),
            content=b"{}",
            manifest=parse(json.dumps(DOCUMENT).encode()),
        ),
        installed=(),
        missing=(CONTENT, ARTIFACT, SIGNATURE),
        tags={VERSION: None, "latest": None},
        signed=False,
        policy=TrustPolicy(roots=frozenset(), identity=""),
        customer=READER,
        importer=IMPORTER,
    )
    return dataclasses.replace(facts, **fields)


def image_facts(found: dict[str, str | None]) -> import_images.Facts:
    pins = {
        "vibedata/a:1": Pin(repository="vibedata/a", tag="1", digest=D1),
        "vibedata/b:1": Pin(repository="vibedata/b", tag="1", digest=D2),
    }
    return import_images.Facts(version=VERSION, pins=pins, found=found, customer=READER, importer=None)


def refusal(facts: import_manifest.Facts) -> str:
    with pytest.raises(RunbookError) as caught:
        import_manifest.plan(facts)
    return caught.value.code


def targets(plan: Plan) -> list[str]:
    return [change.target for change in plan.changes]


def test_a_first_import_stores_everything_and_moves_latest_last() -> None:
    assert import_manifest.plan(manifest_facts()).changes == (
        Change(1, "import", f"{RELEASE}:{VERSION}", None, D1),
        *(Change(1, "store", BLOB + part, None, digest) for part, digest in PARTS.items()),
        Change(2, "import", f"{RELEASE}@{D3}", None, D3),
        Change(3, "import", f"{RELEASE}:latest", None, D1),
    )


def test_nothing_is_to_be_done_twice() -> None:
    plan = import_manifest.plan(manifest_facts(missing=(), signed=True, tags={VERSION: D1, "latest": D1}))
    assert plan.changes == ()
    assert [item.target for item in plan.unchanged] == [
        f"{RELEASE}:{VERSION}",
        *(BLOB + part for part in PARTS),
        f"{RELEASE}@{D3}",
        f"{RELEASE}:latest",
    ]


def test_what_a_crash_left_undone_is_what_is_done() -> None:
    half = manifest_facts(missing=(SIGNATURE,), signed=True)
    assert targets(import_manifest.plan(half)) == [f"{RELEASE}:{VERSION}", BLOB + SIGNATURE, f"{RELEASE}:latest"]


def test_latest_moves_from_where_it_was() -> None:
    plan = import_manifest.plan(manifest_facts(tags={VERSION: D1, "latest": D2}, missing=(), signed=True))
    assert plan.changes == (Change(3, "import", f"{RELEASE}:latest", D2, D1),)


def test_a_version_tag_is_never_moved() -> None:
    assert refusal(manifest_facts(tags={VERSION: D2, "latest": None})) == "VD-MANIFEST-008"


def test_a_release_under_the_tag_of_another_is_refused() -> None:
    assert refusal(manifest_facts(release_tag="2026.12.0")) == "VD-MANIFEST-009"
    assert import_manifest.plan(manifest_facts(release_tag=VERSION)).changes


def test_an_older_release_is_refused_unless_it_is_meant() -> None:
    newer = (ReleaseId("2026.12.0", digest_from_hex("b" * 64)),)
    assert refusal(manifest_facts(installed=newer)) == "VD-MANIFEST-007"
    assert import_manifest.plan(manifest_facts(installed=newer, allow_downgrade=True)).changes


def test_an_older_release_that_is_installed_is_no_downgrade() -> None:
    installed = (ReleaseId("2026.12.0", digest_from_hex("b" * 64)),)
    there = manifest_facts(installed=installed, missing=(), signed=True, tags={VERSION: D1, "latest": D1})
    assert import_manifest.plan(there).changes == ()
    # If any part of it is missing, it counts as absent.
    for lacking in (
        {"tags": {VERSION: D1, "latest": D2}},
        {"tags": {VERSION: None, "latest": D1}},
        {"missing": (SIGNATURE,)},
    ):
        assert refusal(dataclasses.replace(there, **lacking)) == "VD-MANIFEST-007"


def test_an_expired_release_is_refused_even_if_all_of_it_is_there() -> None:
    there = manifest_facts(missing=(), signed=True, tags={VERSION: D1, "latest": D1})
    late = dataclasses.replace(there, now=datetime(2028, 1, 1, tzinfo=timezone.utc))
    assert refusal(late) == "VD-MANIFEST-006"


def test_images_that_differ_are_imported_and_the_others_left() -> None:
    plan = import_images.plan(image_facts({"vibedata/a:1": D1, "vibedata/b:1": D3}))
    assert plan.changes == (Change(1, "import", "vibedata/b:1", D3, D2),)
    assert [item.target for item in plan.unchanged] == ["vibedata/a:1"]


def test_absent_images_are_imported_side_by_side() -> None:
    plan = import_images.plan(image_facts({"vibedata/a:1": None, "vibedata/b:1": None}))
    assert {change.stage for change in plan.changes} == {1}
    assert targets(plan) == ["vibedata/a:1", "vibedata/b:1"]


@pytest.mark.parametrize("tag", ["", "a b", "../x", "x" * 129, "a:b", "sha256:" + "0" * 64, "latest\n"])
def test_a_release_tag_that_is_none_is_refused(tag: str) -> None:
    with pytest.raises(RunbookError) as caught:
        import_manifest.Parameters(release_tag=tag)
    assert (caught.value.code, caught.value.exit_code) == ("VD-PARAM-002", 2)


@pytest.mark.parametrize("version", ["latest", "1", "01.2.3", "1.2.3\n", "1.2.3-rc1"])
def test_a_release_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(RunbookError) as caught:
        import_images.RUNBOOK.parameters(release_version=version)
    assert (caught.value.code, caught.value.exit_code) == ("VD-PARAM-002", 2)


def test_looks_keep_within_the_rate_whatever_their_number() -> None:
    clock = FakeClock()
    pace = Pace(per_minute=60, clock=clock)
    times = []
    for _ in range(200):
        pace.wait()
        times.append(clock.monotonic())
    assert clock.slept[0] == 2.0  # half of them at once, then one by one
    assert times[29] == 0.0
    for start in times:
        assert sum(start <= moment < start + 60 for moment in times) <= 60


def test_a_pause_gives_the_burst_back_and_no_more() -> None:
    clock = FakeClock()
    pace = Pace(per_minute=60, clock=clock)
    clock.advance(3600)
    for _ in range(30):
        pace.wait()
    assert clock.slept == []
    pace.wait()
    assert clock.slept == [2.0]


UNAUTHORIZED = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Invalid message NotFound NotFound {'errors':[{'code':'MANIFEST_UNKNOWN'}]}", "VD-IMPORT-001"),
        (f"Invalid message Unauthorized Unauthorized {UNAUTHORIZED}", "VD-IMPORT-005"),
        ("Error copying blobs. DIGEST_INVALID: provided digest did not match uploaded content", "VD-IMPORT-004"),
        ("Error copying blobs.", "VD-IMPORT-002"),
    ],
)
def test_a_failed_import_is_told_by_what_the_source_said(message: str, code: str) -> None:
    error = failure("InvalidParameters", message, "vibedata/a:1")
    assert error.code == code
    assert "InvalidParameters" in error.message
    assert "vibedata/a:1" in error.message


@pytest.mark.parametrize(
    "name", ["authentication", "notfound-page", "denied-orders", "unauthorized", "a:DENIED", "a@UNAUTHORIZED"]
)
@pytest.mark.parametrize("place", ["shop/{}", "/subscriptions/s/resourceGroups/{}/providers/x", "'{}'", "registry {}"])
def test_no_name_decides_why_an_import_failed(name: str, place: str) -> None:
    words = f"Could not copy {place.format(name)}@{D1}: the source closed the connection; does not match what it sent."
    error = failure("ImportFailed", words, "shop/web:1")
    assert (error.code, error.retryable) == ("VD-IMPORT-002", True)
    assert "closed the connection" in error.message


def test_the_sources_code_comes_before_what_else_is_said() -> None:
    body = '{"errors":[{"code":"DENIED","message":"manifest unknown, digest mismatch"}]}'
    assert failure("InvalidParameters", f"Invalid message NotFound NotFound {body}", "a:1").code == "VD-IMPORT-005"
    assert failure("InvalidParameters", "Invalid message Forbidden Forbidden", "a:1").code == "VD-IMPORT-005"


def test_the_reason_is_shown_however_long_the_names_are() -> None:
    words = (
        f"Operation registries-11111111-2222-4333-8444-555555555555 failed. Resource /subscriptions/{'0' * 36}"
        f"/resourceGroups/{'g' * 90}/providers/Microsoft.ContainerRegistry/registries/{'r' * 50} "
    )
    error = failure("InvalidParameters", words + "Error copying blobs. THE REASON", "shop/web:1")
    assert error.message.endswith("InvalidParameters: Error copying blobs. THE REASON")
    long = failure("InvalidParameters", "BEGIN " + "x" * 5000 + " END", "shop/web:1").message
    assert "BEGIN" in long and long.endswith("END") and len(long) < 1200
    for place in range(900):
        secret = "canary" * 6
        shown = failure("InvalidParameters", "w " * (place // 2) + secret + " w" * 700, "a:1").message
        assert secret in shown or "canary" not in shown


@pytest.mark.parametrize(
    ("status", "code"), [(401, "VD-REGISTRY-003"), (403, "VD-REGISTRY-003"), (409, "VD-IMPORT-006")]
)
def test_an_operation_that_arm_refuses_is_not_the_sources_fault(status: int, code: str) -> None:
    content = b'"{\\"error\\": {\\"code\\": \\"SomethingOfArms\\"}}"'  # a text that holds JSON, without a message
    with pytest.raises(RunbookError, match="SomethingOfArms") as caught:
        operation(FakeClock()).take(ArmClient(), ArmAnswer(status, {}, content))
    assert caught.value.code == code


@dataclasses.dataclass
class ArmAnswer:
    status_code: int
    headers: dict[str, str]
    content: bytes = b""


class ArmClient:
    """Answers questions to an operation from a list."""

    def __init__(self, *answers: ArmAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def send_request(self, request: Any) -> ArmAnswer:
        self.asked.append(request.url)
        return self.answers.pop(0)


ARM = "https://management.azure.com"


def operation(clock: FakeClock) -> Any:
    return ImportOperation(image="vibedata/a:1", arm_endpoint=ARM, clock=clock)


def test_an_operation_is_asked_no_more_often_than_it_wishes() -> None:
    clock = FakeClock()
    moved = ArmAnswer(202, {"Location": f"{ARM}/other"})
    client = ArmClient(moved, ArmAnswer(503, {"Retry-After": "30"}), ArmAnswer(200, {}))
    running = operation(clock)
    running.take(client, ArmAnswer(202, {"Location": f"{ARM}/first", "Retry-After": "7"}))
    times = []
    while running.over_since is None:
        before = len(client.asked)
        running.ask()
        if len(client.asked) > before:
            times.append(clock.monotonic())
        clock.advance(1)
    assert times == [7, 17, 47]  # 10 s if it does not say a time
    assert client.asked == [f"{ARM}/first", f"{ARM}/other", f"{ARM}/other"]


def test_arms_token_goes_nowhere_but_to_arm() -> None:
    clock = FakeClock()
    running = operation(clock)
    client = ArmClient()
    running.take(client, ArmAnswer(202, {"Location": "https://management.azure.com.elsewhere.example/x"}))
    clock.advance(3600)
    running.ask()
    assert (client.asked, running.over_since) == ([], None)


@pytest.mark.parametrize(
    "location",
    [
        "https://management.azure.com.elsewhere.example/x",
        "http://management.azure.com/x",
        "https://management.azure.com:8443/x",
        "https://management.azure.com@elsewhere.example/x",
        "https://elsewhere.example\\@management.azure.com/x",
        "//elsewhere.example/x",
        "https://[",
        "https://a\u2100b/",
        "https://" + "a" * 70 + ".example/",
        "https://2130706433/",
        "",
    ],
)
def test_a_location_elsewhere_or_nowhere_is_not_asked(location: str) -> None:
    clock = FakeClock()
    running = operation(clock)
    client = ArmClient()
    running.take(client, ArmAnswer(202, {"Location": location}))
    clock.advance(3600)
    running.ask()
    assert (client.asked, running.over_since) == ([], None)


@pytest.mark.parametrize(
    "location",
    [f"{ARM}:443/x?a=b", "HTTPS://Management.Azure.Com/x?a=b", "https://management.azure.com./x?a=b", "/x?a=b"],
)
def test_arm_is_known_in_every_spelling(location: str) -> None:
    clock = FakeClock()
    running = operation(clock)
    client = ArmClient(ArmAnswer(200, {}))
    running.take(client, ArmAnswer(202, {"Location": location}))
    clock.advance(3600)
    running.ask()
    assert client.asked == [f"{ARM}/x?a=b"]


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"error": "x"}'])
def test_a_failure_in_another_form_is_shown_as_it_is(content: bytes) -> None:
    with pytest.raises(RunbookError) as caught:
        operation(FakeClock()).take(ArmClient(), ArmAnswer(400, {}, content))
    assert caught.value.code == "VD-IMPORT-002"
    assert caught.value.detail == (f"status 400: {content.decode()}" if content else "status 400")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://acr.example.blob.core.windows.net/x?sig=1", True),
        ("https://127.0.0.1:5000/v2/a", True),  # the login server itself
        ("https://127.0.0.1:5001/v2/a", False),
        ("https://127.0.0.1/v2/a", False),
        ("http://example.com/x", False),
        ("https://10.0.0.1/x", False),
        ("https://169.254.169.254/metadata", False),
        ("https://[::1]/x", False),
        ("https://localhost/x", False),
        ("https://user@example.com/x", False),
        ("https:///x", False),
        ("", False),
        ("https://[", False),
        ("https://a\u2100b/", False),
        ("https://2130706433/", False),
        ("https://127.1/", False),
        ("https://localhost./", False),
        ("https://168.63.129.16/", False),
        ("https://[64:ff9b::7f00:1]/", False),
        ("HTTPS://127.0.0.1:5000/x", True),
        ("http://127.0.0.1:5000/x", False),
    ],
)
def test_redirects_lead_out_over_tls_or_nowhere(url: str, allowed: bool) -> None:
    assert may_follow(url, "127.0.0.1:5000") is allowed
