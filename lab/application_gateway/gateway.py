"""Check the PUT of a gateway, and make the resource from it. Pure.

Faithful: PUT replaces the whole resource; read-only values in it have no effect; the id of each part follows from its
name, and each part has the ETag of the whole resource; a reference to a missing part, or to an id that is no secret's,
is refused. The lab knows only the parts that the template has, and refuses all others. Not documented, so chosen here:
the codes for a refused secret id and for a missing part.

Sources: learn rest/api/application-gateway "create or update"; infra/types (property names); Azure/azure-cli#28835 (the
message about a secret id); MicrosoftDocs/azure-docs#33157 (MissingIdentityIds); the terraform provider's
`InvalidResourceReference`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.arm.requests import ArmRefusal, only_fields
from lab.arm.resources import Resource

TYPE = "Microsoft.Network/applicationGateways"
FIELDS = {"id", "name", "type", "etag", "location", "tags", "identity", "zones", "properties"}
READ_ONLY = {"provisioningState", "operationalState", "resourceGuid"}
VALUES = {"sku", "firewallPolicy", "sslPolicy", "enableHttp2"}
# The properties of the parts in each collection, without provisioningState.
PARTS: Mapping[str, frozenset[str]] = {
    "gatewayIPConfigurations": frozenset({"subnet"}),
    "frontendIPConfigurations": frozenset({"publicIPAddress", "privateIPAllocationMethod"}),
    "frontendPorts": frozenset({"port"}),
    "sslCertificates": frozenset({"keyVaultSecretId"}),
    "backendAddressPools": frozenset({"backendAddresses"}),
    "probes": frozenset(
        {
            "protocol",
            "host",
            "path",
            "interval",
            "timeout",
            "unhealthyThreshold",
            "minServers",
            "pickHostNameFromBackendHttpSettings",
            "match",
        }
    ),
    "backendHttpSettingsCollection": frozenset(
        {
            "port",
            "protocol",
            "cookieBasedAffinity",
            "hostName",
            "requestTimeout",
            "probe",
            "pickHostNameFromBackendAddress",
        }
    ),
    "httpListeners": frozenset(
        {
            "protocol",
            "frontendIPConfiguration",
            "frontendPort",
            "sslCertificate",
            "hostName",
            "hostNames",
            "requireServerNameIndication",
        }
    ),
    "redirectConfigurations": frozenset({"redirectType", "includePath", "includeQueryString", "targetListener"}),
    "requestRoutingRules": frozenset(
        {
            "ruleType",
            "priority",
            "httpListener",
            "backendAddressPool",
            "backendHttpSettings",
            "redirectConfiguration",
        }
    ),
}
# A gateway needs at least one part of each of these kinds.
MUST_HAVE = ("gatewayIPConfigurations", "frontendIPConfigurations", "frontendPorts", "httpListeners")
# The properties by which one part refers to another.
REFERENCES: Mapping[str, str] = {
    "frontendIPConfiguration": "frontendIPConfigurations",
    "frontendPort": "frontendPorts",
    "sslCertificate": "sslCertificates",
    "probe": "probes",
    "httpListener": "httpListeners",
    "targetListener": "httpListeners",
    "backendAddressPool": "backendAddressPools",
    "backendHttpSettings": "backendHttpSettingsCollection",
    "redirectConfiguration": "redirectConfigurations",
}
# The other resources that a gateway uses, with the right that the writer needs at each (learn application-gateway
# "configuration-infrastructure", "permissions"; AGIC's documentation for the identity).
JOINED: Mapping[str, str] = {
    "subnet": "Microsoft.Network/virtualNetworks/subnets/join/action",
    "publicIPAddress": "Microsoft.Network/publicIPAddresses/join/action",
    "firewallPolicy": "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/join/action",
}
ASSIGN = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
# `https://{vault}/secrets/{name}`, with a version or without.
SECRET_ID = re.compile(r"https://[^/]+/secrets/[0-9A-Za-z-]{1,127}(/[0-9A-Za-z]*)?")
REFUSED_ID = (
    "SecretId '{0}' specified in '{1}' is invalid. Reason: The specified Key Vault URI doesn't properly reference a "
    "secret. A valid Key Vault URI should be in the following format: https://{{keyvaultname}}.{{keyvaultdomain}}"
    "/secrets/{{secretname}}. A secret version may optionally be appended as well."
)


def replaced(found: Resource, body: Mapping[str, Any]) -> Resource:
    """Return the gateway that a PUT's body asks for in place of `found`; ArmRefusal 400 if it is invalid.

    It lacks what `stamped` adds.
    """
    if str(body.get("location", "")).lower() != str(found["location"]).lower():
        message = f"The location is '{body.get('location', '')}'; the gateway is in '{found['location']}'."
        raise ArmRefusal(400, "InvalidResourceLocation" if body.get("location") else "LocationRequired", message)
    sent = only_fields(body.get("properties"), {*READ_ONLY, *VALUES, *PARTS}, "'properties'")
    properties = {name: sent[name] for name in VALUES & set(sent)}
    properties |= {kind: [_part(kind, one) for one in sent.get(kind) or []] for kind in PARTS}
    identity = body.get("identity") or {}
    made: Resource = {
        **{name: value for name, value in found.items() if name not in ("identity", "zones")},
        "tags": dict(body.get("tags") or {}),
        **{name: body[name] for name in ("identity", "zones") if body.get(name)},
        "properties": properties,
    }
    _check(made, identity)
    return made


def stamped(gateway: Resource, *, etag: str, provisioning: str, operational: str) -> Resource:
    """Return a gateway as GET shows it. It and its parts have ids, states and the ETag."""
    properties = dict(gateway["properties"])
    for kind in PARTS:
        properties[kind] = [
            {
                "name": one["name"],
                "id": f"{gateway['id']}/{kind}/{one['name']}",
                "etag": etag,
                "type": f"{TYPE}/{kind}",
                "properties": {**one["properties"], "provisioningState": provisioning},
            }
            for one in properties.get(kind, [])
        ]
    states = {"provisioningState": provisioning, "operationalState": operational}
    return {**gateway, "etag": etag, "properties": {**properties, **states}}


def links(gateway: Resource) -> list[tuple[str, str]]:
    """Return the other resources at which the writer needs a right: the action, and the resource's id."""
    found = [(JOINED[name], str(target)) for name, target in _references(gateway) if name in JOINED]
    identities = (gateway.get("identity") or {}).get("userAssignedIdentities") or {}
    return [*found, *((ASSIGN, str(identity)) for identity in identities)]


