"""A job may be killed at any request, and any answer may be lost. This run or the next one reaches the same end.

A run of import_manifest makes some 30 requests. A run of import_images with three images, two runbooks and the packages
makes some 40. Jobs are killed, and answers are lost, at every write. The imports that import_images requests side by
side are all alike, so only the first two, one in the middle and the last are tested. Jobs are also killed at REQUESTS
requests that are spread over the whole run. So each phase of a run is tested, and the module takes less than three
minutes.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient

from oci.layout import reader as layout_reader
from tests.end_to_end.deployed import Deployed, EndedJob, Release, is_write
from tests.support.log_reader import spooled, table_rows
from tests.support.operations_chain import verify_chain
from tests.support.release_maker import RELEASE_REPOSITORY, artifact_of, as_json, digest_of, push_release_manifest

REQUESTS = 6
KILLED = -9
# import_manifest and the log make fewer writes of one kind than this.
ALL_ALIKE = 5
# The writes of a run: each by its service, its method, and a part of its path.
IMPORT = ("arm", "POST", "/importImage")
STORE = ("blob", "PUT", "/release-manifests/")
LOG = ("logs", "POST", "/streams/")


@dataclass(frozen=True, slots=True)
class Offer:
    """A release manifest at the publisher's."""

    version: str
    content: bytes
    digest: str

    @property
    def name(self) -> str:
        """The beginning of the names of its blobs."""
        return f"{self.version}/{digest_of(self.content).removeprefix('sha256:')}"


@pytest.fixture(scope="module")
def release(deployed: Deployed) -> Iterator[Release]:
    yield deployed.release()


def document_of(release: Release) -> dict[str, Any]:
    artifacts = layout_reader.read(release.folder)
    manifest = next(artifact for artifact in artifacts if artifact.repository == RELEASE_REPOSITORY)
    document: dict[str, Any] = json.loads(layout_reader.blob(release.folder, manifest.layers[0]))
    return document


def offer(deployed: Deployed, release: Release) -> Offer:
    """Offer `release` again as a newer version, because artifact storage keeps the earlier manifest for ever."""
    version = f"2026.11.{next(deployed.versions)}"
    content = as_json({**document_of(release), "version": version})
    return Offer(version, content, push_release_manifest(deployed.publisher, content, version, "latest"))


