"""`vibedata verify-release`: each of its checks over the wire, with a fault that it must find; and all faults at
once.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import oci.build
from oci.bundling.bundle import Bundle, bundle
from oci.packages import wheels
from oci.packages.wheels import LockedWheel, collect
from oci.release.built import read_built_release
from tests.support import oci_client
from tests.support.arm import scope_map
from tests.support.pushed_release import TRUST, VERSION, make_release, push_now, writes
from tests.support.release_maker import RELEASE_REPOSITORY, container_registry, document, push_unsigned
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata.release.pulled import MAX_LAYERS

pytestmark = pytest.mark.slow
STUDIO = oci_client.index(
    oci_client.image(oci_client.layer(b"studio, amd64")), oci_client.image(oci_client.layer(b"studio, arm64"))
)
PANEL = oci_client.image(oci_client.layer(b"panel"), oci_client.layer(b"more"))
HOLLOW = oci_client.index()
DEEP = oci_client.image(*[oci_client.layer(b"deep")] * (MAX_LAYERS + 1))
IMAGES = {"studio": STUDIO, "panel": PANEL}
GOOD_BICEP = "param studio string\nresource a 'Microsoft.App/jobs@2024-03-01' = { name: 'a', image: studio }\n"


def pinned(images: dict[str, oci_client.Image]) -> list[dict[str, object]]:
    return [
        {"name": name, "repository": f"vibedata/{name}", "tag": "1.4.0", "digest": image.digest, "size": 7}
        for name, image in images.items()
    ]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("release") / "dist", images=pinned(IMAGES))


@pytest.fixture(scope="module")
def unfit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that only Automation would refuse. It is complete, and a trusted signer has signed it."""

    def bundled(name: str, **options: Any) -> Bundle:
        made = bundle(name, **options)
        text = {
            "check_health": made.text.replace("\nSOURCES", "\nmatch = = 1\nSOURCES", 1),
            "import_images": f"import boto3\n{made.text}",
            "rotate_hmac": made.text + "# too long\n" * 100_000,
        }
        return replace(made, text=text.get(name, made.text))

    def collected(*arguments: Any, **options: Any) -> Sequence[LockedWheel]:
        return [wheel for wheel in collect(*arguments, **options) if wheel.package.name != "isodate"]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(oci.build, "bundle", bundled)
        patched.setattr(wheels, "collect", collected)
        return make_release(tmp_path_factory.mktemp("unfit") / "dist", images=pinned({"hollow": HOLLOW, "deep": DEEP}))


@pytest.fixture
def bicep(tmp_path: Path) -> Path:
    folder = tmp_path / "infra"
    folder.mkdir()
    (folder / "main.bicep").write_text(GOOD_BICEP)
    return folder


@pytest.fixture
def promoted(lab: LabUnderTest, release: Path) -> LabUnderTest:
    """The lab, with the good release and its images at the publisher's."""
    for name, image in IMAGES.items():
        oci_client.publisher(lab).push(f"vibedata/{name}", image, "1.4.0")
    push_now(lab, release)
    return lab


