// The rights of vibedata-uami. `python -m scripts.pages.role_assignments` writes this file from the runbooks'
// declarations (Runbook.permissions). docs/permissions.md says which runbook needs which role, and why.

param identityId string
param principalId string
param crossTenant bool
param gatewayName string
param firewallName string
param networkName string
param addressName string

resource gateway 'Microsoft.Network/applicationGateways@2025-09-01' existing = {
  name: gatewayName
}

resource firewall 'Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies@2025-09-01' existing = {
  name: firewallName
}

resource network 'Microsoft.Network/virtualNetworks@2025-09-01' existing = {
  name: networkName
}

resource address 'Microsoft.Network/publicIPAddresses@2025-09-01' existing = {
  name: addressName
}

resource gatewayNetworkContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(gateway.id, identityId, '4d97b98b-1d4f-4787-a291-c67834d212e7')
  scope: gateway
  properties: {
    // Network Contributor
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4d97b98b-1d4f-4787-a291-c67834d212e7')
    principalId: principalId
    principalType: 'ServicePrincipal'
    delegatedManagedIdentityResourceId: crossTenant ? identityId : null
  }
}

resource firewallNetworkContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(firewall.id, identityId, '4d97b98b-1d4f-4787-a291-c67834d212e7')
  scope: firewall
  properties: {
    // Network Contributor
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4d97b98b-1d4f-4787-a291-c67834d212e7')
    principalId: principalId
    principalType: 'ServicePrincipal'
    delegatedManagedIdentityResourceId: crossTenant ? identityId : null
  }
}

resource addressNetworkContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(address.id, identityId, '4d97b98b-1d4f-4787-a291-c67834d212e7')
  scope: address
  properties: {
    // Network Contributor
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4d97b98b-1d4f-4787-a291-c67834d212e7')
    principalId: principalId
    principalType: 'ServicePrincipal'
    delegatedManagedIdentityResourceId: crossTenant ? identityId : null
  }
}

resource networkNetworkContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(network.id, identityId, '4d97b98b-1d4f-4787-a291-c67834d212e7')
  scope: network
  properties: {
    // Network Contributor
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4d97b98b-1d4f-4787-a291-c67834d212e7')
    principalId: principalId
    principalType: 'ServicePrincipal'
    delegatedManagedIdentityResourceId: crossTenant ? identityId : null
  }
}
