"""A customer whose vault has no token for the publisher's container registry: the deployment brings the first one."""

from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from tests.end_to_end.deployed import Deployed, wanted
from vibedata.deployment.chain import CHAIN


def test_a_customer_without_a_token_gets_one_and_single_steps_go_on(own_deployed: Deployed) -> None:
    release = own_deployed.release()
    env = own_deployed.lab.env
    with (
        ManagedIdentityCredential(client_id=env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        SecretClient(env["VIBEDATA_KEY_VAULT_ENDPOINT"], credential) as secrets,
    ):
        secrets.begin_delete_secret("publisher-acr-token").wait()
        secrets.purge_deleted_secret("publisher-acr-token")
    assert own_deployed.vibedata_json("deploy", str(release.folder), "--plan")["first_token"] is True
    failed = own_deployed.vibedata_json("deploy", str(release.folder), "--only", "import_manifest", code=1)
    assert [(step["name"], (step["error"] or {}).get("code")) for step in failed["steps"]] == [
        ("lock", None),
        ("import_manifest", "VD-VAULT-001"),
    ]

    made = own_deployed.vibedata_json("deploy", str(release.folder), "--only", "publish")
    assert [step["name"] for step in made["steps"]] == ["lock", "publish", "rotate-acr-token"]
    assert made["steps"][-1]["status"] == "succeeded"
    # With the token the chain goes on where it stopped; a second run finds the token.
    rest = own_deployed.vibedata_json("deploy", str(release.folder), "--from", "import_manifest")
    assert [step["name"] for step in rest["steps"]] == ["lock", *(name for name, _ in CHAIN)]
    assert own_deployed.installed(release) == wanted(release)
    assert own_deployed.vibedata_json("deploy", str(release.folder), "--plan")["first_token"] is False
    again = own_deployed.vibedata_json("deploy", str(release.folder), "--only", "publish")
    assert [step["name"] for step in again["steps"]] == ["lock", "publish"]
