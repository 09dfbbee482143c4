"""The answers of ARM and Entra before a subscription is known, and the rule for unknown api-versions."""

import pytest
import requests

from lab.arm.types import known_version
from tests.support import oci_client as oci
from tests.support.arm import code, group, send
from tests.support.running_lab import LabUnderTest

TODAY = 1_795_824_000.0  # 2026-11-28
VERSION = "api-version=2022-12-01"


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("2025-11-01", True),
        ("2026-11-28", True),
        ("2026-11-29", False),
        ("2025-04-01", True),
        ("2025-10-31", False),
        ("2024-01-01", False),
        ("2026-09-01-preview", True),
        ("2026-10-01-preview", False),
        ("2025-11-01-preview", False),
    ],
)
def test_a_newer_version_is_taken_unless_it_is_a_preview_or_of_the_future(version: str, known: bool) -> None:
    served = ("2025-11-01", "2025-04-01", "2026-09-01-preview")
    assert known_version(version, served, now=TODAY) is known


def test_the_endpoints_need_no_token_and_name_the_lab(lab: LabUnderTest) -> None:
    arm = lab.env["VIBEDATA_ARM_ENDPOINT"]
    answer = requests.get(f"{arm}/metadata/endpoints?api-version=2022-09-01", timeout=60)
    assert answer.status_code == 200
    metadata = answer.json()
    assert metadata["resourceManager"] == arm + "/"
    login = metadata["authentication"]["loginEndpoint"]
    assert login.startswith("https://127.0.0.1:")
    assert metadata["logAnalyticsResourceId"] == lab.env["VIBEDATA_LOGS_QUERY_ENDPOINT"]
    assert all(suffix.endswith(".invalid") for suffix in metadata["suffixes"].values())
    missing = requests.get(f"{arm}/metadata/endpoints", timeout=60)
    assert code(missing) == (400, "MissingApiVersionParameter")
    for path in ("/subscriptions", "/tenants"):
        assert code(requests.get(f"{arm}{path}?{VERSION}", timeout=60)) == (401, "AuthenticationFailed")


def test_a_tenants_discovery_is_answered_for_every_tenant_and_its_tokens_for_one(lab: LabUnderTest) -> None:
    names = lab.control("GET", "/names")
    arm = lab.env["VIBEDATA_ARM_ENDPOINT"]
    login = requests.get(f"{arm}/metadata/endpoints?api-version=2022-09-01", timeout=60).json()["authentication"]
    for tenant, issuer in (("organizations", "{tenantid}"), (names["tenant_id"], names["tenant_id"])):
        address = f"{login['loginEndpoint']}/{tenant}/v2.0/.well-known/openid-configuration"
        configuration = requests.get(address, timeout=60).json()
        assert configuration["issuer"] == f"{login['loginEndpoint']}/{issuer}/v2.0"
        assert requests.get(configuration["jwks_uri"], timeout=60).json()["keys"]
        assert configuration["token_endpoint"] == f"{login['loginEndpoint']}/{tenant}/oauth2/v2.0/token"
    form = {
        "grant_type": "client_credentials",
        "client_id": names["operator_client_id"],
        "client_secret": names["operator_client_secret"],
        "scope": login["audiences"][0] + "/.default",
    }
    refused = requests.post(f"{login['loginEndpoint']}/organizations/oauth2/v2.0/token", data=form, timeout=60)
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    other = f"{login['loginEndpoint']}/elsewhere/v2.0/.well-known/openid-configuration"
    assert requests.get(other, timeout=60).status_code == 400
    given = requests.post(f"{login['loginEndpoint']}/{names['tenant_id']}/oauth2/v2.0/token", data=form, timeout=60)
    token = given.json()["access_token"]
    shown = send(lab, f"/subscriptions?{VERSION}", token=token).json()["value"]
    assert [one["subscriptionId"] for one in shown] == [names["subscription_id"], names["publisher_subscription_id"]]


def test_the_publishers_identity_sees_only_the_publishers_subscription(lab: LabUnderTest) -> None:
    names = lab.control("GET", "/names")
    answer = requests.get(
        lab.env["IDENTITY_ENDPOINT"],
        params={"resource": "https://management.azure.com", "client_id": names["publisher_client_id"]},
        headers={"X-IDENTITY-HEADER": lab.env["IDENTITY_HEADER"]},
        timeout=60,
    )
    shown = send(lab, f"/subscriptions?{VERSION}", token=answer.json()["access_token"]).json()["value"]
    assert [one["subscriptionId"] for one in shown] == [names["publisher_subscription_id"]]


def test_a_groups_existence_is_asked_with_head(lab: LabUnderTest) -> None:
    here = group(lab)
    assert send(lab, f"{here}?api-version=2024-11-01", "HEAD").status_code == 204
    assert send(lab, f"{here}-other?api-version=2024-11-01", "HEAD").status_code == 404
    assert code(send(lab, f"{here}?api-version=2024-11-01", "PUT")) == (405, "MethodNotAllowed")


def test_an_empty_segment_of_a_path_is_ignored(lab: LabUnderTest) -> None:
    listing = f"{group(lab)}/resources?api-version=2024-11-01"
    headers = {"Authorization": f"Bearer {oci.identity_token(lab)}"}
    address = f"{lab.env['VIBEDATA_ARM_ENDPOINT']}//{listing[1:]}"
    doubled = requests.get(address.replace("resources?", "/resources?"), headers=headers, timeout=60)
    assert doubled.json() == send(lab, listing).json()


def test_a_role_is_assigned_once(lab: LabUnderTest) -> None:
    here = f"{group(lab)}/providers/Microsoft.Authorization"
    role = f"{here}/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    body = {"properties": {"roleDefinitionId": role, "principalId": "f3d4e5a6-4444-4d7e-9fb0-3b324d5e6f07"}}
    first, second = (f"{here}/roleAssignments/00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
    version = "?api-version=2022-04-01"
    assert send(lab, first + version, "PUT", json=body).status_code == 201
    assert code(send(lab, second + version, "PUT", json=body)) == (409, "RoleAssignmentExists")
    assert send(lab, first + version).json()["properties"]["scope"] == group(lab)
    body["properties"]["nothing"] = "x"
    assert code(send(lab, second + version, "PUT", json=body)) == (400, "InvalidRequestContent")
    lab.reset()
    assert send(lab, first + version).status_code == 404