def as_customer(lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the environment the repository-scoped token of a customer."""
    token = oci_client.scoped_token(lab)
    monkeypatch.setenv("VIBEDATA_PUBLISHER_REGISTRY_USERNAME", token.username)
    monkeypatch.setenv("VIBEDATA_PUBLISHER_REGISTRY_PASSWORD", token.password)


def verify(capsys: pytest.CaptureFixture[str], bicep: Path, *options: str) -> tuple[int, dict[str, Any]]:
    arguments = ["verify-release", VERSION, *TRUST, "--bicep", str(bicep), "--output", "json", *options]
    code = cli.main(arguments)
    return code, json.loads(capsys.readouterr().out)


def states(result: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return each row's state and code, by its subject."""
    return {row["subject"]: (row["state"], row["code"]) for row in result["rows"]}


def of_code(result: dict[str, Any], code: str) -> list[str]:
    """Return the details of the rows with a code."""
    found = [row for row in result["rows"] if row["code"] == code]
    assert all(row["remedy"] and row["state"] == "bad" for row in found)
    return [f"{row['subject']}: {row['detail']}" for row in found]


def test_a_promoted_release_is_good_to_a_customer(
    promoted: LabUnderTest, bicep: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_customer(promoted, monkeypatch)
    before = len(writes(promoted))
    code, result = verify(capsys, bicep)
    assert (code, result["status"], result["bad"], result["unknown"]) == (0, "good", 0, 0), result
    details = {row["subject"]: row["detail"] for row in result["rows"]}
    assert details["tag latest"].startswith(f"leads to {VERSION}, channel stable, sha256:")
    assert details["artifact vibedata/studio:1.4.0"] == f"{STUDIO.digest} can be pulled: 2 platforms, 3 blobs"
    assert details["artifact vibedata/panel:1.4.0"].endswith("1 platform, 3 blobs")
    assert "packages have all that it imports" in details["runbook import_images"]
    assert "with all that they need" in details["Python packages"]
    assert details["image tags"] == "none is a literal in 1 file"
    assert len(writes(promoted)) == before
    # The same output for people, with its progress, and for a release that a pipeline has promoted by mistake.
    assert cli.main(["verify-release", VERSION, *TRUST, "--bicep", str(bicep)]) == 0
    words = capsys.readouterr().out
    assert "looking at: release" in words and "0 unknown, 0 bad" in words
    code, other = verify(capsys, bicep, "--channel", "preview")
    assert (code, states(other)["tag latest"]) == (1, ("bad", "VD-VERIFY-001"))


def test_every_fault_is_found_at_once(
    promoted: LabUnderTest,
    release: Path,
    bicep: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher = oci_client.publisher(promoted)
    # A layer is lost, a customer may not read one repository, `latest` is another release, and two files are bad.
    lost = oci_client.digest_of(PANEL.blobs[-1])
    assert publisher.send("DELETE", f"/v2/vibedata/panel/blobs/{lost}").status_code == 202
    repositories = {pin.repository for pin in read_built_release(release).manifest.pins} - {"vibedata/studio"}
    actions = [f"repositories/{name}/content/read" for name in sorted({*repositories, RELEASE_REPOSITORY})]
    assert scope_map(promoted, "PATCH", {"properties": {"actions": actions}}).status_code == 200
    other = json.dumps(document(version="2026.10.0")).encode()
    push_unsigned(container_registry(promoted, "publisher"), other)
    (bicep / "apps.bicep").write_text("var a = 1\nvar image = 'vibedata/studio:1.4.0'\n")
    (bicep / "broken.bicep").write_text("param\n")
    as_customer(promoted, monkeypatch)
    code, result = verify(capsys, bicep)
    assert (code, result["status"], result["unknown"], result["bad"]) == (1, "bad", 0, 5)
    assert [row["state"] for row in result["rows"]][-5:] == ["bad"] * 5  # the worst rows are the last
    found = states(result)
    assert found["tag latest"] == ("bad", "VD-VERIFY-001")
    assert found["artifact vibedata/panel:1.4.0"] == ("bad", "VD-TRUST-055")
    assert found["artifact vibedata/studio:1.4.0"] == ("bad", "VD-REGISTRY-002")
    assert found["signature"] == found["runbook import_images"] == ("good", "")
    assert lost in of_code(result, "VD-TRUST-055")[0]
    (literal,) = of_code(result, "VD-VERIFY-005")
    assert literal.startswith(f"{bicep}/apps.bicep:2: ") and literal.endswith(": 1.4.0")
    (broken,) = of_code(result, "VD-VERIFY-006")
    assert broken.startswith(f"{bicep}/broken.bicep:1: ")


def test_what_automation_would_refuse_is_found_before_anything_is_sent(
    lab: LabUnderTest,
    unfit: Path,
    bicep: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    oci_client.publisher(lab).push("vibedata/hollow", HOLLOW, "1.4.0")
    oci_client.publisher(lab).push("vibedata/deep", DEEP, "1.4.0")
    before = len(writes(lab))
    code = cli.main(["push", str(unfit), *TRUST, "--output", "json"])
    answer = capsys.readouterr()
    assert (code, json.loads(answer.out)["error"]["code"]) == (1, "VD-MANIFEST-011")
    assert "it has no manifests" in answer.out
    for words in ("check_health", "boto3", "rotate_hmac", "isodate"):
        assert words in answer.err
    assert len(writes(lab)) == before
    # Somebody has sent it in another way. The validation still finds the same.
    push_now(lab, unfit)
    as_customer(lab, monkeypatch)
    code, result = verify(capsys, bicep)
    assert (code, result["status"]) == (1, "bad")
    found = states(result)
    assert found["artifact vibedata/hollow:1.4.0"] == ("bad", "VD-MANIFEST-011")
    assert any("it lists 128 layers; at most 127" in each for each in of_code(result, "VD-MANIFEST-011"))
    syntax, large = sorted(of_code(result, "VD-VERIFY-003"))
    assert "runbook check_health" in syntax and "is no Python 3.10" in syntax
    assert "runbook rotate_hmac" in large and "a runbook has 1 to 1048576" in large
    assert found["runbook import_images"] == ("bad", "VD-BUILD-002")
    (packages,) = of_code(result, "VD-VERIFY-004")
    assert "needs isodate" in packages and "which is not there" in packages
    assert found["signature"] == ("good", "")


def test_a_check_that_cannot_be_made_is_never_good(
    promoted: LabUnderTest, bicep: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pipeline's own credentials may write.
    code, result = verify(capsys, bicep)
    assert (code, states(result)["customer's token"]) == (1, ("bad", "VD-VERIFY-002"))
    as_customer(promoted, monkeypatch)
    # Another publisher's pin, and a release that was never pushed.
    code = cli.main(["verify-release", "2026.12.0", "--bicep", str(bicep), "--output", "json"])
    result = json.loads(capsys.readouterr().out)
    found = states(result)
    assert (code, found["release manifest"]) == (1, ("bad", "VD-MANIFEST-001"))
    for subject in ("tag latest", "signature", "expiry", "pinned artifacts", "runbooks", "Python packages"):
        assert found[subject] == ("unknown", ""), subject
    code = cli.main(["verify-release", VERSION, "--bicep", str(bicep), "--output", "json"])
    assert (code, states(json.loads(capsys.readouterr().out))["signature"]) == (1, ("bad", "VD-TRUST-008"))
    # A token that the container registry does not know.
    monkeypatch.setenv("VIBEDATA_PUBLISHER_REGISTRY_PASSWORD", "x")
    code, result = verify(capsys, bicep)
    assert (code, result["status"], result["good"]) == (1, "bad", 1)
    assert states(result)["customer's token"] == ("bad", "VD-REGISTRY-002")
    (row,) = (row for row in result["rows"] if row["state"] == "good")
    assert row["subject"] == "image tags"
