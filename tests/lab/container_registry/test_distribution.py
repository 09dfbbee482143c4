"""The edges of the OCI distribution specification 1.1 at both container registries, and several pushes at once."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from tests.support import oci_client as oci
from tests.support.oci_client import Registry
from tests.support.running_lab import LabUnderTest

REPOSITORY = "vibedata/edges"
BLOBS = f"/v2/{REPOSITORY}/blobs"
NOBODYS = "sha256:" + "1" * 64
MALFORMED = ("sha256:abc", "sha256:" + "A" * 64, "md5:" + "0" * 32, "sha512:" + "0" * 128)
SMALL = b"small"


@pytest.fixture(params=[oci.publisher, oci.customer], ids=["publisher", "customer"])
def registry(lab: LabUnderTest, request: pytest.FixtureRequest) -> Registry:
    make: Callable[[LabUnderTest], Registry] = request.param
    return make(lab)


def codes(answer: requests.Response) -> list[str]:
    return [error["code"] for error in answer.json()["errors"]]


def begin(registry: Registry) -> str:
    answer = registry.send("POST", f"{BLOBS}/uploads/")
    assert answer.status_code == 202
    return place(answer)


def place(answer: requests.Response) -> str:
    """Return path and query of the address where an upload continues."""
    parts = urlsplit(urljoin(answer.url, answer.headers["Location"]))
    return f"{parts.path}?{parts.query}"


def chunk(registry: Registry, where: str, content: bytes, content_range: str) -> requests.Response:
    return registry.send("PATCH", where, data=content, headers={"Content-Range": content_range})


@pytest.mark.parametrize("wanted", ["bytes=500-", "bytes=5-5", "bytes=9-4"])
def test_a_range_outside_of_a_blob_is_416(registry: Registry, wanted: str) -> None:
    registry.push(REPOSITORY, oci.image(SMALL), "1")
    with requests.Session() as session:  # a body that does not fit its length would break the next request
        session.headers["Authorization"] = f"Bearer {registry.token(oci.ALL.format(REPOSITORY))}"
        url = f"https://{registry.host}{BLOBS}/{oci.digest_of(SMALL)}"
        refused = session.get(url, headers={"Range": wanted}, timeout=60)
        assert (refused.status_code, codes(refused)) == (416, ["RANGE_INVALID"])
        if wanted != "bytes=9-4":
            assert refused.headers["Content-Range"] == "bytes */5"
        assert len(refused.content) == int(refused.headers["Content-Length"])
        assert session.get(url, headers={"Range": "bytes=1-"}, timeout=60).content == b"mall"
        assert session.get(url, timeout=60).content == SMALL


@pytest.mark.parametrize("digest", MALFORMED)
def test_a_malformed_digest_is_400(registry: Registry, digest: str) -> None:
    image = oci.image(SMALL)
    registry.push(REPOSITORY, image, "1")
    asked = [
        registry.put_manifest(REPOSITORY, digest, image),
        registry.manifest(REPOSITORY, digest),
        registry.send("GET", f"{BLOBS}/{digest}"),
        registry.send("GET", f"/v2/{REPOSITORY}/referrers/{digest}"),
        registry.send("POST", f"{BLOBS}/uploads/?mount={digest}&from=vibedata/other"),
        registry.send("PUT", f"{begin(registry)}&digest={digest}", data=SMALL),
    ]
    assert [(answer.status_code, codes(answer)) for answer in asked] == [(400, ["DIGEST_INVALID"])] * len(asked)
    assert registry.send("HEAD", f"{BLOBS}/{digest}").status_code == 400


def test_an_upload_without_a_digest_or_with_anothers_is_400(registry: Registry) -> None:
    for query in ("", f"&digest={NOBODYS}"):
        answer = registry.send("PUT", begin(registry) + query, data=SMALL)
        assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])
    assert registry.send("HEAD", f"{BLOBS}/{NOBODYS}").status_code == 404


def test_chunks_come_in_order(registry: Registry) -> None:
    first = chunk(registry, begin(registry), b"0123", "0-3")
    assert (first.status_code, first.headers["Range"]) == (202, "0-3")
    for wrong in ("2-5", "8-11", "0-3"):
        refused = chunk(registry, place(first), b"4567", wrong)
        assert (refused.status_code, codes(refused)) == (416, ["RANGE_INVALID"]), wrong
        assert refused.headers["Range"] == "0-3"
    assert chunk(registry, place(first), b"4567", "four to seven").status_code == 416
    short = chunk(registry, place(first), b"45", "4-7")
    assert (short.status_code, codes(short)) == (400, ["SIZE_INVALID"])
    asked = registry.send("GET", place(first))
    assert (asked.status_code, asked.headers["Range"]) == (204, "0-3")
    second = chunk(registry, place(asked), b"4567", "4-7")
    assert (second.status_code, second.headers["Range"]) == (202, "0-7")
    digest = oci.digest_of(b"0123456789")
    last = registry.send("PUT", f"{place(second)}&digest={digest}", data=b"89", headers={"Content-Range": "8-9"})
    assert (last.status_code, last.headers["Docker-Content-Digest"]) == (201, digest)
    assert registry.send("GET", f"{BLOBS}/{digest}").content == b"0123456789"


def test_a_first_chunk_that_is_not_the_first_is_416(registry: Registry) -> None:
    assert chunk(registry, begin(registry), b"4567", "4-7").status_code == 416


def test_an_upload_is_cancelled(registry: Registry) -> None:
    where = begin(registry)
    assert registry.send("DELETE", where).status_code == 204
    assert registry.send("GET", where).status_code == 404


def test_what_is_not_there_is_404(registry: Registry) -> None:
    head = registry.send("HEAD", f"{BLOBS}/{NOBODYS}")
    assert (head.status_code, head.content) == (404, b"")
    head = registry.send("HEAD", f"/v2/{REPOSITORY}/manifests/none")
    assert (head.status_code, head.content) == (404, b"")
    assert codes(registry.send("GET", f"{BLOBS}/{NOBODYS}")) == ["BLOB_UNKNOWN"]
    assert codes(registry.send("DELETE", f"{BLOBS}/{NOBODYS}")) == ["BLOB_UNKNOWN"]
    assert codes(registry.send("DELETE", f"/v2/{REPOSITORY}/manifests/{NOBODYS}")) == ["MANIFEST_UNKNOWN"]
    assert codes(registry.send("GET", f"/v2/{REPOSITORY}/tags/list")) == ["NAME_UNKNOWN"]


def test_a_blob_is_deleted(registry: Registry) -> None:
    registry.push(REPOSITORY, oci.image(SMALL), "1")
    blob = f"{BLOBS}/{oci.digest_of(SMALL)}"
    assert registry.send("DELETE", blob).status_code == 202
    assert registry.send("HEAD", blob).status_code == 404


@pytest.mark.parametrize("source", ["&from=vibedata/nowhere", ""])
def test_a_mount_from_nowhere_begins_an_upload(registry: Registry, source: str) -> None:
    scopes = (oci.ALL.format(REPOSITORY), "repository:vibedata/nowhere:pull")
    headers = {"Authorization": f"Bearer {registry.token(*scopes)}"}
    url = f"https://{registry.host}{BLOBS}/uploads/?mount={NOBODYS}{source}"
    answer = requests.post(url, headers=headers, timeout=60)
    assert answer.status_code == 202 and answer.headers["Location"]


def test_the_referrers_of_an_absent_manifest_are_an_empty_index(registry: Registry) -> None:
    for query, filters in (("", None), ("?artifactType=a/b", "artifactType")):
        answer = registry.send("GET", f"/v2/{REPOSITORY}/referrers/{NOBODYS}{query}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, oci.INDEX)
        assert answer.json()["manifests"] == []
        assert answer.headers.get("OCI-Filters-Applied") == filters


def layer_elsewhere(*urls: str) -> oci.Image:
    content = json.loads(oci.image().body)
    media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    content["layers"] = [{"mediaType": media_type, "digest": NOBODYS, "size": 9, "urls": list(urls)}]
    return oci.Image(json.dumps(content).encode(), oci.MANIFEST, oci.image().blobs)


def test_a_layer_may_be_kept_elsewhere(registry: Registry) -> None:
    elsewhere = layer_elsewhere("https://layers.example/1")
    registry.push(REPOSITORY, elsewhere, "windows")
    assert registry.manifest(REPOSITORY, "windows").content == elsewhere.body
    for refused in (layer_elsewhere("ftp://layers.example/1"), layer_elsewhere("layers")):
        answer = registry.put_manifest(REPOSITORY, "windows", refused)
        assert (answer.status_code, codes(answer)) == (400, ["MANIFEST_INVALID"])
    nowhere = registry.put_manifest(REPOSITORY, "windows", layer_elsewhere())
    assert (nowhere.status_code, codes(nowhere)) == (400, ["MANIFEST_BLOB_UNKNOWN"])


def test_empty_lists_and_lists_beyond_the_end(registry: Registry) -> None:
    for tag in ("a", "b"):
        registry.push(REPOSITORY, oci.image(tag.encode()), tag)
    tags = f"/v2/{REPOSITORY}/tags/list"
    for query, wanted in (("n=0", []), ("n=1", ["a"]), ("last=b", []), ("last=z&n=5", []), ("last=a&n=0", [])):
        answer = registry.send("GET", f"{tags}?{query}")
        assert (answer.status_code, answer.json()["tags"]) == (200, wanted), query
        assert ("Link" in answer.headers) == (query == "n=1")
    for query, repositories in (("n=0", []), ("last=zzz", []), ("n=1", [REPOSITORY])):
        answer = registry.send("GET", f"/v2/_catalog?{query}", scope="registry:catalog:*")
        assert (answer.status_code, answer.json()["repositories"]) == (200, repositories), query
        assert "Link" not in answer.headers


def test_pushes_of_one_blob_disturb_no_reader(registry: Registry) -> None:
    """Docker Registry empties a blob's link before it writes it again. The front lets no reader look in between."""
    image = oci.image(SMALL)
    registry.push(REPOSITORY, image, "1")
    digest = oci.digest_of(SMALL)

    def push(_number: int) -> int:
        return registry.send("PUT", f"{begin(registry)}&digest={digest}", data=SMALL).status_code

    def read(_number: int) -> int:
        return registry.send("GET", f"{BLOBS}/{digest}").status_code

    def put(number: int) -> int:
        return registry.put_manifest(REPOSITORY, f"t{number}", image).status_code

    with ThreadPoolExecutor(12) as threads:
        done = [threads.submit(one, number) for number in range(30) for one in (push, read, put)]
    assert {one.result() for one in done} == {200, 201}
