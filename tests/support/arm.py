"""Requests to the lab's Azure Resource Manager: plain ones, and those of the official client."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

import requests
from azure.identity import ManagedIdentityCredential
from azure.mgmt.resource.resources import ResourceManagementClient

from tests.support import kept_connections
from tests.support import oci_client as oci
from tests.support.running_lab import LabUnderTest

ClientT = TypeVar("ClientT", bound=AbstractContextManager[Any])

SCOPE = ["https://management.azure.com/.default"]
# What the runbooks themselves work with; test_managed_resources has the others.
VERSIONS = {
    "Microsoft.Automation/automationAccounts": "2024-10-23",
    "Microsoft.ContainerRegistry/registries": "2025-11-01",
    "Microsoft.Insights/dataCollectionRules": "2023-03-11",
    "Microsoft.KeyVault/vaults": "2023-07-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2023-01-31",
    "Microsoft.OperationalInsights/workspaces": "2023-09-01",
    "Microsoft.Storage/storageAccounts": "2023-05-01",
}


def group(lab: LabUnderTest) -> str:
    return f"/subscriptions/{lab.env['VIBEDATA_SUBSCRIPTION_ID']}/resourceGroups/{lab.env['VIBEDATA_RESOURCE_GROUP']}"


def send(
    lab: LabUnderTest, path: str, method: str = "GET", *, token: str | None = None, **sent: object
) -> requests.Response:
    headers = {"Authorization": f"Bearer {token or oci.identity_token(lab)}"}
    url = lab.env["VIBEDATA_ARM_ENDPOINT"] + path
    return kept_connections.request(method, url, headers=headers, verify=lab.env["REQUESTS_CA_BUNDLE"], **sent)


def code(answer: requests.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["message"]
    return answer.status_code, error["code"]


@contextmanager
def client(lab: LabUnderTest, of: Callable[..., ClientT]) -> Iterator[ClientT]:
    """Give an official client of the customer's subscription, as the identity of the runbooks. of: its class."""
    with ExitStack() as opened:
        identity = ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"])
        made = of(
            opened.enter_context(identity),
            lab.env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=SCOPE,
        )
        opened.enter_context(made)
        yield made


def resources(lab: LabUnderTest) -> AbstractContextManager[ResourceManagementClient]:
    return client(lab, ResourceManagementClient)


def scope_map(lab: LabUnderTest, method: str, body: object = None) -> requests.Response:
    """Ask for the scope map of the publisher's repository-scoped tokens."""
    names = lab.control("GET", "/names")
    path = (
        f"/subscriptions/{names['publisher_subscription_id']}/resourceGroups/{names['publisher_resource_group']}"
        f"/providers/Microsoft.ContainerRegistry/registries/{names['publisher_registry']}/scopeMaps/vibedata-releases"
    )
    return send(lab, f"{path}?api-version={VERSIONS['Microsoft.ContainerRegistry/registries']}", method, json=body)
