"""An Application Gateway and its firewall policy in ARM's form, for tests."""

from typing import Any

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/vibedata-managed"
GATEWAY_ID = f"{GROUP}/providers/Microsoft.Network/applicationGateways/vibedata-gateway"
POLICY_ID = f"{GROUP}/providers/Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/vibedata-gateway-waf"
PLACEHOLDER = "https://vibedata-kv.vault.azure.net/secrets/tls-certificate"


def gateway_resource(secret_id: str = PLACEHOLDER, **properties: Any) -> dict[str, Any]:
    """Return a gateway. Its second listener and its second certificate belong to somebody else."""
    return {
        "name": "vibedata-gateway",
        "id": GATEWAY_ID,
        "etag": 'W/"1"',
        "tags": {"owner": "operations"},
        "location": "westeurope",
        "properties": {
            "provisioningState": "Succeeded",
            "operationalState": "Running",
            "firewallPolicy": {"id": POLICY_ID},
            "sslCertificates": [
                {"name": "theirs", "properties": {"publicCertData": "MIIB"}},
                {"name": "listener", "properties": {"provisioningState": "Succeeded", "keyVaultSecretId": secret_id}},
            ],
            "httpListeners": [
                {"name": "theirs", "properties": {"sslCertificate": {"id": f"{GATEWAY_ID}/sslCertificates/theirs"}}},
                {"name": "https", "properties": {"sslCertificate": {"id": f"{GATEWAY_ID}/sslCertificates/listener"}}},
            ],
            **properties,
        },
    }


def policy_resource(*rules: Any) -> dict[str, Any]:
    """Return a firewall policy with these custom rules."""
    return {
        "name": "vibedata-gateway-waf",
        "id": POLICY_ID,
        "etag": 'W/"1"',
        "properties": {
            "provisioningState": "Succeeded",
            "policySettings": {"state": "Enabled", "mode": "Prevention"},
            "customRules": list(rules),
            "managedRules": {"managedRuleSets": [{"ruleSetType": "Microsoft_DefaultRuleSet", "ruleSetVersion": "2.1"}]},
        },
    }
