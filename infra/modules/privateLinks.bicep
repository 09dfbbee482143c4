// Private endpoints, and the private DNS zones in which the network finds them.

param prefix string
param location string
param networkId string
param subnetId string
param storageAccountId string
param vaultId string
param containerRegistryId string
param automationAccountId string
param databaseId string

var links = [
  {
    name: 'blob'
    resourceId: storageAccountId
    group: 'blob'
    zone: 'privatelink.blob.${environment().suffixes.storage}'
  }
  {
    name: 'table'
    resourceId: storageAccountId
    group: 'table'
    zone: 'privatelink.table.${environment().suffixes.storage}'
  }
  {
    name: 'vault'
    resourceId: vaultId
    group: 'vault'
    zone: 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'
  }
  {
    name: 'acr'
    resourceId: containerRegistryId
    group: 'registry'
    zone: 'privatelink${environment().suffixes.acrLoginServer}'
  }
  {
    name: 'automation'
    resourceId: automationAccountId
    group: 'DSCAndHybridWorker'
    zone: 'privatelink.azure-automation.net'
  }
  {
    name: 'postgres'
    resourceId: databaseId
    group: 'postgresqlServer'
    zone: 'privatelink.postgres.database.azure.com'
  }
]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for link in links: {
  name: link.zone
  // A zone is in no region.
  location: 'global'
}]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (link, index) in links: {
  parent: zones[index]
  name: prefix
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-09-01' = [for link in links: {
  name: '${prefix}-${link.name}-endpoint'
  location: location
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: '${prefix}-${link.name}-endpoint'
        properties: {
          privateLinkServiceId: link.resourceId
          groupIds: [link.group]
        }
      }
    ]
  }
}]

// Azure writes the addresses of an endpoint into the zone that its group names.
resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-09-01' = [for (link, index) in links: {
  parent: endpoints[index]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: link.name
        properties: {
          privateDnsZoneId: zones[index].id
        }
      }
    ]
  }
}]
