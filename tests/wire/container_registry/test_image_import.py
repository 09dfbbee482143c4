"""importImage by digest and by tag: modes, credentials, limits, failures, also with azure-mgmt-containerregistry."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.containerregistry.models import ImportImageParameters, ImportSource, ImportSourceCredentials

from tests.support import oci_client as oci
from tests.support.image_imports import REPOSITORY, WAIT_SECONDS, body, headers, post, url, wait
from tests.support.oci_client import Image
from tests.support.running_lab import LabUnderTest


def imported(lab: LabUnderTest, source_image: str, *target_tags: str, **more: object) -> requests.Response:
    return wait(lab, post(lab, body(lab, source_image, *target_tags, **more)))


def failure(answer: requests.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def source_reads(lab: LabUnderTest, part: str) -> list[str]:
    entries = lab.journal(service="publisher_registry")
    return [one["path"] for one in entries if one["client"] == "acr-import" and part in one["path"]]


def test_official_client_imports_by_digest(lab: LabUnderTest) -> None:
    pushed = oci.index(oci.image(b"one", b"shared"), oci.image(b"two", b"shared"))
    oci.publisher(lab).push(REPOSITORY, pushed, "1")
    reader = oci.scoped_token(lab)
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        ContainerRegistryManagementClient(
            credential,
            lab.env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=["https://management.azure.com/.default"],
        ) as client,
    ):

        def start(source_image: str, mode: str) -> None:
            source = ImportSource(
                registry_uri=reader.host,
                credentials=ImportSourceCredentials(username=reader.username, password=reader.password),
                source_image=source_image,
            )
            parameters = ImportImageParameters(source=source, target_tags=[f"{REPOSITORY}:1"], mode=mode)
            group = lab.env["VIBEDATA_RESOURCE_GROUP"]
            client.registries.begin_import_image(group, url(lab).rpartition("/")[2], parameters).result()

        start(f"{REPOSITORY}@{pushed.digest}", "Force")
        with pytest.raises(HttpResponseError, match="already exists in target registry"):
            start(f"{REPOSITORY}@{pushed.digest}", "NoForce")
    target = oci.customer(lab)
    for one in (pushed, *pushed.children):
        assert target.manifest(REPOSITORY, one.digest).content == one.body
        for blob in one.blobs:
            assert target.send("GET", f"/v2/{REPOSITORY}/blobs/{oci.digest_of(blob)}").content == blob
    assert target.digest(REPOSITORY, "1") == pushed.digest


def test_imports_by_tag_name_target_tags_and_untagged_targets(lab: LabUnderTest) -> None:
    pushed = oci.image(b"layer", artifact_type="application/vnd.vibedata.probe.v1")
    oci.publisher(lab).push(REPOSITORY, pushed, "1", "latest")
    more = {"untaggedTargetRepositories": ["copies/untagged"]}
    assert imported(lab, f"{REPOSITORY}:1", "copies/same", "copies/other:2", **more).status_code == 200
    assert imported(lab, REPOSITORY, "copies/latest").status_code == 200
    target = oci.customer(lab)
    for repository, tag in (("copies/same", "1"), ("copies/other", "2"), ("copies/latest", "latest")):
        assert target.digest(repository, tag) == pushed.digest
    assert target.digest("copies/untagged", pushed.digest) == pushed.digest
    assert target.send("GET", "/v2/copies/untagged/tags/list").json()["tags"] == []


def test_blobs_that_are_there_are_not_fetched_again(lab: LabUnderTest) -> None:
    publisher = oci.publisher(lab)
    publisher.push("vibedata/first", oci.image(b"own", b"shared"), "1")
    publisher.push("vibedata/second", oci.image(b"other", b"shared"), "1")
    assert imported(lab, "vibedata/first:1", "vibedata/first").status_code == 200
    assert len(source_reads(lab, "/blobs/")) == 3
    assert imported(lab, "vibedata/second:1", "vibedata/second").status_code == 200
    assert [path for path in source_reads(lab, "/blobs/") if "second" in path] == [
        f"/v2/vibedata/second/blobs/{oci.digest_of(b'other')}"
    ]
    reads = len(source_reads(lab, "/blobs/"))
    assert imported(lab, "vibedata/second:1", "vibedata/second", mode="Force").status_code == 200
    assert len(source_reads(lab, "/blobs/")) == reads


def test_imports_at_once_that_share_layers_disturb_none(lab: LabUnderTest) -> None:
    shared = [bytes([number]) * 20_000 for number in range(4)]
    publisher = oci.publisher(lab)
    images = [oci.image(*shared, str(number).encode()) for number in range(24)]
    for number, image in enumerate(images):
        publisher.push(REPOSITORY, image, f"v{number}")
    accepted = [
        post(lab, body(lab, f"{REPOSITORY}@{image.digest}", f"{REPOSITORY}:i", mode="Force")) for image in images
    ]
    with ThreadPoolExecutor(8) as threads:
        ended = [one.status_code for one in threads.map(lambda one: wait(lab, one), accepted)]
    assert ended == [200] * len(images)


def test_force_moves_a_tag_and_noforce_copies_nothing(lab: LabUnderTest) -> None:
    publisher, target = oci.publisher(lab), oci.customer(lab)
    old, new = oci.image(b"old"), oci.image(b"new")
    target.push(REPOSITORY, old, "1")
    publisher.push(REPOSITORY, new, "1")
    status, code, message = failure(imported(lab, f"{REPOSITORY}:1", f"{REPOSITORY}:2", f"{REPOSITORY}:1"))
    assert (status, code) == (409, "Conflict")
    assert f"Tag {REPOSITORY}:1 already exists in target registry" in message
    assert source_reads(lab, "") == []
    assert (target.digest(REPOSITORY, "1"), target.digest(REPOSITORY, "2")) == (old.digest, None)
    assert imported(lab, f"{REPOSITORY}:1", f"{REPOSITORY}:1", mode="Force").status_code == 200
    assert target.digest(REPOSITORY, "1") == new.digest


def test_a_referrer_is_imported_only_by_its_own_digest(lab: LabUnderTest) -> None:
    publisher, target = oci.publisher(lab), oci.customer(lab)
    subject = oci.image(b"layer")
    signature = oci.image(b"sig", artifact_type="application/vnd.cncf.notary.signature", subject=subject)
    publisher.push(REPOSITORY, subject, "1")
    publisher.push(REPOSITORY, signature)
    assert imported(lab, f"{REPOSITORY}@{subject.digest}", f"{REPOSITORY}:1").status_code == 200
    referrers = f"/v2/{REPOSITORY}/referrers/{subject.digest}"
    assert target.send("GET", referrers).json()["manifests"] == []
    by_digest = f"{REPOSITORY}@{signature.digest}"
    assert imported(lab, by_digest, untaggedTargetRepositories=[REPOSITORY]).status_code == 200
    assert [one["digest"] for one in target.send("GET", referrers).json()["manifests"]] == [signature.digest]


def test_a_tag_that_moves_at_the_source_changes_nothing_of_an_import_under_way(lab: LabUnderTest) -> None:
    publisher = oci.publisher(lab)
    first, second = oci.image(b"first"), oci.image(b"second")
    publisher.push(REPOSITORY, first, "1")
    lab.latency(operation="importImage", seconds=2)
    accepted = post(lab, body(lab, f"{REPOSITORY}:1", f"{REPOSITORY}:1"))
    deadline = time.monotonic() + WAIT_SECONDS
    while len(source_reads(lab, "/manifests/")) < 2:  # the first request only asks for the challenge
        assert time.monotonic() < deadline
        time.sleep(0.05)
    publisher.push(REPOSITORY, second, "1")
    answer = wait(lab, accepted)
    assert answer.status_code == 200, answer.text
    assert oci.customer(lab).digest(REPOSITORY, "1") == first.digest


def test_at_most_fifty_manifests_are_imported(lab: LabUnderTest) -> None:
    publisher = oci.publisher(lab)
    shared = b"shared"
    variants = [oci.image(shared, artifact_type=f"application/vnd.vibedata.{number}") for number in range(50)]
    publisher.push(REPOSITORY, oci.index(*variants[:49]), "49")
    publisher.push(REPOSITORY, oci.index(*variants), "50")
    assert imported(lab, f"{REPOSITORY}:49", f"{REPOSITORY}:49").status_code == 200
    status, code, message = failure(imported(lab, f"{REPOSITORY}:50", f"{REPOSITORY}:50"))
    assert (status, code) == (400, "InvalidParameters")
    assert "manifests" in message
    assert oci.customer(lab).digest(REPOSITORY, "50") is None


def test_sources_that_fail_are_reported_in_their_own_words(lab: LabUnderTest) -> None:
    oci.publisher(lab).push(REPOSITORY, oci.image(b"layer"), "1")
    missing = failure(imported(lab, f"{REPOSITORY}@sha256:{'0' * 64}", f"{REPOSITORY}:1"))
    assert missing[:2] == (400, "InvalidParameters")
    assert "MANIFEST_UNKNOWN" in missing[2]
    assert "MANIFEST_UNKNOWN" in failure(imported(lab, "vibedata/none:1", f"{REPOSITORY}:1"))[2]
    wrong = body(lab, f"{REPOSITORY}:1", f"{REPOSITORY}:1")
    wrong["source"]["credentials"]["password"] = "wrong-password"
    status, code, message = failure(wait(lab, post(lab, wrong)))
    assert (status, code) == (400, "InvalidParameters")
    assert "Unauthorized Unauthorized" in message
    assert "wrong-password" not in message
    anonymous = body(lab, f"{REPOSITORY}:1", f"{REPOSITORY}:1")
    del anonymous["source"]["credentials"]
    assert "Unauthorized Unauthorized" in failure(wait(lab, post(lab, anonymous)))[2]
    unreachable = body(lab, f"{REPOSITORY}:1", f"{REPOSITORY}:1")
    unreachable["source"]["registryUri"] = "127.0.0.1:1"
    assert "Could not read from the source registry" in failure(wait(lab, post(lab, unreachable)))[2]
    assert oci.customer(lab).digest(REPOSITORY, "1") is None


def damage(lab: LabUnderTest, digest: str) -> None:
    hexadecimal = digest.removeprefix("sha256:")
    (stored,) = lab.directory.glob(f"servers/publisher_registry/**/blobs/sha256/*/{hexadecimal}/data")
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)


@pytest.mark.parametrize("part", ["layer", "manifest"])
def test_bytes_that_do_not_match_their_digest_are_not_imported(lab: LabUnderTest, part: str) -> None:
    pushed = oci.image(b"layer" * 1000, b"another")
    oci.publisher(lab).push(REPOSITORY, pushed, "1")
    damage(lab, pushed.digest if part == "manifest" else oci.digest_of(b"layer" * 1000))
    status, code, message = failure(imported(lab, f"{REPOSITORY}@{pushed.digest}", f"{REPOSITORY}:1"))
    assert (status, code) == (400, "InvalidParameters")
    assert "DIGEST_INVALID" in message
    target = oci.customer(lab)
    assert target.digest(REPOSITORY, "1") is None
    assert target.digest(REPOSITORY, pushed.digest) is None


def test_many_imports_run_at_once(lab: LabUnderTest) -> None:
    publisher = oci.publisher(lab)
    images = {f"vibedata/image-{number}": oci.image(f"{number}".encode(), b"shared") for number in range(12)}
    for repository, one in images.items():
        publisher.push(repository, one, "1")

    def start(item: tuple[str, Image]) -> requests.Response:
        return post(lab, body(lab, f"{item[0]}@{item[1].digest}", f"{item[0]}:1"))

    # None of them ends, and each of them was begun.
    lab.latency(operation="importImage", seconds=3600)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(start, images.items()))
    deadline = time.monotonic() + WAIT_SECONDS
    while len({path for path in source_reads(lab, "/manifests/") if "vibedata/image-" in path}) < len(images):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    lab.latency(operation="importImage", seconds=0)
    with ThreadPoolExecutor(6) as pool:
        accepted = list(pool.map(start, images.items()))
    assert [wait(lab, one).status_code for one in accepted] == [200] * len(images)
    target = oci.customer(lab)
    assert [target.digest(repository, "1") for repository in images] == [one.digest for one in images.values()]


def test_own_registry_and_entra_token_as_sources(lab: LabUnderTest) -> None:
    target = oci.customer(lab)
    pushed = oci.image(b"layer")
    target.push(REPOSITORY, pushed, "1")
    by_id = {"source": {"resourceId": url(lab), "sourceImage": f"{REPOSITORY}:1"}, "targetTags": [f"{REPOSITORY}:2"]}
    assert wait(lab, post(lab, by_id)).status_code == 200
    assert target.digest(REPOSITORY, "2") == pushed.digest
    token = oci.identity_token(lab, "https://containerregistry.azure.net")
    source = {"registryUri": target.host, "credentials": {"password": token}, "sourceImage": f"{REPOSITORY}:1"}
    assert wait(lab, post(lab, {"source": source, "targetTags": [f"{REPOSITORY}:3"]})).status_code == 200
    assert target.digest(REPOSITORY, "3") == pushed.digest


def test_malformed_requests_are_refused_at_once(lab: LabUnderTest) -> None:
    good = body(lab, f"{REPOSITORY}:1", f"{REPOSITORY}:1")
    source = good["source"]
    digest = "sha256:" + "0" * 64
    invalid = [
        {**good, "mode": "Sometimes"},
        {**good, "targetTags": []},
        {**good, "targetTags": ["UPPER:1"]},
        {**good, "source": {**source, "sourceImage": f"{REPOSITORY}:1@{digest}"}},
        {**good, "source": {**source, "sourceImage": ""}},
        {**good, "source": {**source, "resourceId": url(lab)}},
        {**good, "source": {"sourceImage": f"{REPOSITORY}:1"}},
        {**good, "source": {**source, "registryUri": f"https://{source['registryUri']}"}},
        {**good, "source": {**source, "credentials": {"username": "someone"}}},
        {"targetTags": [f"{REPOSITORY}:1"]},
    ]
    for sent in invalid:
        assert failure(post(lab, sent))[:2] == (400, "InvalidParameters"), sent
    unknown = [
        {**good, "extra": 1},
        {**good, "source": {**source, "extra": 1}},
        {**good, "targetTags": f"{REPOSITORY}:1"},
        {**good, "source": {**source, "sourceImage": 1}},
    ]
    for sent in unknown:
        assert failure(post(lab, sent))[:2] == (400, "InvalidRequestContent"), sent
    assert lab.journal(service="publisher_registry") == []


def test_operations_end_with_a_reset_and_unknown_ones_are_not_found(lab: LabUnderTest) -> None:
    oci.publisher(lab).push(REPOSITORY, oci.image(b"layer"), "1")
    lab.latency(operation="importImage", seconds=3600)
    accepted = post(lab, body(lab, f"{REPOSITORY}:1", f"{REPOSITORY}:1"))
    poll = requests.get(accepted.headers["Location"], headers=headers(lab), timeout=30)
    assert (poll.status_code, poll.headers["Retry-After"]) == (202, "10")
    lab.reset()
    gone = requests.get(accepted.headers["Location"], headers=headers(lab), timeout=30)
    assert failure(gone)[:2] == (404, "OperationNotFound")
