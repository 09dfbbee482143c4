// The customer's container registry: images and artifacts of the installed release.

param prefix string
param location string

resource containerRegistry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: '${prefix}acr'
  location: location
  sku: {
    // Private endpoints take Premium.
    name: 'Premium'
  }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    networkRuleBypassOptions: 'AzureServices'
    publicNetworkAccess: 'Enabled'
    roleAssignmentMode: 'LegacyRegistryPermissions'
    zoneRedundancy: 'Disabled'
  }
}

output id string = containerRegistry.id
output name string = containerRegistry.name
output host string = containerRegistry.properties.loginServer
