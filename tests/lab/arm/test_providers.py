"""Resource providers: registered or not, and the effect on a resource that somebody makes."""

from tests.support.arm import code, group, send
from tests.support.running_lab import LabUnderTest

VERSION = "api-version=2025-04-01"


def state(lab: LabUnderTest, namespace: str) -> str:
    subscription = lab.env["VIBEDATA_SUBSCRIPTION_ID"]
    found: str = send(lab, f"/subscriptions/{subscription}/providers/{namespace}?{VERSION}").json()["registrationState"]
    return found


def test_a_namespace_that_is_not_registered_makes_nothing(lab: LabUnderTest) -> None:
    providers = f"/subscriptions/{lab.env['VIBEDATA_SUBSCRIPTION_ID']}/providers"
    vault = f"{group(lab)}/providers/Microsoft.KeyVault/vaults/vibedata-kv?api-version=2024-11-01"
    made = send(lab, f"{providers}/Microsoft.KeyVault/unregister?{VERSION}", "POST")
    assert (made.status_code, made.json()["registrationState"]) == (200, "Unregistered")
    assert state(lab, "Microsoft.keyvault") == "Unregistered"
    assert state(lab, "Microsoft.Storage") == "Registered"
    assert code(send(lab, vault, "PUT", json={"properties": {}})) == (409, "MissingSubscriptionRegistration")
    assert send(lab, vault).ok  # what is there stays there
    made = send(lab, f"{providers}/Microsoft.KeyVault/register?{VERSION}", "POST")
    assert (made.status_code, made.json()["registrationState"]) == (200, "Registered")
    assert send(lab, vault, "PUT", json={"properties": {}}).ok
    assert code(send(lab, f"{providers}/Microsoft.Nothing/register?{VERSION}", "POST")) == (
        404,
        "InvalidResourceNamespace",
    )
    assert send(lab, f"{providers}/Microsoft.KeyVault/unregister?{VERSION}", "POST").ok
    lab.reset()
    assert state(lab, "Microsoft.KeyVault") == "Registered"