def stored(deployed: Deployed, version: str) -> dict[str, bytes]:
    """Return the parts of a version in artifact storage."""
    with (
        ManagedIdentityCredential(client_id=deployed.lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        BlobServiceClient(deployed.lab.env["VIBEDATA_BLOB_ENDPOINT"], credential) as client,
        client.get_container_client("release-manifests") as container,
    ):
        names = container.list_blob_names(name_starts_with=f"{version}/")
        return {name: container.download_blob(name).readall() for name in names}


def everything(deployed: Deployed, release: Release, repositories: Sequence[str]) -> dict[str, list[str]]:
    """Return the tags of the customer's repositories, without the tags that tests of earlier releases have left
    there.
    """
    former = {f"2026.11.{number}" for number in range(int(release.version.rpartition(".")[2]))}
    found = {}
    for repository in repositories:
        answer = deployed.customer.call("GET", f"{repository}/tags/list")
        tags = answer.json()["tags"] or [] if answer.status_code == 200 else []
        found[repository] = sorted(set(tags) - former)
    return found


def manifest_state(deployed: Deployed, offered: Offer) -> dict[str, Any]:
    """Return everything that an import_manifest of `offered` may have changed."""
    tags = {tag: deployed.customer.digest(RELEASE_REPOSITORY, tag) for tag in (offered.version, "latest")}
    blobs = stored(deployed, offered.version)
    return {
        "tags": tags,
        "signatures": len(deployed.customer.referrers(RELEASE_REPOSITORY, offered.digest)),
        "blobs": {name: content for name, content in blobs.items() if not name.endswith(".jws")},
        "stored signatures": [name for name in blobs if name.endswith(".jws")],
        "spool": spooled(deployed.lab),
    }


def expected_manifest_state(offered: Offer) -> dict[str, Any]:
    tags = {offered.version: offered.digest, "latest": offered.digest}
    artifact = as_json(artifact_of(digest_of(offered.content), len(offered.content)))
    return {
        "tags": tags,
        "signatures": 1,
        "blobs": {f"{offered.name}.json": offered.content, f"{offered.name}.oci.json": artifact},
        "stored signatures": [f"{offered.name}.jws"],
        "spool": {},
    }


def images_state(deployed: Deployed, release: Release) -> dict[str, Any]:
    """Return everything that an import_images of `release` may have changed."""
    parts = {name: name.rpartition(":") for name in release.pins}
    digests = {name: deployed.customer.digest(repository, tag) for name, (repository, _, tag) in parts.items()}
    tags = everything(deployed, release, [repository for repository, _, _ in parts.values()])
    return {"digests": digests, "tags": tags, "spool": spooled(deployed.lab)}


def expected_images_state(release: Release) -> dict[str, Any]:
    tags = {name.rpartition(":")[0]: [name.rpartition(":")[2]] for name in release.pins}
    return {"digests": dict(release.pins), "tags": tags, "spool": {}}


def forget_images(deployed: Deployed, release: Release) -> None:
    """Delete everything that the release pins from the customer's container registry."""
    for name, digest in release.pins.items():
        answer = deployed.customer.call("DELETE", f"{name.rpartition(':')[0]}/manifests/{digest}")
        assert answer.status_code in (202, 404), answer.text
    assert set(images_state(deployed, release)["digests"].values()) == {None}


def matches_of_writes(job: EndedJob) -> list[dict[str, Any]]:
    """Return a match for each write of an undisturbed run, in order."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for entry in filter(is_write, job.requests):
        kinds = [kind for kind in (IMPORT, STORE, LOG) if is_of(entry, kind)]
        assert len(kinds) == 1, entry
        counts[kinds[0]] += 1
    return [
        {"service": service, "method": method, "path": path, "nth": nth}
        for (service, method, path), count in counts.items()
        for nth in sorted({1, min(2, count), (count + 1) // 2, count} if count > ALL_ALIKE else range(1, count + 1))
    ]


def is_of(entry: Mapping[str, Any], kind: tuple[str, str, str]) -> bool:
    return (entry["service"], entry["method"]) == kind[:2] and kind[2] in entry["path"]


def kill_matches(job: EndedJob) -> list[dict[str, Any]]:
    step = len(job.requests) / REQUESTS
    return [*matches_of_writes(job), *({"nth": 1 + round(number * step)} for number in range(REQUESTS))]


def accepted(deployed: Deployed, since: int, kind: tuple[str, str, str]) -> int:
    """Return how many writes of a kind were carried out after the journal's entry `since`.

    This counts the writes of all processes: the last requests of a killed job may arrive when its process is gone.
    """
    entries = deployed.lab.journal(since=since)
    return sum(is_of(entry, kind) and (entry["status"] or 999) < 300 for entry in entries)


def killed(deployed: Deployed, runbook: str, match: Mapping[str, Any]) -> EndedJob:
    """Run a runbook that is killed at the request of `match`."""
    deployed.lab.fault("kill_job", match=match)
    job = deployed.run(runbook)
    (fault,) = deployed.lab.control("GET", "/faults")["faults"]
    deployed.lab.control("DELETE", "/faults")
    # The number of looks depends on the machine. The run may have ended before its nth request.
    if fault["applied"] == 1:
        assert (job.status, deployed.record(job.id)["exit_code"]) == ("Failed", KILLED), match
    else:
        assert "service" not in match, f"no such write: {match}"
    return job


def lost(deployed: Deployed, runbook: str, match: Mapping[str, Any]) -> EndedJob:
    """Run a runbook. One of its writes is carried out and not answered. The same run must still succeed."""
    deployed.lab.fault("reset_after", match=match)
    job = deployed.run(runbook)
    (fault,) = deployed.lab.control("GET", "/faults")["faults"]
    deployed.lab.control("DELETE", "/faults")
    assert fault["applied"] == 1, match
    assert (job.status, job.result["status"]) == ("Completed", "succeeded"), f"{match}: {job.text}"
    return job


def assert_log(deployed: Deployed, *, whole: Sequence[EndedJob], allowed: set[str]) -> None:
    """Check that the runs in `whole` have complete chains, except for `allowed`.

    Killed runs may only lack their end.
    """
    problems = verify_chain(table_rows(deployed.lab))
    runs = {job.result["run_id"] for job in whole}
    assert {problem.kind for problem in problems if problem.run_id in runs} <= allowed
    assert {problem.kind for problem in problems if problem.run_id not in runs} <= {"open", "copy"}


@pytest.mark.timeout(1200)  # some thirty jobs
def test_import_manifest_killed_anywhere_is_taken_up_by_the_next_run(deployed: Deployed, release: Release) -> None:
    offered = offer(deployed, release)
    undisturbed = deployed.succeed("import_manifest")
    assert manifest_state(deployed, offered) == expected_manifest_state(offered)
    ended = [undisturbed]
    for match in kill_matches(undisturbed):
        offered = offer(deployed, release)
        since = deployed.last_request()
        killed(deployed, "import_manifest", match)
        ended.append(deployed.succeed("import_manifest"))
        assert manifest_state(deployed, offered) == expected_manifest_state(offered), match
        assert (accepted(deployed, since, IMPORT), accepted(deployed, since, STORE)) == (3, 3), match
    assert_log(deployed, whole=ended, allowed=set())


@pytest.mark.timeout(1200)  # some thirty jobs
def test_import_images_killed_anywhere_is_taken_up_by_the_next_run(deployed: Deployed, release: Release) -> None:
    offer(deployed, release)
    deployed.succeed("import_manifest")
    undisturbed = deployed.succeed("import_images")
    assert images_state(deployed, release) == expected_images_state(release)
    ended = [undisturbed]
    for match in kill_matches(undisturbed):
        forget_images(deployed, release)
        since = deployed.last_request()
        killed(deployed, "import_images", match)
        ended.append(deployed.succeed("import_images"))
        assert images_state(deployed, release) == expected_images_state(release), match
        assert accepted(deployed, since, IMPORT) == len(release.pins), match
    assert_log(deployed, whole=ended, allowed=set())


def test_import_manifest_gets_over_every_lost_answer(deployed: Deployed, release: Release) -> None:
    offer(deployed, release)
    ended = [deployed.succeed("import_manifest")]
    for match in matches_of_writes(ended[0]):
        offered = offer(deployed, release)
        since = deployed.last_request()
        ended.append(lost(deployed, "import_manifest", match))
        assert manifest_state(deployed, offered) == expected_manifest_state(offered), match
        assert (accepted(deployed, since, IMPORT), accepted(deployed, since, STORE)) == (3, 3), match
    again = deployed.succeed("import_manifest")
    assert again.result["status"] == "unchanged"
    # An upload whose answer was lost is sent again, because nobody can ask whether it arrived. Readers drop the copy by
    # its EventId.
    assert_log(deployed, whole=[*ended, again], allowed={"copy"})


def test_import_images_gets_over_every_lost_answer(deployed: Deployed, release: Release) -> None:
    offer(deployed, release)
    deployed.succeed("import_manifest")
    forget_images(deployed, release)
    ended = [deployed.succeed("import_images")]
    for match in matches_of_writes(ended[0]):
        forget_images(deployed, release)
        since = deployed.last_request()
        ended.append(lost(deployed, "import_images", match))
        assert images_state(deployed, release) == expected_images_state(release), match
        assert accepted(deployed, since, IMPORT) == len(release.pins), match
    again = deployed.succeed("import_images")
    assert again.result["status"] == "unchanged"
    assert_log(deployed, whole=[*ended, again], allowed={"copy"})
