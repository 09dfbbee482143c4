"""The gateway, its firewall policy and its address in ARM, read and written with azure-mgmt-network."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.mgmt.network.models import ApplicationGateway, WebApplicationFirewallPolicy

from lab.application_gateway import firewall, gateway
from tests.support.application_gateway import ADDRESS, GATEWAY, POLICY, network_client, under
from tests.support.arm import code, group, send
from tests.support.running_lab import LabUnderTest
from tests.support.template import INFRA, deployed

VERSION = "2025-09-01"
# GET shows these members, and a template does not have them.
ADDED = {"id", "etag", "type", "provisioningState", "operationalState", "resourceState", "applicationGateways"} | {
    "transforms",
    "state",
}


def managed(lab: LabUnderTest) -> str:
    return lab.env["VIBEDATA_RESOURCE_GROUP"]


def path(lab: LabUnderTest, kind: str = "applicationGateways", name: str = GATEWAY) -> str:
    return f"{group(lab)}/providers/Microsoft.Network/{kind}/{name}?api-version={VERSION}"


def detail(error: HttpResponseError) -> tuple[int | None, str, str]:
    """Return status, code and the code of the first detail."""
    assert error.error is not None
    details = error.error.details or []
    return error.status_code, str(error.error.code), str(details[0].code) if details else ""


def test_official_client_reads_what_the_template_makes(lab: LabUnderTest) -> None:
    with network_client(lab) as client:
        gateway = client.application_gateways.get(managed(lab), GATEWAY)
        policy = client.web_application_firewall_policies.get(managed(lab), POLICY)
        address = client.public_ip_addresses.get(managed(lab), ADDRESS)
        assert [one.name for one in client.application_gateways.list(managed(lab))] == [GATEWAY]
    assert gateway.properties is not None and policy.properties is not None and address.properties is not None
    assert (gateway.properties.provisioning_state, gateway.properties.operational_state) == ("Succeeded", "Running")
    (certificate,) = gateway.properties.ssl_certificates or []
    assert certificate.properties is not None
    assert (
        certificate.properties.key_vault_secret_id
        == f"{lab.env['VIBEDATA_KEY_VAULT_ENDPOINT']}/secrets/tls-certificate"
    )
    assert certificate.etag == gateway.etag
    assert gateway.properties.firewall_policy is not None
    assert gateway.properties.firewall_policy.id == policy.id
    (rule,) = policy.properties.custom_rules or []
    assert [len(one.match_values) for one in rule.match_conditions] == [2, 1]
    assert address.properties.ip_address == "203.0.113.40"


def _shape(value: Any) -> Any:
    """Return only the names in a value, without the members that a service adds."""
    if isinstance(value, Mapping):
        return {name: _shape(one) for name, one in value.items() if name not in ADDED}
    return [_shape(one) for one in value] if isinstance(value, list) else ...


@pytest.mark.parametrize("kind", ["applicationGateways", "ApplicationGatewayWebApplicationFirewallPolicies"])
def test_the_lab_has_what_the_template_makes(lab: LabUnderTest, kind: str) -> None:
    (made,) = deployed().of_type(f"Microsoft.Network/{kind}")
    shown = send(lab, path(lab, kind, GATEWAY if kind == "applicationGateways" else POLICY)).json()
    wanted = _shape(made.body["properties"])
    found = _shape(shown["properties"])
    for rule in (*wanted.get("customRules", []), *found.get("customRules", [])):
        for condition in rule["matchConditions"]:
            condition["matchValues"] = ...
    assert found == wanted


def test_the_lab_knows_only_properties_that_azure_has() -> None:
    schema = json.loads((INFRA / "types" / "Microsoft.Network.applicationGateways.json").read_text())["schema"]
    known = schema["properties"]["properties"]["properties"]
    assert {*gateway.VALUES, *gateway.READ_ONLY} <= set(known)
    for kind, names in gateway.PARTS.items():
        assert names <= set(known[kind]["items"]["properties"]["properties"]["properties"]), kind
    file = INFRA / "types" / "Microsoft.Network.ApplicationGatewayWebApplicationFirewallPolicies.json"
    known = json.loads(file.read_text())["schema"]["properties"]["properties"]["properties"]
    assert set(known) >= firewall.VALUES | firewall.READ_ONLY
    rule = known["customRules"]["items"]["properties"]
    assert set(rule) >= firewall.RULE_FIELDS
    assert set(rule["matchConditions"]["items"]["properties"]) >= firewall.CONDITION_FIELDS


def test_a_put_replaces_the_whole_gateway_and_takes_time(lab: LabUnderTest) -> None:
    lab.control("POST", "/latency", {"operation": "putApplicationGateway", "seconds": 0.5}, status=201)
    with network_client(lab) as client:
        before = client.application_gateways.get(managed(lab), GATEWAY)
        wanted = before.as_dict()
        wanted["tags"] = {"owner": "network team"}
        wanted["properties"]["sku"]["capacity"] = 3
        poller = client.application_gateways.begin_create_or_update(
            managed(lab), GATEWAY, ApplicationGateway(wanted), **under(str(before.etag))
        )
        meanwhile = client.application_gateways.get(managed(lab), GATEWAY)
        assert meanwhile.properties is not None
        assert (meanwhile.properties.provisioning_state, meanwhile.tags) == ("Updating", {"owner": "network team"})
        done = poller.result()
        assert done.properties is not None and done.properties.sku is not None
        assert (done.properties.provisioning_state, done.properties.sku.capacity) == ("Succeeded", 3)
        assert len({before.etag, meanwhile.etag, done.etag}) == 3

        bare = done.as_dict()
        del bare["tags"]
        assert (
            client.application_gateways.begin_create_or_update(managed(lab), GATEWAY, ApplicationGateway(bare))
            .result()
            .tags
            == {}
        )
    lab.reset()
    shown = send(lab, path(lab)).json()
    assert shown["properties"]["sku"]["capacity"] == 2


def test_a_put_under_an_old_etag_changes_nothing(lab: LabUnderTest) -> None:
    with network_client(lab) as client:
        before = client.application_gateways.get(managed(lab), GATEWAY)
        client.application_gateways.update_tags(managed(lab), GATEWAY, {"tags": {"owner": "network team"}})
        with pytest.raises((HttpResponseError, ResourceModifiedError)) as raised:
            client.application_gateways.begin_create_or_update(managed(lab), GATEWAY, before, **under(str(before.etag)))
        assert detail(raised.value) == (412, "PreconditionFailed", "PreconditionFailedEtagMismatch")
        assert client.application_gateways.get(managed(lab), GATEWAY).tags == {"owner": "network team"}
    wrong = send(lab, path(lab), "PUT", json=before.as_dict())
    assert wrong.status_code == 200  # without If-Match the last writer wins


@pytest.mark.parametrize("second", ["put", "tags"])
def test_a_second_write_ends_the_put_under_way(lab: LabUnderTest, second: str) -> None:
    lab.control("POST", "/latency", {"operation": "putApplicationGateway", "seconds": 1}, status=201)
    with network_client(lab) as client:
        before = client.application_gateways.get(managed(lab), GATEWAY)
        first = client.application_gateways.begin_create_or_update(managed(lab), GATEWAY, before)
        if second == "put":
            wanted = before.as_dict()
            wanted["tags"] = {"owner": "second"}
            client.application_gateways.begin_create_or_update(
                managed(lab), GATEWAY, ApplicationGateway(wanted)
            ).result()
        else:
            client.application_gateways.update_tags(managed(lab), GATEWAY, {"tags": {"owner": "second"}})
        with pytest.raises(HttpResponseError) as raised:
            first.result()
        assert raised.value.error is not None
        assert raised.value.error.code == "Canceled"
        (why,) = raised.value.error.details or []
        assert why.code == "CanceledAndSupersededDueToAnotherOperation"
        assert "PutApplicationGatewayOperation" in str(why.message)
        after = client.application_gateways.get(managed(lab), GATEWAY)
        assert after.properties is not None
        assert (after.properties.provisioning_state, after.tags) == ("Succeeded", {"owner": "second"})


def test_a_put_starts_a_stopped_gateway(lab: LabUnderTest) -> None:
    with network_client(lab) as client:
        client.application_gateways.begin_stop(managed(lab), GATEWAY).result()
        stopped = client.application_gateways.get(managed(lab), GATEWAY)
        assert stopped.properties is not None and stopped.properties.operational_state == "Stopped"
        tagged = client.application_gateways.update_tags(managed(lab), GATEWAY, {"tags": {"a": "b"}})
        assert tagged.properties is not None and tagged.properties.operational_state == "Stopped"
        started = client.application_gateways.begin_create_or_update(managed(lab), GATEWAY, tagged).result()
        assert started.properties is not None and started.properties.operational_state == "Running"
        client.application_gateways.begin_stop(managed(lab), GATEWAY).result()
        client.application_gateways.begin_start(managed(lab), GATEWAY).result()
        again = client.application_gateways.get(managed(lab), GATEWAY)
        assert again.properties is not None and again.properties.operational_state == "Running"


def test_a_gateway_that_cannot_read_its_certificate_has_failed(lab: LabUnderTest) -> None:
    with network_client(lab) as client:
        wanted = client.application_gateways.get(managed(lab), GATEWAY).as_dict()
        wanted["properties"]["sslCertificates"][0]["properties"]["keyVaultSecretId"] += "-of-nobody"
        with pytest.raises(HttpResponseError) as raised:
            client.application_gateways.begin_create_or_update(
                managed(lab), GATEWAY, ApplicationGateway(wanted)
            ).result()
        assert raised.value.error is not None
        assert raised.value.error.code == "ApplicationGatewayKeyVaultSecretException"
        (why,) = raised.value.error.details or []
        assert why.code == "SecretDeletedFromKeyVault"
        failed = client.application_gateways.get(managed(lab), GATEWAY)
        assert failed.properties is not None and failed.properties.provisioning_state == "Failed"


def _secret(value: str) -> dict[str, Any]:
    return {"name": "listener", "properties": {"keyVaultSecretId": value}}


REFUSED_GATEWAYS: dict[str, tuple[Any, str]] = {
    "the id of a certificate": (
        lambda body: body["properties"].update(sslCertificates=[_secret("https://v.example/certificates/tls")]),
        "ApplicationGatewayKeyVaultSecretIdInvalid",
    ),
    "no certificate under the listener's name": (
        lambda body: body["properties"].update(sslCertificates=[]),
        "InvalidResourceReference",
    ),
    "no identity": (lambda body: body.pop("identity"), "MissingIdentityIds"),
    "no listener": (lambda body: body["properties"].update(httpListeners=[]), "InvalidRequestContent"),
    "an unknown property": (lambda body: body["properties"].update(sslCertificate=[]), "InvalidRequestContent"),
    "an unknown property of a part": (
        lambda body: body["properties"]["frontendPorts"][0]["properties"].update(ports=1),
        "InvalidRequestContent",
    ),
    "two parts of one name": (
        lambda body: body["properties"]["frontendPorts"].append(body["properties"]["frontendPorts"][0]),
        "InvalidRequestContent",
    ),
    "no location": (lambda body: body.pop("location"), "LocationRequired"),
    "another location": (lambda body: body.update(location="northeurope"), "InvalidResourceLocation"),
}


@pytest.mark.parametrize("case", REFUSED_GATEWAYS)
def test_an_impossible_gateway_is_refused(lab: LabUnderTest, case: str) -> None:
    change, expected = REFUSED_GATEWAYS[case]
    before = send(lab, path(lab)).json()
    body = send(lab, path(lab)).json()
    change(body)
    answer = send(lab, path(lab), "PUT", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, expected)
    assert send(lab, path(lab)).json() == before


def test_a_writer_needs_rights_at_the_resources_that_the_gateway_uses(lab: LabUnderTest) -> None:
    names = lab.control("GET", "/names")
    role, assignment = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
    below = f"{group(lab)}/providers/Microsoft.Authorization"

    def assign(actions: list[str]) -> None:
        granted = {"roleName": "Gateway", "type": "CustomRole", "permissions": [{"actions": actions}]}
        where = f"{below}/roleDefinitions/{role}"
        made = send(lab, f"{where}?api-version=2022-04-01", "PUT", json={"properties": granted})
        assert made.status_code == 201, made.text
        properties = {"roleDefinitionId": where, "principalId": names["uami_principal_id"]}
        properties |= {"principalType": "ServicePrincipal"}
        where = f"{below}/roleAssignments/{assignment}?api-version=2022-04-01"
        assert send(lab, where, "PUT", json={"properties": properties}).status_code in (200, 201, 409)

    # The deployment has assigned these roles at the gateway and at the resources that it uses.
    listed = send(lab, f"{below}/roleAssignments?api-version=2022-04-01").json()["value"]
    for one in listed:
        if (
            "/Microsoft.Network/" in one["properties"]["scope"]
            or "/Microsoft.ManagedIdentity/" in one["properties"]["scope"]
        ):
            assert send(lab, f"{one['id']}?api-version=2022-04-01", "DELETE").status_code == 200
    body = send(lab, path(lab)).json()
    assign(["Microsoft.Network/applicationGateways/write"])
    lab.control("POST", "/authorization", {"judged": "everybody"})
    refused = send(lab, path(lab), "PUT", json=body)
    assert code(refused) == (403, "LinkedAuthorizationFailed")
    joined = ("virtualNetworks/subnets", "publicIPAddresses", "ApplicationGatewayWebApplicationFirewallPolicies")
    assert all(f"Microsoft.Network/{kind}/join/action" in refused.text for kind in joined)
    assert "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action" in refused.text

    lab.control("POST", "/authorization", {"judged": "nobody"})
    assign(["Microsoft.Network/*", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"])
    lab.control("POST", "/authorization", {"judged": "everybody"})
    accepted = send(lab, path(lab), "PUT", json=body)
    assert accepted.status_code == 200
    status = accepted.headers["Azure-AsyncOperation"].removeprefix(lab.env["VIBEDATA_ARM_ENDPOINT"])
    # Everybody who knows the address of an operation may ask, even without a role at the subscription.
    assert send(lab, status).status_code == 200


def test_official_client_changes_the_firewall_policy_under_its_etag(lab: LabUnderTest) -> None:
    with network_client(lab) as client:
        before = client.web_application_firewall_policies.get(managed(lab), POLICY)
        wanted = before.as_dict()
        conditions = wanted["properties"]["customRules"][0]["matchConditions"]
        conditions[0]["matchValues"] = [f"10.{number // 250}.{number % 250}.0/24" for number in range(600)]
        done = client.web_application_firewall_policies.create_or_update(
            managed(lab), POLICY, WebApplicationFirewallPolicy(wanted), **under(str(before.etag))
        )
        assert done.properties is not None and done.etag != before.etag
        (rule,) = done.properties.custom_rules or []
        assert [len(one.match_values) for one in rule.match_conditions] == [600, 1]
        with pytest.raises(HttpResponseError) as raised:
            client.web_application_firewall_policies.create_or_update(
                managed(lab), POLICY, WebApplicationFirewallPolicy(wanted), **under(str(before.etag))
            )
        assert raised.value.status_code == 412

        conditions[0]["matchValues"].append("192.0.2.1")
        with pytest.raises(HttpResponseError) as raised:
            client.web_application_firewall_policies.create_or_update(
                managed(lab), POLICY, WebApplicationFirewallPolicy(wanted)
            )
        assert detail(raised.value)[:2] == (400, "ApplicationGatewayFirewallMatchValuesLimit")
        with pytest.raises(ResourceNotFoundError):
            client.web_application_firewall_policies.get(managed(lab), "nobody")


def test_a_firewall_policy_s_change_can_fail_after_its_answer(lab: LabUnderTest) -> None:
    with network_client(lab) as client:
        policies = client.web_application_firewall_policies

        def written() -> tuple[object, object]:
            """Write the policy, and return its state in the answer and after it."""
            answer = policies.create_or_update(managed(lab), POLICY, policies.get(managed(lab), POLICY))
            shown = policies.get(managed(lab), POLICY)
            assert answer.properties is not None and shown.properties is not None
            return answer.properties.provisioning_state, shown.properties.provisioning_state

        lab.control("POST", "/firewall", {"fails": 1})
        assert written() == ("Updating", "Failed")
        assert written() == ("Succeeded", "Succeeded")
        lab.control("POST", "/firewall", {"fails": "often"}, status=400)
        lab.control("POST", "/firewall", {"fails": 1})
        lab.control("POST", "/reset")
        assert written() == ("Succeeded", "Succeeded")


REFUSED_RULES: dict[str, dict[str, Any]] = {
    "no address": {"matchValues": []},
    "a malformed address": {"matchValues": ["89.19.182.48/32."]},
    "another variable": {"matchVariables": [{"variableName": "RequestUri"}]},
    "another operator": {"operator": "Contains"},
    "an unknown property": {"negationCondition": True},
}


@pytest.mark.parametrize("case", REFUSED_RULES)
def test_a_rule_that_the_lab_does_not_know_is_refused(lab: LabUnderTest, case: str) -> None:
    where = path(lab, "ApplicationGatewayWebApplicationFirewallPolicies", POLICY)
    before = send(lab, where).json()
    body = send(lab, where).json()
    body["properties"]["customRules"][0]["matchConditions"][0].update(REFUSED_RULES[case])
    assert send(lab, where, "PUT", json=body).status_code == 400
    assert send(lab, where).json() == before
