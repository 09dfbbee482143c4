"""The release definition, the manifest that is made from it, the package lock, and the content that a push has to
send.
"""

import dataclasses
import json
from datetime import datetime, timezone
from typing import Any

import pytest

from oci import push
from oci.packages import package_lock
from oci.packages.wheels import module_names
from oci.push import Facts, Place
from oci.release import definition as release
from oci.release.definition import BuiltDocument, BuiltRunbook, ReleaseDefinition
from runbook_lib.errors import RunbookError
from runbook_lib.release.manifest import parse

CREATED = datetime(2026, 11, 1, 10, tzinfo=timezone.utc)
DIGEST = f"sha256:{1:064x}"
DEFINITION: dict[str, Any] = {
    "version": "2026.11.0",
    "channel": "stable",
    "valid_days": 365,
    "images": [{"name": "studio", "repository": "vibedata/studio", "tag": "1", "digest": DIGEST, "size": 5}],
    "components": [
        {
            "name": "studio",
            "type": "application",
            "version": "1",
            "artifact": "studio",
            "resource_type": "Microsoft.App/containerApps",
            "resource_name": "studio",
            "depends_on": [],
            "health": {"kind": "http", "path": "/healthz", "expected_status": 200, "timeout_seconds": 5},
        }
    ],
    "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
}
RUNBOOK = BuiltRunbook(name="import_images", digest=DIGEST, script_sha256="ab" * 32)
SBOM = BuiltDocument(
    name="sbom", media_type="application/vnd.cyclonedx+json", repository="vibedata/sbom", digest=DIGEST
)


def manifest(**changed: object) -> bytes:
    definition = release.parse_definition(json.dumps({**DEFINITION, **changed}).encode())
    return manifest_from(definition)


def manifest_from(definition: ReleaseDefinition) -> bytes:
    return release.manifest_of(
        definition, created_at=CREATED, runbooks=[RUNBOOK], packages_digest=DIGEST, documents=[SBOM]
    )


def refused(content: bytes) -> str:
    with pytest.raises(RunbookError) as caught:
        release.parse_definition(content)
    assert (caught.value.code, caught.value.exit_code) == ("VD-BUILD-001", 2)
    return caught.value.message


def test_the_manifest_is_what_customers_accept() -> None:
    accepted = parse(manifest())
    assert (accepted.version, accepted.channel, accepted.created_at) == ("2026.11.0", "stable", CREATED)
    assert (accepted.expires_at - accepted.created_at).days == 365
    (runbook,) = accepted.runbooks
    assert (runbook.repository, runbook.tag) == ("vibedata/runbooks/import_images", "2026.11.0")
    assert (runbook.digest, runbook.script_sha256, runbook.mandatory) == (DIGEST, "ab" * 32, True)
    assert accepted.python_packages.repository == "vibedata/python-packages"
    (sbom,) = accepted.documents
    assert (sbom.name, sbom.repository, sbom.tag, sbom.digest) == ("sbom", "vibedata/sbom", "2026.11.0", DIGEST)


def test_the_manifest_has_one_form() -> None:
    shuffled = json.dumps(dict(reversed(DEFINITION.items())), indent=3).encode()
    definition = release.parse_definition(shuffled)
    other = manifest_from(definition)
    assert other == manifest()
    assert b"\n" not in other
    assert b": " not in other


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "Expecting"),
        (b"[]", "JSON object"),
        (b'{"version": "1.0.0", "version": "1.0.1"}', "twice"),
        (json.dumps({**DEFINITION, "chanel": "x"}).encode(), "unknown field chanel"),
        (json.dumps({**DEFINITION, "valid_days": "365"}).encode(), "valid_days takes a whole number"),
        (json.dumps({**DEFINITION, "valid_days": True}).encode(), "valid_days takes a whole number"),
        (json.dumps({**DEFINITION, "valid_days": 0}).encode(), "valid_days takes 1 to"),
        (json.dumps({**DEFINITION, "images": {}}).encode(), "images takes a list"),
        (json.dumps({key: DEFINITION[key] for key in DEFINITION if key != "policies"}).encode(), "policies is missing"),
    ],
)
def test_a_definition_of_another_form_is_refused(content: bytes, said: str) -> None:
    assert said in refused(content)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": "latest"}, "version"),
        ({"images": [{**DEFINITION["images"][0], "digest": "sha512:1"}]}, "digest"),
        ({"images": DEFINITION["images"] * 2}, "studio"),
        ({"components": [{**DEFINITION["components"][0], "artifact": "absent"}]}, "absent"),
        ({"components": [{**DEFINITION["components"][0], "depends_on": ["studio"]}]}, "studio"),
    ],
)
def test_a_definition_that_customers_would_refuse_is_refused_at_once(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(RunbookError) as caught:
        manifest(**changed)
    assert caught.value.code == "VD-BUILD-001"
    assert "VD-MANIFEST-" in caught.value.message
    assert said in caught.value.message


def test_the_lock_reads_what_it_writes() -> None:
    packages = [package_lock.LockedPackage("b", "2.0.1", "0" * 64), package_lock.LockedPackage("a-c", "1", "f" * 64)]
    text = package_lock.render(packages)
    assert package_lock.parse(text) == (packages[1], packages[0])
    assert package_lock.render(package_lock.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "a==1\n",
        "a>=1 --hash=sha256:" + "0" * 64,
        "a==1 --hash=md5:" + "0" * 64,
        "a @ file:x --hash=sha256:" + "0" * 64,
        "--index x\na==1 --hash=sha256:" + "0" * 64,
        ("a==1 --hash=sha256:" + "0" * 64 + "\n") * 2,
    ],
)
def test_a_lock_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(RunbookError) as caught:
        package_lock.parse(text)
    assert caught.value.code == "VD-BUILD-006"


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ("azure/core/__init__.py", ["azure", "azure.core"]),
        ("azure/core/settings.py", ["azure", "azure.core", "azure.core.settings"]),
        ("_cffi_backend.cpython-310-x86_64-linux-gnu.so", ["_cffi_backend"]),
        ("x/_rust.abi3.so", ["x", "x._rust"]),
        ("x/py.typed", []),
        ("x-1.0.dist-info/METADATA", []),
    ],
)
def test_modules_of_a_wheels_entries(entry: str, names: list[str]) -> None:
    assert module_names(entry) == names


