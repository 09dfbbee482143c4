"""A customer whose vault has neither a registry token nor a key: the deployment brings the first ones."""

from datetime import datetime, timezone

from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential
from azure.keyvault.certificates import CertificateClient

from publisher.instances.reported import last_reports
from runbook_lib.azure.settings import load
from runbook_lib.tls_certificate.name import CERTIFICATE
from tests.end_to_end.deployed import Deployed, wanted
from tests.end_to_end.leavings import job_ids
from vibedata.deployment.chain import STEPS


def test_a_customer_without_credentials_gets_the_first_ones_and_single_steps_find_them(own_deployed: Deployed) -> None:
    release = own_deployed.release()
    env = own_deployed.lab.env
    own_deployed.purge_secret("publisher-acr-token")
    failed = own_deployed.vibedata_json("deploy", str(release.folder), "--only", "import_manifest", code=1)
    assert [(step["name"], (step["error"] or {}).get("code")) for step in failed["steps"]] == [
        ("lock", None),
        ("import_manifest", "VD-VAULT-001"),
        ("report", None),
    ]

    assert last_deployment(own_deployed) == ("import_manifest", "failed", "VD-VAULT-001")

    # The preflight accepts that the token will come later. The whole chain brings the token and a key.
    jobs_before = job_ids(own_deployed)
    made = own_deployed.vibedata_json("deploy", str(release.folder))
    assert [(step["name"], step["error"]) for step in made["steps"]] == [
        (name, None) for name in ("lock", *STEPS, "report")
    ]
    assert own_deployed.installed(release) == wanted(release)
    assert last_deployment(own_deployed) == ("certificate_test", "succeeded", "")
    # An administrator sees no failure in the portal: neither a job nor a record in a job's streams.
    jobs = [own_deployed.wait(job_id) for job_id in job_ids(own_deployed)[len(jobs_before) :]]
    assert [(job.status, job.text) for job in jobs if job.status != "Completed"] == []
    assert [text for job in jobs for kind, text in job.streams if kind == "Error"] == []
    # A second run finds both, and the name, the certificate and the gateway are as they must be.
    again = own_deployed.vibedata_json("deploy", str(release.folder), "--only", "first_registry_token")
    assert [(step["name"], step["status"]) for step in again["steps"]] == [
        ("lock", "succeeded"),
        ("first_registry_token", "unchanged"),
        ("report", "succeeded"),
    ]
    rest = own_deployed.vibedata_json("deploy", str(release.folder), "--from", "first_hmac_key")
    assert [(step["name"], step["status"]) for step in rest["steps"]] == [
        ("lock", "succeeded"),
        ("first_hmac_key", "unchanged"),
        ("dns_record", "unchanged"),
        ("first_certificate", "unchanged"),
        ("configure_gateway", "unchanged"),
        ("check_health", "succeeded"),
        ("certificate_test", "unchanged"),
        ("report", "succeeded"),
    ]
    assert last_deployment(own_deployed) == ("certificate_test", "succeeded", "")

    # The customer deletes the resource group and installs again. The vault is empty, and the publisher's record stays.
    with (
        ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        CertificateClient(env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as certificates,
    ):
        certificates.begin_delete_certificate(CERTIFICATE).wait()
        certificates.purge_deleted_certificate(CERTIFICATE)
        own_deployed.lab.control("POST", "/gateway", {"poll_seconds": 0.1})
        again = own_deployed.vibedata_json("deploy", str(release.folder), "--only", "first_certificate")
        assert [(step["name"], step["status"]) for step in again["steps"]][1] == ("first_certificate", "succeeded")
        assert certificates.get_certificate(CERTIFICATE).cer
    # A run outside the chain configures the gateway itself before it tests.
    ended = own_deployed.vibedata_json("rotate-tls")
    assert [(each["action"], each["outcome"]) for each in ended["changes"]] == [
        ("configure", "done"),
        ("test", "done"),
        ("end", "done"),
    ]


def last_deployment(deployed: Deployed) -> tuple[str, str, str]:
    """Return what the publisher knows of the last deployment."""
    env = deployed.lab.env
    with (
        ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        TableServiceClient(env["VIBEDATA_PUBLISHER_TABLE_ENDPOINT"], credential=credential) as tables,
    ):
        told = last_reports(tables, load({}, env, None).instance_id, datetime.now(timezone.utc)).deployment
    assert told is not None
    return told.step, told.status, told.error_code
