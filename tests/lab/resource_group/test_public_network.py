"""Network rules of storage account, vault and container registry: ARM changes them, and each data plane obeys them."""

import pytest
import requests

from tests.support import oci_client as oci
from tests.support.arm import code, group, send
from tests.support.running_lab import LabUnderTest

STORAGE = "Microsoft.Storage/storageAccounts/vibedatastorage?api-version=2024-01-01"
VAULT = "Microsoft.KeyVault/vaults/vibedata-kv?api-version=2024-11-01"
REGISTRY = "Microsoft.ContainerRegistry/registries/vibedataacr?api-version=2025-11-01"
TIMEOUT = 30


def change(lab: LabUnderTest, path: str, **properties: object) -> requests.Response:
    method = "PUT" if path is VAULT else "PATCH"
    return send(lab, f"{group(lab)}/providers/{path}", method, json={"properties": properties})


def asked(url: str) -> tuple[int, str]:
    answer = requests.get(url, timeout=TIMEOUT)
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    "closing",
    [
        {"publicNetworkAccess": "Disabled"},
        {"networkAcls": {"defaultAction": "Deny"}, "networkRuleSet": {"defaultAction": "Deny"}},
    ],
)
def test_each_data_plane_refuses_the_public_network_in_its_own_words(
    lab: LabUnderTest, closing: dict[str, object]
) -> None:
    env = lab.env
    planes = (
        (STORAGE, "networkAcls", env["VIBEDATA_BLOB_ENDPOINT"], "AuthorizationFailure"),
        (STORAGE, "networkAcls", f"{env['VIBEDATA_TABLE_ENDPOINT']}/Tables", "AuthorizationFailure"),
        (VAULT, "networkAcls", f"{env['VIBEDATA_KEY_VAULT_ENDPOINT']}/secrets", "ForbiddenByConnection"),
        (REGISTRY, "networkRuleSet", f"https://{env['VIBEDATA_CUSTOMER_REGISTRY']}/v2/", "aka.ms/acr/firewall"),
    )
    for path, rules, url, words in planes:
        before, _ = asked(url)
        sent = {name: value for name, value in closing.items() if name in ("publicNetworkAccess", rules)}
        assert change(lab, path, **sent).json()["properties"].items() >= sent.items()
        status, text = asked(url)
        assert (status, words in text) == (403, True), text
        opened = {"publicNetworkAccess": "Enabled", rules: {"defaultAction": "Allow"}}
        assert change(lab, path, **opened).ok
        status, text = asked(url)
        assert (status, words in text) == (before, False), text


def test_what_is_the_publishers_stays_open(lab: LabUnderTest) -> None:
    assert change(lab, STORAGE, publicNetworkAccess="Disabled").ok
    assert asked(lab.env["VIBEDATA_PUBLISHER_BLOB_ENDPOINT"])[0] != 403
    assert asked(lab.env["VIBEDATA_BLOB_ENDPOINT"])[0] == 403
    lab.reset()
    assert asked(lab.env["VIBEDATA_BLOB_ENDPOINT"])[0] != 403


def test_other_changes_are_refused(lab: LabUnderTest) -> None:
    for path in (STORAGE, VAULT, REGISTRY):
        assert code(change(lab, path, provisioningState="Failed")) == (400, "InvalidRequestContent")
    absent = f"{group(lab)}/providers/{VAULT.replace('vibedata-kv', 'other')}"
    assert code(send(lab, absent, "PUT", json={"properties": {}})) == (404, "ResourceNotFound")
    assert oci.identity_token(lab)
