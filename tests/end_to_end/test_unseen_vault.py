"""A person without any right on the customer's vault deploys. Only the preflight's job sees the missing credentials."""

from typing import Any

from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential

from tests.end_to_end.deployed import Deployed
from tests.end_to_end.leavings import job_ids
from vibedata.deployment.chain import STEPS
from vibedata.deployment.first_credentials import REGISTRY_TOKEN

TOKEN = "publisher-acr-token"
# The operator's requests to the vault. The path leaves out the gateway's request for its certificate, which is not sent
# by a job either.
UNSEEN = {"service": "key_vault", "jobs": False, "path": r"^/secrets\?|^/certificates"}


def test_a_person_who_cannot_see_the_vault_still_gives_the_first_token(own_deployed: Deployed) -> None:
    release = own_deployed.release()
    folder = str(release.folder)
    purge(own_deployed, TOKEN)
    own_deployed.lab.fault("status", status=403, times=0, match=UNSEEN)

    planned = own_deployed.vibedata_json("deploy", folder, "--plan", "--detailed-exitcode", code=2)
    plan = next(step for step in planned["steps"] if step["step"] == "first_registry_token")
    assert plan["not_known"] == [
        "whether the customer has a token for the publisher's container registry cannot be seen from here: a job of"
        " the preflight finds out"
    ]

    before = job_ids(own_deployed)
    made = own_deployed.vibedata_json("deploy", folder)
    assert [(step["name"], step["error"]) for step in made["steps"]] == [
        (name, None) for name in ("lock", *STEPS, "report")
    ]
    steps: dict[str, Any] = {step["name"]: step["status"] for step in made["steps"]}
    assert (steps["first_registry_token"], steps["first_hmac_key"]) == ("succeeded", "succeeded")
    started = [own_deployed.record(job)["runbook"] for job in job_ids(own_deployed)[len(before) :]]
    assert started.count("preflight") == 1
    # The publisher's record knows now that the customer has a token.
    assert only_token(own_deployed, folder) == ([], "unchanged")

    # Without a record, the step lets a job look, because the step of the preflight is not chosen.
    forget_rotations(own_deployed)
    assert only_token(own_deployed, folder) == (["preflight"], "unchanged")
    purge(own_deployed, TOKEN)
    started, status = only_token(own_deployed, folder)
    assert (started[0], set(started[1:]), status) == ("preflight", {"rotate_acr_token"}, "succeeded")


def only_token(deployed: Deployed, folder: str) -> tuple[list[str], str]:
    """Do only the step of the first token. Return the runbooks of its jobs, and how it ended."""
    before = job_ids(deployed)
    done = deployed.vibedata_json("deploy", folder, "--only", "first_registry_token")
    started = [deployed.record(job)["runbook"] for job in job_ids(deployed)[len(before) :]]
    return started, next(step["status"] for step in done["steps"] if step["name"] == "first_registry_token")


def forget_rotations(deployed: Deployed) -> None:
    """Delete the publisher's record of the rotations of the token."""
    env = deployed.lab.env
    with (
        ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        TableServiceClient(env["VIBEDATA_PUBLISHER_TABLE_ENDPOINT"], credential=credential) as tables,
    ):
        rotations = tables.get_table_client(REGISTRY_TOKEN.table)
        for row in list(rotations.list_entities()):
            rotations.delete_entity(row)


def purge(deployed: Deployed, secret: str) -> None:
    """Remove a secret, as the runbooks' identity. The faults of the test are off meanwhile."""
    faults = deployed.lab.control("GET", "/faults")["faults"]
    deployed.lab.control("DELETE", "/faults")
    deployed.purge_secret(secret)
    if faults:
        deployed.lab.fault("status", status=403, times=0, match=UNSEEN)
