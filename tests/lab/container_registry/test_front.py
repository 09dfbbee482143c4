"""ACR's data plane: tokens, scopes, manifests, referrers and its own API, also with skopeo, oras and the SDK."""

import json
from io import BytesIO
from pathlib import Path

import oras.client
import pytest
import requests
from azure.containerregistry import ArtifactTagOrder, ContainerRegistryClient
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential

from tests.support import oci_client as oci
from tests.support.oci_client import Registry
from tests.support.running_lab import LabUnderTest

REPOSITORY = "vibedata/probe"
ARTIFACT = "application/vnd.vibedata.probe.v1"


def challenge(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 401, answer.text
    kind, _, parts = answer.headers["WWW-Authenticate"].partition(" ")
    assert kind == "Bearer"
    return {name: value.strip('"') for name, _, value in (part.partition("=") for part in parts.split('",'))}


def errors(answer: requests.Response) -> list[str]:
    return [error["code"] for error in answer.json()["errors"]]


def test_every_request_without_a_token_is_challenged(lab: LabUnderTest) -> None:
    host = lab.env["VIBEDATA_PUBLISHER_REGISTRY"]
    realm = {"realm": f"https://{host}/oauth2/token", "service": host}
    scopes = {
        "/v2/": {},
        f"/v2/{REPOSITORY}/manifests/1": {"scope": f"repository:{REPOSITORY}:pull"},
        f"/v2/{REPOSITORY}/tags/list": {"scope": f"repository:{REPOSITORY}:metadata_read"},
        "/v2/_catalog": {"scope": "registry:catalog:*"},
        "/acr/v1/_catalog?api-version=2021-07-01": {"scope": "registry:catalog:*"},
        "/acr/v1/vibedata%2Fprobe/_tags": {"scope": f"repository:{REPOSITORY}:metadata_read"},
    }
    for path, scope in scopes.items():
        answer = requests.get(f"https://{host}{path}", timeout=60)
        assert challenge(answer) == realm | scope
        assert errors(answer) == ["UNAUTHORIZED"]
    pushed = requests.put(f"https://{host}/v2/{REPOSITORY}/manifests/1", data=b"{}", timeout=60)
    assert challenge(pushed)["scope"] == f"repository:{REPOSITORY}:pull,push"


def test_unknown_paths_are_refused(lab: LabUnderTest) -> None:
    registry = oci.publisher(lab)
    for path in ("/v2/UPPER/manifests/1", "/v2/vibedata/probe/nothing", "/v1/search", "/acr/v1/vibedata/probe/_x/y"):
        assert registry.send("GET", path, scope="registry:catalog:*").status_code in (401, 404)
    assert registry.send("GET", "/v1/search", scope="registry:catalog:*").status_code == 404
    assert registry.send("POST", f"/v2/{REPOSITORY}/manifests/1").status_code == 405
    unknown = registry.send("GET", "/acr/v1/_catalog?api-version=2030-01-01", scope="registry:catalog:*")
    assert unknown.status_code == 400


def test_wrong_password_is_refused(lab: LabUnderTest) -> None:
    registry = oci.publisher(lab)
    url, query = f"https://{registry.host}/oauth2/token", {"service": registry.host}
    for user, password in ((registry.username, "wrong"), ("nobody", registry.password)):
        answer = requests.get(url, params=query, auth=(user, password), timeout=60)
        assert (answer.status_code, errors(answer)) == (401, ["UNAUTHORIZED"])
        form = {**query, "grant_type": "password", "username": user, "password": password}
        assert requests.post(url, data=form, timeout=60).status_code == 401
    assert requests.get(url, params=query, timeout=60).status_code == 401
    form = {**query, "grant_type": "password", "username": registry.username, "password": registry.password}
    assert requests.post(url, data=form, timeout=60).json()["access_token"]
    elsewhere = requests.get(
        url, params={"service": "elsewhere"}, auth=(registry.username, registry.password), timeout=60
    )
    assert elsewhere.status_code == 400


def test_repository_scoped_token_reads_and_does_nothing_else(lab: LabUnderTest) -> None:
    digest = oci.publisher(lab).push(REPOSITORY, oci.image(b"layer"), "1")
    reader = oci.scoped_token(lab)
    assert reader.digest(REPOSITORY, "1") == digest
    assert reader.send("GET", f"/v2/{REPOSITORY}/tags/list").json()["tags"] == ["1"]
    # The scope metadata_read must be asked for by name.
    refused = reader.send("GET", f"/v2/{REPOSITORY}/tags/list", scope=f"repository:{REPOSITORY}:pull")
    assert challenge(refused)["error"] == "insufficient_scope"
    assert challenge(reader.send("GET", "/v2/_catalog", scope="registry:catalog:*"))["error"] == "insufficient_scope"
    for refused in (
        reader.put_manifest(REPOSITORY, "2", oci.image(b"layer")),
        reader.send("POST", f"/v2/{REPOSITORY}/blobs/uploads/"),
        reader.send("DELETE", f"/v2/{REPOSITORY}/manifests/{digest}"),
    ):
        assert challenge(refused)["error"] == "insufficient_scope"
    assert oci.publisher(lab).send("GET", f"/v2/{REPOSITORY}/tags/list").json()["tags"] == ["1"]


def test_one_token_serves_several_repositories(lab: LabUnderTest) -> None:
    registry = oci.publisher(lab)
    names = [f"vibedata/several-{number}" for number in range(3)]
    for name in names:
        registry.push(name, oci.image(b"layer"), "1")
    token = oci.scoped_token(lab).token(*(f"repository:{name}:pull" for name in names))
    for name in names:
        url = f"https://{registry.host}/v2/{name}/manifests/1"
        assert requests.head(url, headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code == 200
    other = requests.head(
        f"https://{registry.host}/v2/{REPOSITORY}/manifests/1", headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    assert challenge(other)["error"] == "insufficient_scope"


def test_expired_and_foreign_tokens_are_refused(lab: LabUnderTest) -> None:
    registry = oci.publisher(lab)
    token = registry.token(f"repository:{REPOSITORY}:pull")
    url = f"https://{registry.host}/v2/"
    customer = f"https://{lab.env['VIBEDATA_CUSTOMER_REGISTRY']}/v2/"
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(url, headers=headers, timeout=60).status_code == 200
    assert challenge(requests.get(customer, headers=headers, timeout=60))["error"] == "invalid_token"
    entra = {"Authorization": f"Bearer {oci.identity_token(lab)}"}
    assert challenge(requests.get(customer, headers=entra, timeout=60))["error"] == "invalid_token"
    lab.control("POST", "/clock", {"advance_seconds": 2 * 3600})
    assert challenge(requests.get(url, headers=headers, timeout=60))["error"] == "invalid_token"


@pytest.mark.parametrize("resource", ["https://containerregistry.azure.net", "https://management.azure.com/"])
def test_managed_identity_exchanges_its_token(lab: LabUnderTest, resource: str) -> None:
    registry = oci.customer(lab)
    digest = registry.push(REPOSITORY, oci.image(b"layer"), "1")
    base = f"https://{registry.host}"
    form = {"grant_type": "access_token", "service": registry.host, "access_token": oci.identity_token(lab, resource)}
    refresh = requests.post(f"{base}/oauth2/exchange", data=form, timeout=60).json()["refresh_token"]
    scope = f"repository:{REPOSITORY}:pull"
    grant = {"grant_type": "refresh_token", "service": registry.host, "scope": scope, "refresh_token": refresh}
    token = requests.post(f"{base}/oauth2/token", data=grant, timeout=60).json()["access_token"]
    head = requests.head(
        f"{base}/v2/{REPOSITORY}/manifests/1", headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    assert head.headers["Docker-Content-Digest"] == digest
    # An access token is not a refresh token, and a refresh token is not an access token.
    swapped = requests.post(f"{base}/oauth2/token", data={**grant, "refresh_token": token}, timeout=60)
    assert swapped.status_code == 401
    used = requests.get(f"{base}/v2/", headers={"Authorization": f"Bearer {refresh}"}, timeout=60)
    assert challenge(used)["error"] == "invalid_token"
    lab.control("POST", "/clock", {"advance_seconds": 3 * 3600})
    assert requests.post(f"{base}/oauth2/token", data=grant, timeout=60).status_code == 401


def test_exchange_refuses_other_audiences_and_other_tenants_registry(lab: LabUnderTest) -> None:
    for service, resource in (
        ("CUSTOMER", "https://storage.azure.com"),
        ("PUBLISHER", "https://management.azure.com/"),
    ):
        host = lab.env[f"VIBEDATA_{service}_REGISTRY"]
        token = oci.identity_token(lab, resource)
        form = {"grant_type": "access_token", "service": host, "access_token": token}
        answer = requests.post(f"https://{host}/oauth2/exchange", data=form, timeout=60)
        assert (answer.status_code, errors(answer)) == (401, ["UNAUTHORIZED"])


def test_manifests_keep_their_bytes_and_their_media_type(lab: LabUnderTest) -> None:
    registry = oci.publisher(lab)
    artifact = oci.image(b"payload", artifact_type=ARTIFACT)
    pair = oci.index(oci.image(b"one"), oci.image(b"two"), artifact)
    registry.push(REPOSITORY, pair, "latest")
    read = registry.manifest(REPOSITORY, "latest")
    assert (read.content, read.headers["Content-Type"]) == (pair.body, oci.INDEX)
    assert registry.manifest(REPOSITORY, artifact.digest).content == artifact.body
    head = registry.send("HEAD", f"/v2/{REPOSITORY}/manifests/latest")
    assert int(head.headers["Content-Length"]) == len(pair.body)
    refused = registry.send("GET", f"/v2/{REPOSITORY}/manifests/latest", headers={"Accept": oci.DOCKER_MANIFEST})
    assert (refused.status_code, errors(refused)) == (404, ["MANIFEST_UNKNOWN"])
    registry.push(REPOSITORY, oci.image(b"other"), "latest")
    assert registry.manifest(REPOSITORY, pair.digest).content == pair.body
    assert registry.digest(REPOSITORY, "missing") is None


def test_bad_manifests_are_refused(lab: LabUnderTest) -> None:
    registry = oci.publisher(lab)
    good = oci.image(b"layer")
    registry.push(REPOSITORY, good, "1")
    cases = [
        (oci.Image(b"{", oci.MANIFEST), "1", 400),
        (oci.Image(good.body, oci.DOCKER_MANIFEST), "1", 400),
        (oci.Image(good.body, "application/json"), "1", 400),
        (good, "sha256:" + "0" * 64, 400),
        (oci.image(b"never uploaded"), "1", 400),
        (oci.index(oci.image(b"never uploaded")), "1", 400),
        (oci.Image(b" " * (4 * 1024 * 1024 + 1), oci.MANIFEST), "1", 413),
    ]
    for manifest, reference, status in cases:
        assert registry.put_manifest(REPOSITORY, reference, manifest).status_code == status
    assert registry.digest(REPOSITORY, "1") == good.digest


def test_blobs_are_checked_ranged_and_mounted(lab: LabUnderTest) -> None:
    registry = oci.publisher(lab)
    blob = bytes(range(256)) * 4096
    registry.push(REPOSITORY, oci.image(blob), "1")
    digest = oci.digest_of(blob)
    part = registry.send("GET", f"/v2/{REPOSITORY}/blobs/{digest}", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, blob[10:20])
    location = registry.send("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["Location"]
    wrong = registry.send("PUT", f"{location}&digest={digest}", data=b"other bytes")
    assert (wrong.status_code, errors(wrong)) == (400, ["DIGEST_INVALID"])
    scopes = (f"repository:{REPOSITORY}:pull", "repository:vibedata/other:pull,push")
    headers = {"Authorization": f"Bearer {registry.token(*scopes)}"}
    url = f"https://{registry.host}/v2/vibedata/other/blobs/uploads/?mount={digest}&from={REPOSITORY}"
    assert requests.post(url, headers=headers, timeout=60).status_code == 201
    # Without the right to read it there, a blob is not mounted. It has to be sent.
    headers = {"Authorization": f"Bearer {registry.token(scopes[1])}"}
    assert requests.post(url.replace("other", "third"), headers=headers, timeout=60).status_code == 401
    assert requests.post(url, headers=headers, timeout=60).status_code == 202


def test_referrers_are_listed_and_filtered(lab: LabUnderTest) -> None:
    registry = oci.publisher(lab)
    subject = oci.image(b"layer")
    registry.push(REPOSITORY, subject, "1")
    signature = oci.image(b"signature", artifact_type="application/vnd.cncf.notary.signature", subject=subject)
    registry.push(REPOSITORY, oci.image(b"sbom", artifact_type=ARTIFACT, subject=subject))
    registry.push(REPOSITORY, signature)
    again = registry.put_manifest(REPOSITORY, signature.digest, signature)
    assert again.headers["OCI-Subject"] == subject.digest
    path = f"/v2/{REPOSITORY}/referrers/{subject.digest}"
    every = registry.send("GET", path)
    assert every.headers["Content-Type"] == oci.INDEX
    assert "OCI-Filters-Applied" not in every.headers
    assert len(every.json()["manifests"]) == 2
    found = registry.send("GET", f"{path}?artifactType=application/vnd.cncf.notary.signature")
    assert found.headers["OCI-Filters-Applied"] == "artifactType"
    assert found.json()["manifests"] == [
        {**signature.descriptor, "artifactType": "application/vnd.cncf.notary.signature"}
    ]
    none = registry.send("GET", f"/v2/{REPOSITORY}/referrers/{signature.digest}")
    assert (none.status_code, none.json()["manifests"]) == (200, [])
    assert registry.send("DELETE", f"/v2/{REPOSITORY}/manifests/{subject.digest}").status_code == 202
    assert registry.manifest(REPOSITORY, signature.digest).status_code == 404


def test_official_client_lists_reads_writes_and_deletes(lab: LabUnderTest) -> None:
    registry = oci.customer(lab)
    images = {f"{number}": oci.image(f"layer {number}".encode()) for number in range(5)}
    for tag, one in images.items():
        registry.push(REPOSITORY, one, tag)
    pair = oci.index(*list(images.values())[:2])
    registry.push("vibedata/pair", pair, "both")
    credential = ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"])
    with credential, ContainerRegistryClient(f"https://{registry.host}", credential) as client:
        assert list(client.list_repository_names(results_per_page=1)) == ["vibedata/pair", REPOSITORY]
        newest_first = client.list_tag_properties(
            REPOSITORY, order_by=ArtifactTagOrder.LAST_UPDATED_ON_DESCENDING, results_per_page=2
        )
        assert [tag.name for tag in newest_first] == ["4", "3", "2", "1", "0"]
        assert client.get_tag_properties(REPOSITORY, "3").digest == images["3"].digest
        properties = client.get_repository_properties(REPOSITORY)
        assert (properties.manifest_count, properties.tag_count) == (5, 5)
        manifest = client.get_manifest_properties("vibedata/pair", "both")
        assert (manifest.digest, manifest.tags) == (pair.digest, ["both"])
        assert len(list(client.list_manifest_properties("vibedata/pair", results_per_page=2))) == 3
        assert client.get_manifest(REPOSITORY, "2").manifest == json.loads(images["2"].body)

        large = bytes(5 * 1024 * 1024)
        digest, size = client.upload_blob(REPOSITORY, BytesIO(large))
        assert (digest, size) == (oci.digest_of(large), len(large))
        assert b"".join(client.download_blob(REPOSITORY, digest)) == large
        written = client.set_manifest(REPOSITORY, json.loads(images["1"].body), tag="written")
        assert client.get_tag_properties(REPOSITORY, "written").digest == written

        client.delete_tag(REPOSITORY, "4")
        assert registry.digest(REPOSITORY, "4") is None
        assert registry.digest(REPOSITORY, images["4"].digest) == images["4"].digest
        client.delete_manifest(REPOSITORY, images["3"].digest)
        assert registry.digest(REPOSITORY, "3") is None
        client.delete_repository(REPOSITORY)
        assert list(client.list_repository_names()) == ["vibedata/pair"]
        client.delete_repository(REPOSITORY)  # a 404 is no error to it
    registry.push(REPOSITORY, images["3"], "3")  # what was deleted can come again


def test_official_client_is_refused_at_the_publishers(lab: LabUnderTest) -> None:
    credential = ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"])
    host = lab.env["VIBEDATA_PUBLISHER_REGISTRY"]
    with (
        credential,
        ContainerRegistryClient(f"https://{host}", credential) as client,
        pytest.raises(ClientAuthenticationError),
    ):
        list(client.list_repository_names())


def test_oras_pushes_and_pulls(lab: LabUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    registry, reader = oci.publisher(lab), oci.scoped_token(lab)
    payload = tmp_path / "runbook.py"
    payload.write_text("print('hello')\n")
    target = f"{registry.host}/vibedata/runbooks/hello:1.0.0"

    def client(user: Registry) -> oras.client.OrasClient:
        made = oras.client.OrasClient(hostname=user.host, tls_verify=True)
        made.auth.set_basic_auth(user.username, user.password)
        return made

    pusher = client(registry)
    # oras-py keeps the token of its first request, a HEAD that asks only for pull. It cannot answer a 401 after that.
    pusher.auth.set_token_auth(registry.token("repository:vibedata/runbooks/hello:pull,push"))
    pushed = pusher.push(target, files=[str(payload)], disable_path_validation=True, quiet=True)
    assert pushed.status_code == 201
    pulled = client(reader).pull(target, outdir=str(tmp_path / "out"))
    assert Path(pulled[0]).read_text() == payload.read_text()


@pytest.mark.parametrize("kind", ["user", "identity"])
def test_skopeo_copies_in_and_out_with_either_kind_of_token(lab: LabUnderTest, tmp_path: Path, kind: str) -> None:
    into = oci.customer(lab)
    if kind == "identity":
        null = "00000000-0000-0000-0000-000000000000"
        into = Registry(lab, into.host, null, oci.refresh_token(lab, into.host))
    pair = oci.index(oci.image(oci.layer(b"one" * 100_000)), oci.image(oci.layer(b"two")))
    layout = oci.make_layout(tmp_path / "layout", {"pair": pair, "single": oci.image(oci.layer(b"single"))})
    home, where = tmp_path / "home", f"docker://{into.host}/vibedata"
    oci.skopeo(lab, home, "copy", "--all", f"oci:{layout}:pair", f"{where}/pair:1", login=[into])
    oci.skopeo(lab, home, "copy", "--format", "v2s2", f"oci:{layout}:single", f"{where}/old:1", login=[into])
    raw = oci.skopeo(lab, home, "inspect", "--raw", f"{where}/pair:1", login=[into])
    assert oci.digest_of(raw.encode()) == pair.digest
    schema_2 = json.loads(oci.skopeo(lab, home, "inspect", "--raw", f"{where}/old:1", login=[into]))
    assert schema_2["mediaType"] == oci.DOCKER_MANIFEST
    assert json.loads(oci.skopeo(lab, home, "list-tags", f"{where}/pair", login=[into]))["Tags"] == ["1"]
    out = tmp_path / "out"
    oci.skopeo(lab, home, "copy", "--all", f"{where}/pair:1", f"oci:{out}:pair", login=[into])
    for one in (pair, *pair.children):
        assert (out / "blobs" / "sha256" / one.digest.removeprefix("sha256:")).read_bytes() == one.body
    oci.skopeo(lab, home, "copy", f"{where}/old:1", f"dir:{tmp_path / 'dir'}", login=[into])


def test_skopeo_reads_with_the_repository_scoped_token(lab: LabUnderTest, tmp_path: Path) -> None:
    publisher, reader = oci.publisher(lab), oci.scoped_token(lab)
    pair = oci.index(oci.image(oci.layer(b"one")), oci.image(oci.layer(b"two")))
    publisher.push(REPOSITORY, pair, "1")
    source = f"docker://{reader.host}/{REPOSITORY}:1"
    oci.skopeo(lab, tmp_path / "home", "copy", "--all", source, f"oci:{tmp_path / 'out'}:x", login=[reader])
    target = f"docker://{lab.env['VIBEDATA_CUSTOMER_REGISTRY']}/{REPOSITORY}:1"
    oci.skopeo(lab, tmp_path / "home", "copy", "--all", source, target, login=[reader, oci.customer(lab)])
    assert oci.customer(lab).digest(REPOSITORY, "1") == pair.digest


def test_reset_empties_the_container_registries(lab: LabUnderTest) -> None:
    registry = oci.customer(lab)
    pushed = oci.image(b"layer")
    registry.push(REPOSITORY, pushed, "1")
    lab.reset()
    assert registry.digest(REPOSITORY, "1") is None
    assert registry.send("HEAD", f"/v2/{REPOSITORY}/blobs/{oci.digest_of(b'layer')}").status_code == 404
    registry.push(REPOSITORY, pushed, "1")
