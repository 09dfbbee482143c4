"""`vibedata verify`: its output for good releases, and for every kind of bad release."""

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from oci.layout.writer import blob_path
from oci.release.built import read_built_release
from tests.support.certificate_maker import AUTHORITY, Wanted, make, pem
from tests.support.one_bit import kept, variants
from tests.support.pushed_release import ISSUER, SERVICE, VERSION, make_release, push_now, writes
from tests.support.release_maker import container_registry, digest_of
from tests.support.release_signer import ENVELOPE_TYPE, SIGNATURE_TYPE, ReleaseSigner, descriptor, usual_signer
from tests.support.running_lab import LabUnderTest
from tests.support.scripted_server import ScriptedServer
from tests.support.unknown_versions import certificate_of_version_9, pem_of
from vibedata import cli
from vibedata.commands.release import EXAMPLE

CHECKS = ["signature", "trust", "release manifest", "expiry", "content"]
REPOSITORY = "vibedata/release-manifest"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("release") / "dist", valid_days=3650)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The option that trusts the signer of these releases."""
    file = tmp_path_factory.mktemp("trust") / "root.pem"
    file.write_bytes(pem(ISSUER))
    return f"--trust-root={file}"


def verify(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = cli.main(["verify", *arguments, "--output", "json"])
    return code, json.loads(capsys.readouterr().out)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code, result = verify(capsys, *arguments)
    assert result["status"] == "failed"
    return code, result["error"]["code"]


def test_a_pushed_release_is_verified_to_its_last_pin(
    lab: LabUnderTest, release: Path, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push_now(lab, release)
    before = len(writes(lab))
    digest = read_built_release(release).signatures[0].subject
    host = lab.env["VIBEDATA_PUBLISHER_REGISTRY"]
    for reference in (VERSION, "latest", f"{host}/{REPOSITORY}:latest", f"{host}/{REPOSITORY}@{digest}"):
        code, result = verify(capsys, reference, root)
        assert (code, result["status"], result["error"]) == (0, "succeeded", None), result
        assert [check["check"] for check in result["checks"]] == CHECKS
        assert (result["digest"], result["version"]) == (digest, VERSION)
    certificate = result["certificate"]
    assert certificate["subject"] == Wanted().name
    assert certificate["algorithm"] == "ES256"
    assert certificate["valid_until"].startswith("2046-01-01")
    assert len(writes(lab)) == before
    assert cli.main(["verify", VERSION, root]) == 0
    words = capsys.readouterr().out
    assert all(name in words for name in ("signature", "passed", certificate["fingerprint"][:16]))


def sign_as_notation_does(folder: Path, signer: ReleaseSigner) -> str:
    """Do what `notation sign --oci-layout` (1.3.2) does to a folder. Return the signature manifest's digest."""
    index = json.loads((folder / "index.json").read_bytes())
    (entry,) = [each for each in index["manifests"] if f"{REPOSITORY}:" in str(each.get("annotations"))]
    subject = descriptor(blob_path(folder, entry["digest"]).read_bytes())
    envelope = signer.envelope(subject)
    config = {"mediaType": SIGNATURE_TYPE, "digest": digest_of(b"{}"), "size": 2}
    annotations = {
        "io.cncf.notary.x509chain.thumbprint#S256": "[]",
        "org.opencontainers.image.created": "2026-11-23T07:39:15Z",
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": subject["mediaType"],
        "config": config,
        "layers": [{"mediaType": ENVELOPE_TYPE, "digest": digest_of(envelope), "size": len(envelope)}],
        "subject": subject,
        "annotations": annotations,
    }
    content = json.dumps(manifest, separators=(",", ":")).encode()
    for blob in (envelope, b"{}", content):
        blob_path(folder, digest_of(blob)).write_bytes(blob)
    # An entry without artifactType, and with the manifest's annotations.
    listed = {
        "mediaType": subject["mediaType"],
        "digest": digest_of(content),
        "size": len(content),
        "annotations": annotations,
    }
    index["manifests"].append(listed)
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return digest_of(content)


