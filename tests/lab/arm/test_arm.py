"""ARM's authentication, api-versions, throttling and listing, with azure-mgmt-resource and with plain requests."""

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.containerregistry import ContainerRegistryManagementClient

from tests.support import oci_client as oci
from tests.support.arm import SCOPE, VERSIONS, code, group, resources, send
from tests.support.running_lab import LabUnderTest

LISTING = "/resources?api-version=2021-04-01"


def test_official_client_lists_every_resource_over_several_pages(lab: LabUnderTest) -> None:
    with resources(lab) as client:
        lab.control("POST", "/resources", {"page_size": 20})
        found = list(client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"]))
        assert {one.type for one in found} > set(VERSIONS)
        assert all(one.id and one.id.startswith(group(lab)) and one.location for one in found)
        pages = [one for one in lab.journal(service="arm") if "/resources?" in one["path"]]
        assert len(pages) > 1
        by_ones = list(client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"], top=1))
        assert [one.id for one in by_ones] == [one.id for one in found]
        vaults = client.resources.list(filter="resourceType eq 'microsoft.keyvault/vaults'", expand="provisioningState")
        assert [one.name for one in vaults] == ["vibedata-kv"]
        assert client.resource_groups.get(lab.env["VIBEDATA_RESOURCE_GROUP"]).id == group(lab)


def test_official_client_gets_each_listed_resource_by_its_id(lab: LabUnderTest) -> None:
    with resources(lab) as client:
        listed = [one for one in client.resources.list() if one.type in VERSIONS]
        assert {one.type for one in listed} == set(VERSIONS)
        for one in listed:
            got = client.resources.get_by_id(str(one.id), api_version=VERSIONS[str(one.type)])
            # A provider may spell its type in another way than the listing: Automation has capitals.
            assert (got.id, str(got.type).lower(), bool(got.properties)) == (one.id, str(one.type).lower(), True)
        missing = f"{group(lab)}/providers/Microsoft.KeyVault/vaults/other"
        with pytest.raises(ResourceNotFoundError):
            client.resources.get_by_id(missing, api_version="2023-07-01")


def test_official_client_reads_the_container_registry(lab: LabUnderTest) -> None:
    with (
        ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential,
        ContainerRegistryManagementClient(
            credential,
            lab.env["VIBEDATA_SUBSCRIPTION_ID"],
            base_url=lab.env["VIBEDATA_ARM_ENDPOINT"],
            credential_scopes=SCOPE,
        ) as client,
    ):
        registry = client.registries.get(lab.env["VIBEDATA_RESOURCE_GROUP"], "vibedataacr")
    assert registry.login_server == lab.env["VIBEDATA_CUSTOMER_REGISTRY"]


def test_names_are_compared_without_case(lab: LabUnderTest) -> None:
    path = f"{group(lab)}/providers/microsoft.keyvault/VAULTS/Vibedata-KV?api-version=2023-07-01"
    answer = send(lab, path.replace("resourceGroups", "resourcegroups"))
    assert answer.json()["name"] == "vibedata-kv"


def test_what_is_not_there_is_refused_as_arm_does(lab: LabUnderTest) -> None:
    here = group(lab)
    other_subscription = here.replace(lab.env["VIBEDATA_SUBSCRIPTION_ID"], "00000000-0000-0000-0000-000000000001")
    other_group = f"{here}-other"
    vault = "providers/Microsoft.KeyVault/vaults"
    cases = {
        f"{here}/resources": (400, "MissingApiVersionParameter"),
        f"{here}/resources?api-version=yesterday": (400, "InvalidApiVersionParameter"),
        f"{here}/resources?api-version=2030-01-01": (400, "InvalidApiVersionParameter"),
        f"{here}/{vault}/vibedata-kv?api-version=2030-01-01": (400, "NoRegisteredProviderFound"),
        f"{here}/{vault}/other?api-version=2023-07-01": (404, "ResourceNotFound"),
        f"{here}/{vault}/vibedata-kv/things/x?api-version=2023-07-01": (404, "InvalidResourceType"),
        f"{here}/providers/Microsoft.Nothing/x/y?api-version=2023-07-01": (404, "InvalidResourceNamespace"),
        f"{other_group}{LISTING}": (404, "ResourceGroupNotFound"),
        f"{other_subscription}{LISTING}": (404, "SubscriptionNotFound"),
        f"{here}{LISTING}&$filter=tagName eq 'x'": (400, "InvalidFilterInQueryString"),
        f"{here}{LISTING}&$top=0": (400, "InvalidTopInQueryString"),
        f"{here}{LISTING}&$skiptoken=%C3%A4": (400, "InvalidSkipToken"),
        f"{here}{LISTING}&$orderby=name": (400, "InvalidQueryParameter"),
        f"{here}{LISTING}&$expand=everything": (400, "InvalidExpandInQueryString"),
    }
    for path, expected in cases.items():
        answer = send(lab, path)
        assert code(answer) == expected, path
        assert answer.headers["x-ms-request-id"]
    assert send(lab, "/nothing?api-version=2021-04-01").status_code == 404
    put = send(lab, f"{here}/{vault}/vibedata-kv?api-version=2023-07-01", "DELETE")
    assert code(put) == (405, "MethodNotAllowed")


def test_only_tokens_for_arm_are_taken(lab: LabUnderTest) -> None:
    path = f"{group(lab)}{LISTING}"
    bare = requests.get(lab.env["VIBEDATA_ARM_ENDPOINT"] + path, timeout=60)
    assert code(bare) == (401, "AuthenticationFailed")
    assert bare.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
    for resource in ("https://management.azure.com", "https://management.core.windows.net/"):
        assert send(lab, path, token=oci.identity_token(lab, resource)).status_code == 200
    storage = oci.identity_token(lab, "https://storage.azure.com")
    assert code(send(lab, path, token=storage)) == (401, "InvalidAuthenticationTokenAudience")
    assert code(send(lab, path, token="not.a.token")) == (401, "InvalidAuthenticationToken")
    token = oci.identity_token(lab)
    lab.control("POST", "/clock", {"advance_seconds": 2 * 24 * 3600})
    assert code(send(lab, path, token=token)) == (401, "ExpiredAuthenticationToken")


def test_requests_beyond_the_bucket_are_throttled_until_it_refills(lab: LabUnderTest) -> None:
    token, path = oci.identity_token(lab), f"{group(lab)}?api-version=2021-04-01"
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        url = lab.env["VIBEDATA_ARM_ENDPOINT"] + path
        first = session.put(url, timeout=60)
        assert int(first.headers["x-ms-ratelimit-remaining-subscription-writes"]) == 199
        # 10 are refilled in a second. A client that sends faster empties the bucket.
        answers = (session.put(url, timeout=60) for _ in range(5000))
        throttled = next(answer for answer in answers if answer.status_code == 429)
        assert code(throttled) == (429, "SubscriptionRequestsThrottled")
        assert int(throttled.headers["Retry-After"]) >= 1
        # Reads have a separate bucket.
        read = session.get(url, timeout=60)
        assert int(read.headers["x-ms-ratelimit-remaining-subscription-reads"]) == 249
        lab.control("POST", "/clock", {"advance_seconds": int(throttled.headers["Retry-After"])})
        assert session.put(url, timeout=60).status_code != 429


def test_correlation_id_of_the_client_comes_back(lab: LabUnderTest) -> None:
    headers = {
        "Authorization": f"Bearer {oci.identity_token(lab)}",
        "x-ms-correlation-request-id": "0b6a1c3e-8a6b-4b0e-9a57-9a8cf6a5d111",
    }
    answer = requests.get(lab.env["VIBEDATA_ARM_ENDPOINT"] + group(lab) + LISTING, headers=headers, timeout=60)
    assert answer.headers["x-ms-correlation-request-id"] == headers["x-ms-correlation-request-id"]


def test_official_client_reports_an_injected_error_of_arm(lab: LabUnderTest) -> None:
    lab.fault("status", status=403, match={"service": "arm", "path": "/resources"})
    with resources(lab) as client, pytest.raises(HttpResponseError) as raised:
        list(client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"]))
    assert raised.value.error is not None
    assert raised.value.error.code == "AuthorizationFailed"
