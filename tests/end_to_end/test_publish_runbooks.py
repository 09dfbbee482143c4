"""publish_runbooks as a job of the built file, with the real packages: it replaces itself while it runs."""

from hashlib import sha256

from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient

from tests.end_to_end.deployed import Deployed

# A sandbox has 400 MB (docs/azure-facts.md#python-and-its-limits). All wheels together have some 17 MB. The peak was
# 95 to 101 MiB: it depends on how many changes are in flight at the same time.
AIM_BYTES = 110 * 1024 * 1024


def published(deployed: Deployed, name: str) -> bytes:
    text = deployed.automation.client.runbook.get_content(*deployed.automation.at, name)
    return text.encode()


def empty_artifact_storage(deployed: Deployed) -> None:
    env = deployed.lab.env
    with (
        ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        BlobServiceClient(env["VIBEDATA_BLOB_ENDPOINT"], credential=credential) as blobs,
    ):
        container = blobs.get_container_client("artifacts")
        for name in list(container.list_blob_names()):
            container.delete_blob(name)


def test_it_replaces_itself_while_it_runs(deployed: Deployed) -> None:
    release = deployed.release()
    deployed.succeed("import_manifest")
    deployed.succeed("import_images")
    empty_artifact_storage(deployed)
    old = published(deployed, "publish_runbooks")

    job = deployed.succeed("publish_runbooks")
    new = (release.folder / "runbooks" / "publish_runbooks.py").read_bytes()
    assert new != old
    assert job.result["version"] != release.version  # the old text ran
    for script in sorted((release.folder / "runbooks").glob("*.py")):
        assert sha256(published(deployed, script.stem)).digest() == sha256(script.read_bytes()).digest()
    changes = [change["target"] for change in job.result["changes"]]
    assert any(target.endswith(".whl") for target in changes)
    assert deployed.record(job.id)["peak_memory_bytes"] < AIM_BYTES

    again = deployed.succeed("publish_runbooks")
    assert (again.result["status"], again.result["version"]) == ("unchanged", release.version)
    assert {write.partition(" ")[0] for write in again.writes} <= {"logs"}
    validated = deployed.succeed("validate_runbooks")
    assert validated.result["status"] == "succeeded"
    assert deployed.record(validated.id)["peak_memory_bytes"] < AIM_BYTES