def secret_ids(gateway: Resource) -> list[str]:
    """Return the ids of the secrets that hold its certificates."""
    return [one["properties"]["keyVaultSecretId"] for one in gateway["properties"].get("sslCertificates", [])]


def _part(kind: str, value: object) -> dict[str, Any]:
    one = only_fields(value, {"id", "name", "etag", "type", "properties"}, f"'{kind}'")
    if not isinstance(one.get("name"), str) or not one["name"]:
        raise _invalid(f"A part of '{kind}' has no name.")
    known = {*PARTS[kind], "provisioningState"}
    properties = only_fields(one.get("properties") or {}, known, f"'{kind}/{one['name']}'")
    kept = {name: value for name, value in properties.items() if name != "provisioningState" and value is not None}
    return {"name": one["name"], "properties": kept}


def _check(made: Resource, identity: Mapping[str, Any]) -> None:
    properties: Mapping[str, Any] = made["properties"]
    for kind in MUST_HAVE:
        if not properties[kind]:
            raise _invalid(f"An application gateway needs at least one of '{kind}'.")
    for kind in PARTS:
        names = [str(one["name"]).lower() for one in properties[kind]]
        if len(names) != len(set(names)):
            raise _invalid(f"Two parts of '{kind}' have the same name.")
    for name, target in _references(made):
        if name in REFERENCES and target.lower() not in _ids(made, REFERENCES[name]):
            message = f"Resource {target} referenced by resource {made['id']} was not found."
            more = (
                " Please make sure that the referenced resource exists, and that both resources are in the same region."
            )
            raise ArmRefusal(400, "InvalidResourceReference", message + more)
    for one in properties["sslCertificates"]:
        secret = one["properties"].get("keyVaultSecretId")
        where = f"{made['id']}/sslCertificates/{one['name']}"
        if not isinstance(secret, str) or SECRET_ID.fullmatch(secret) is None:
            raise ArmRefusal(400, "ApplicationGatewayKeyVaultSecretIdInvalid", REFUSED_ID.format(secret, where))
        if not identity.get("userAssignedIdentities"):
            message = "The identity ids must not be null or empty for 'UserAssigned' identity type."
            raise ArmRefusal(400, "MissingIdentityIds", message)


def _ids(gateway: Resource, kind: str) -> set[str]:
    return {f"{gateway['id']}/{kind}/{one['name']}".lower() for one in gateway["properties"][kind]}


def _references(gateway: Resource) -> Iterator[tuple[str, str]]:
    """Yield each reference to a part or to another resource: the property's name, and the id."""
    properties: Mapping[str, Any] = gateway["properties"]
    parts: Sequence[Mapping[str, Any]] = [one["properties"] for kind in PARTS for one in properties.get(kind, [])]
    for holder in (properties, *parts):
        for name, value in holder.items():
            if name in REFERENCES or name in JOINED:
                yield name, str(only_fields(value, {"id"}, f"'{name}'").get("id", ""))


def _invalid(message: str) -> ArmRefusal:
    return ArmRefusal(400, "InvalidRequestContent", message)