PLACES = (
    Place("blob", "a/b", "sha256:1", "sha256:1"),
    Place("manifest", "a/b", "sha256:2", "sha256:2"),
    Place("signature", "a/b", "sha256:3", "sha256:3"),
    Place("referrer", "a/b", "sha256:3", "sha256:3"),
    Place("tag", "a/b", "1.0", "sha256:2"),
    Place("tag", "a/b", "latest", "sha256:2"),
)


def facts(latest_version: str | None = None, **held: str) -> Facts:
    named = dict(zip(("blob", "manifest", "signature", "referrer", "version", "latest"), PLACES, strict=True))
    return Facts(
        wanted=PLACES,
        held={place: held.get(name) for name, place in named.items()},
        signed=True,
        missing_images=(),
        version="2026.10.0",
        latest_version=latest_version,
    )


def test_a_first_push_sends_everything_latest_last() -> None:
    changes = push.plan(facts()).changes
    assert [(change.stage, change.action, change.target) for change in changes] == [
        (0, "upload", "blob a/b@sha256:1"),
        (1, "put", "manifest a/b@sha256:2"),
        (2, "put", "signature a/b@sha256:3"),
        (3, "list", "referrer a/b@sha256:3"),
        (4, "tag", "tag a/b:1.0"),
        (5, "tag", "tag a/b:latest"),
    ]


def test_a_push_sends_what_is_missing_and_says_what_is_there() -> None:
    there = {"blob": "sha256:1", "manifest": "sha256:2", "signature": "sha256:3", "referrer": "sha256:3"}
    wanted = push.plan(facts(**there, version="sha256:2", latest="sha256:9"))
    assert [(change.action, change.before, change.after) for change in wanted.changes] == [
        ("move", "sha256:9", "sha256:2")
    ]
    assert {item.why for item in wanted.unchanged} == {"is there"}
    assert push.plan(facts(**there, version="sha256:2", latest="sha256:2")).changes == ()


def test_an_unsigned_release_is_not_pushed() -> None:
    with pytest.raises(RunbookError) as caught:
        push.plan(dataclasses.replace(facts(), signed=False))
    assert caught.value.code == "VD-TRUST-050"


def test_a_versions_tag_never_moves() -> None:
    with pytest.raises(RunbookError, match=r"a/b:1\.0") as caught:
        push.plan(facts(version="sha256:9"))
    assert caught.value.code == "VD-PUSH-002"


def test_a_release_without_its_images_is_not_pushed() -> None:
    with pytest.raises(RunbookError, match="studio") as caught:
        push.plan(dataclasses.replace(facts(), missing_images=("studio",)))
    assert caught.value.code == "VD-PUSH-003"


@pytest.mark.parametrize("latest", [None, "2026.9.1", "2026.10.0"])
def test_latest_moves_to_a_release_that_is_not_older(latest: str | None) -> None:
    assert push.plan(facts(latest_version=latest)).changes[-1].target == "tag a/b:latest"
    assert push.warnings(facts(latest_version=latest)) == []


def test_that_latest_moves_back_is_said() -> None:
    (warning,) = push.warnings(facts(latest_version="2026.11.0"))
    assert "back from 2026.11.0" in warning
    assert push.plan(facts(latest_version="2026.11.0")).changes
