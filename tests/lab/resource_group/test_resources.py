"""The managed resource group's sixty resources and thousands more, with azure-mgmt-resource and plain requests."""

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.resource.resources import ResourceManagementClient

from tests.support import oci_client as oci
from tests.support.arm import code, group, resources, send
from tests.support.running_lab import LabUnderTest

APP = "Microsoft.App/containerApps"
HEALTH = "providers/Microsoft.ResourceHealth/availabilityStatuses"


def pages(lab: LabUnderTest) -> int:
    return len([one for one in lab.journal(service="arm") if "/resources?" in one["path"]])


def api_versions(client: ResourceManagementClient) -> dict[str, list[str]]:
    """Return the api-versions that the subscription serves, the newest first, by lower-cased type."""
    return {
        f"{provider.namespace}/{kind.resource_type}".lower(): list(kind.api_versions or ())
        for provider in client.providers.list()
        for kind in provider.resource_types or ()
    }


def test_every_resource_answers_by_its_id_with_each_of_its_api_versions(lab: LabUnderTest) -> None:
    with resources(lab) as client:
        found = list(client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"]))
        assert pages(lab) == 1
        assert len(found) >= 60
        versions = api_versions(client)
        assert len({one.id for one in found}) == len(found)
        for one in found:
            for version in versions[str(one.type).lower()]:
                got = client.resources.get_by_id(str(one.id), api_version=version)
                assert (got.id, got.name) == (one.id, str(one.name).rpartition("/")[2])
                # A provider may spell its type otherwise than the listing: Automation has capitals.
                assert str(got.type).lower() == str(one.type).lower()
                assert got.properties
            with pytest.raises(HttpResponseError) as raised:
                client.resources.get_by_id(str(one.id), api_version="2016-01-01")
            assert raised.value.error is not None
            assert raised.value.error.code == "NoRegisteredProviderFound"
        missing = f"{group(lab)}/providers/{APP}/nobody"
        with pytest.raises(ResourceNotFoundError):
            client.resources.get_by_id(missing, api_version="2025-01-01")


def test_the_ids_with_which_resources_name_each_other_exist(lab: LabUnderTest) -> None:
    with resources(lab) as client:
        found = client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"])
        listed = {str(one.id).lower(): one for one in found}
        versions = api_versions(client)
        texts: list[str] = []

        def collect(value: object) -> None:
            if isinstance(value, dict):
                for inner in value.values():
                    collect(inner)
            elif isinstance(value, list):
                for inner in value:
                    collect(inner)
            elif isinstance(value, str) and value.startswith("/subscriptions/"):
                texts.append(value)

        for one in listed.values():
            newest = versions[str(one.type).lower()][0]
            collect(client.resources.get_by_id(str(one.id), api_version=newest).properties)
    assert len(texts) > 50
    for text in texts:
        assert any(text.lower() == known or text.lower().startswith(known + "/") for known in listed), text


def test_a_container_app_names_its_address_image_and_version(lab: LabUnderTest) -> None:
    path = f"{group(lab)}/providers/{APP}/studio?api-version=2025-01-01"
    properties = send(lab, path).json()["properties"]
    fqdn = properties["configuration"]["ingress"]["fqdn"]
    assert requests.get(f"https://{fqdn}/healthz", timeout=60).json() == {"application": "studio", "status": "ok"}
    image = properties["template"]["containers"][0]["image"]
    assert image == f"{lab.env['VIBEDATA_CUSTOMER_REGISTRY']}/vibedata/studio:2026.11.0"
    lab.control("POST", "/resources", {"version": {"studio": "2026.10.0"}})
    image = send(lab, path).json()["properties"]["template"]["containers"][0]["image"]
    assert image.endswith("/vibedata/studio:2026.10.0")
    lab.reset()
    assert send(lab, path).json()["properties"] == properties


def test_page_size_of_the_control_api_makes_the_listing_continue(lab: LabUnderTest) -> None:
    with resources(lab) as client:
        whole = [one.id for one in client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"])]
        lab.control("POST", "/resources", {"page_size": 5})
        paged = [one.id for one in client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"])]
        assert paged == whole
        assert pages(lab) == 1 + -(-len(whole) // 5)
        lab.fault("status", status=500, match={"service": "arm", "path": "skiptoken", "nth": 3})
        again = [one.id for one in client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"])]
        assert again == whole


def test_resources_come_go_and_fail(lab: LabUnderTest) -> None:
    before = lab.control("GET", "/resources")["count"]
    gateway = f"{group(lab)}/providers/Microsoft.Network/applicationGateways/vibedata-gateway"
    lab.control("POST", "/resources", {"provisioningState": {"vibedata-gateway": "Failed"}})
    answer = send(lab, f"{gateway}?api-version=2024-07-01").json()
    assert answer["properties"]["provisioningState"] == "Failed"
    assert answer["properties"]["operationalState"] == "Running"
    studio = f"{group(lab)}/providers/{APP}/studio"
    removed = lab.control("POST", "/resources", {"delete": ["vibedata-gateway", studio, "studio"]})
    assert removed["count"] == before - 2
    assert code(send(lab, f"{gateway}?api-version=2024-07-01")) == (404, "ResourceNotFound")
    refused: tuple[object, ...] = (
        {"delete": ["nobody"]},
        {"count": 0},
        {"count": 5, "type": "Microsoft.X/y"},
        {"page_size": 1001},
        [],
        {},
    )
    for body in refused:
        lab.control("POST", "/resources", body, status=400)
    lab.control("POST", "/resources", {"provisioningState": {"nobody": "Failed"}}, status=400)
    lab.control("POST", "/resources", {"version": {"vibedata-gateway-ip": "1"}}, status=400)
    lab.control("POST", "/resources", {"availabilityState": {"studio": "Ill"}}, status=400)
    lab.reset()
    assert lab.control("GET", "/resources")["count"] == before


def test_ten_thousand_resources_are_listed_in_pages_of_a_thousand(lab: LabUnderTest) -> None:
    before = lab.control("GET", "/resources")["count"]
    seen = lab.control("POST", "/resources", {"count": 10_000})
    assert seen["count"] == before + 10_000
    assert sum(kind.startswith("Microsoft.") for kind in seen["types"]) == len(seen["types"])
    with resources(lab) as client:
        ids = {one.id for one in client.resources.list_by_resource_group(lab.env["VIBEDATA_RESOURCE_GROUP"])}
        assert len(ids) == before + 10_000
        assert pages(lab) == -(-len(ids) // 1000)
        one = f"{group(lab)}/providers/Microsoft.Compute/disks/synthetic-00002"
        assert client.resources.get_by_id(one, api_version="2024-03-02").name == "synthetic-00002"


def test_synthetic_container_apps_answer_at_an_applications_address(lab: LabUnderTest) -> None:
    body = {"count": 3, "type": APP, "prefix": "bench", "application": "metering"}
    lab.control("POST", "/resources", body)
    got = send(lab, f"{group(lab)}/providers/{APP}/bench-00003?api-version=2025-01-01").json()
    fqdn = got["properties"]["configuration"]["ingress"]["fqdn"]
    assert requests.get(f"https://{fqdn}/healthz", timeout=60).json()["application"] == "metering"


def test_resource_health_is_only_about_the_platform(lab: LabUnderTest) -> None:
    version = "api-version=2025-05-01"
    vault = f"{group(lab)}/providers/Microsoft.KeyVault/vaults/vibedata-kv"
    well = send(lab, f"{vault}/{HEALTH}/current?{version}").json()
    assert well["properties"]["availabilityState"] == "Available"
    assert well["id"] == f"{vault}/{HEALTH}/current"
    lab.control("POST", "/resources", {"availabilityState": {"vibedata-kv": "Degraded"}})
    ill = send(lab, f"{vault}/{HEALTH}/current?{version}").json()
    assert ill["properties"]["availabilityState"] == "Degraded"
    every = send(lab, f"{group(lab)}/{HEALTH}?{version}").json()["value"]
    states = {one["id"].partition("/providers/Microsoft.ResourceHealth")[0]: one for one in every}
    assert states[vault]["properties"]["availabilityState"] == "Degraded"
    assert not any(APP in one for one in states)
    cases = {
        f"{group(lab)}/providers/{APP}/studio/{HEALTH}/current?{version}": (422, "UnsupportedResourceType"),
        f"{vault}x/{HEALTH}/current?{version}": (404, "ResourceNotFound"),
        f"{vault}/{HEALTH}/current?api-version=2001-01-01": (400, "NoRegisteredProviderFound"),
        f"{vault}/{HEALTH}/other?{version}": (404, "InvalidResourceType"),
    }
    for path, expected in cases.items():
        assert code(send(lab, path)) == expected, path
    with resources(lab) as client:
        got = client.resources.get_by_id(f"{vault}/{HEALTH}/current", api_version="2022-10-01")
        assert (got.properties or {})["availabilityState"] == "Degraded"


def test_a_token_is_asked_for_first(lab: LabUnderTest) -> None:
    token = oci.identity_token(lab, "https://storage.azure.com")
    path = f"{group(lab)}/{HEALTH}?api-version=2025-05-01"
    assert code(send(lab, path, token=token)) == (401, "InvalidAuthenticationTokenAudience")