def test_a_folder_that_notation_has_signed_is_taken(
    lab: LabUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_release(tmp_path / "dist", signed=False, valid_days=3650)
    signer = usual_signer()
    trust = (f"--trust-root={signer.root_fingerprint}", f"--identity={Wanted().name}")
    assert failure(capsys, str(folder), *trust) == (1, "VD-TRUST-050")
    signature = sign_as_notation_does(folder, signer)
    code, result = verify(capsys, str(folder), *trust)
    assert (code, result["certificate"]["fingerprint"]) == (0, signer.leaf_fingerprint)
    # Readers also find it after a push: registries show the configuration's type as the artifact's.
    assert {outcome.outcome for outcome in push_now(lab, folder)} == {"done"}
    code, result = verify(capsys, "latest", *trust)
    assert (code, result["certificate"]["fingerprint"]) == (0, signer.leaf_fingerprint)
    assert [each.digest for each in read_built_release(folder).signatures] == [signature]


def test_a_builds_folder_is_verified_without_any_service(
    release: Path, root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = f"--identity={Wanted().name}"
    code, result = verify(capsys, str(release), root, identity)
    assert (code, [check["check"] for check in result["checks"]]) == (0, CHECKS)
    assert result["checks"][-1]["found"].endswith("verified by digest: every byte; images were not looked for")
    unsigned = make_release(tmp_path / "unsigned", signed=False)
    assert failure(capsys, str(unsigned), root, identity) == (1, "VD-TRUST-050")
    damaged = tmp_path / "damaged"
    shutil.copytree(release, damaged)
    envelope = blob_path(damaged, read_built_release(damaged).signatures[0].layers[0].digest)
    envelope.write_bytes(envelope.read_bytes().replace(b'"signature":"', b'"signature":"A'))
    assert failure(capsys, str(damaged), root, identity) == (1, "VD-PUSH-001")
    expired = make_release(tmp_path / "expired", valid_days=1)
    assert failure(capsys, str(expired), root, identity) == (1, "VD-MANIFEST-006")


def test_an_untrusted_signer_is_named(
    lab: LabUnderTest, release: Path, root: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    push_now(lab, release)
    # The lab's own pins, from the environment, belong to another signer.
    code, result = verify(capsys, VERSION)
    assert (code, result["error"]["code"]) == (1, "VD-TRUST-008")
    assert [(check["check"], check["outcome"]) for check in result["checks"]] == [
        *[("signature", "passed")] * 3,
        ("signature", "failed"),
    ]
    assert "its chain of certificates is complete" in result["checks"][2]["found"]
    assert result["checks"][3]["found"] == result["error"]["message"]
    # The output names the signer and the artifact, although the signer is not trusted.
    good = verify(capsys, VERSION, root)[1]
    assert result["digest"] == good["digest"] != ""
    told = {name: good["certificate"][name] for name in ("subject", "fingerprint")}
    assert result["certificate"] == told
    code, result = verify(capsys, VERSION, root, "--identity=CN=Another,O=Vibedata")
    assert (code, result["error"]["code"], result["certificate"]) == (1, "VD-TRUST-009", told)
    assert good["certificate"]["anchor"] in result["checks"][3]["found"]
    cli.main(["verify", VERSION])
    words = capsys.readouterr().out
    assert told["fingerprint"][:16] in words and "certificate of the refused signature" in words
    # Two roots at once, as during a change of the root. One is given as a fingerprint, and one as a file.
    other = make(AUTHORITY)
    (tmp_path / "other.pem").write_bytes(pem(other))
    assert verify(capsys, VERSION, f"--trust-root={tmp_path / 'other.pem'}", root)[0] == 0
    assert failure(capsys, VERSION, f"--trust-root={'0' * 64}") == (1, "VD-TRUST-008")


def test_what_is_missing_is_named(
    lab: LabUnderTest, release: Path, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failure(capsys, VERSION, root) == (1, "VD-MANIFEST-001")
    push_now(lab, release)
    (pin,) = (pin for pin in read_built_release(release).manifest.documents if pin.name == "provenance")
    answer = container_registry(lab, "publisher").call("DELETE", f"{pin.repository}/manifests/{pin.digest}")
    assert answer.status_code == 202
    code, result = verify(capsys, VERSION, root)
    assert (code, result["error"]["code"]) == (1, "VD-TRUST-055")
    assert pin.digest in result["error"]["message"]
    assert [check["outcome"] for check in result["checks"]] == ["passed"] * 4 + ["failed"]


def test_what_is_pinned_is_compared_and_not_believed_by_its_header(
    lab: LabUnderTest, release: Path, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push_now(lab, release)
    code, result = verify(capsys, VERSION, root)
    assert (code, result["checks"][-1]["found"].partition("; ")[2]) == (
        0,
        "verified by digest: the manifest of each; layers were not read",
    )
    (pin,) = (pin for pin in read_built_release(release).manifest.documents if pin.name == "provenance")
    file = kept(lab, "publisher", pin.digest)
    whole = file.read_bytes()
    file.write_bytes(next(variants(whole)))
    code, result = verify(capsys, VERSION, root)
    file.write_bytes(whole)
    assert (code, result["error"]["code"]) == (1, "VD-REGISTRY-005")
    assert pin.digest in result["error"]["message"]
    assert [check["outcome"] for check in result["checks"]] == ["passed"] * 4 + ["failed"]


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("named", ["vibedata.example", ""])
def test_the_environments_password_and_the_logins_token_go_only_to_the_environments_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    definition = tmp_path / "release.json"
    definition.write_bytes(EXAMPLE.read_bytes())
    with ScriptedServer(tmp_path).running() as other:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.ca_file))
        monkeypatch.setenv("VIBEDATA_PUBLISHER_REGISTRY", named)
        for words in (
            ("verify", f"{other.host}/{REPOSITORY}:latest"),
            ("verify", f"{other.host}/{REPOSITORY}:latest", "--username", "me"),
            ("verify", f"{other.host}/{REPOSITORY}:latest", "--entra"),
            ("verify-release", VERSION, "--from", other.host, "--bicep", str(tmp_path)),
            ("push", str(tmp_path), "--to", other.host),
            ("push", str(tmp_path), "--to", other.host, "--entra"),
            ("release", "pin", str(definition), "--from", other.host),
        ):
            code = cli.main([*words, "--output", "json"])
            error = json.loads(capsys.readouterr().out)["error"]
            assert (code, error["code"]) == (2, "VD-PUSH-004"), words
            assert f"VIBEDATA_PUBLISHER_REGISTRY={other.host}" in error["remedy"]
        assert other.requests == []
        # A password that the user gives for this command is for the host that the user names.
        monkeypatch.setattr("sys.stdin", io.StringIO("given\n"))
        verify(capsys, f"{other.host}/{REPOSITORY}:latest", "--username", "me", "--password-stdin")
        sent = {request.headers.get("Authorization", "") for request in other.requests}
        assert sent == {"Basic " + base64.b64encode(b"me:given").decode()}


def test_a_failing_container_registry_is_no_verdict(
    lab: LabUnderTest, release: Path, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push_now(lab, release)
    lab.fault("status", status=403, times=0, match={"service": SERVICE, "path": "/referrers/"})
    assert failure(capsys, VERSION, root) == (1, "VD-REGISTRY-002")


def test_a_question_that_is_not_understood_is_refused(
    release: Path, root: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("VIBEDATA_TRUST_ROOTS", "VIBEDATA_TRUSTED_IDENTITY"):
        monkeypatch.delenv(name, raising=False)
    identity = f"--identity={Wanted().name}"
    assert failure(capsys, str(release), identity) == (2, "VD-TRUST-030")
    assert failure(capsys, str(release), root) == (2, "VD-TRUST-030")
    (tmp_path / "two.pem").write_bytes(pem(ISSUER, ISSUER))
    (tmp_path / "version9.pem").write_bytes(pem_of(certificate_of_version_9(ISSUER.certificate)))
    for arguments in (
        ("host.example/other/repository:latest", root),
        ("no tag at all", root),
        ("https://[", root),
        ("a" * 5000, root),
        ("caf\udce9\x1b[2J", root),
        (str(release), root, root, root),
        (str(release), "--trust-root=/absent.pem"),
        (str(release), f"--trust-root={tmp_path / 'two.pem'}"),
        (str(release), f"--trust-root={tmp_path / 'version9.pem'}"),
    ):
        assert failure(capsys, *arguments, identity) == (2, "VD-TRUST-056"), arguments
