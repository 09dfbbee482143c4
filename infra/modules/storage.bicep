// The storage account: what is kept of releases, what waits for delivery, and the component registry's tables.

param prefix string
param location string
param writePolicy bool
param retentionDays int

// The first one keeps what is written there.
var manifestContainer = 'release-manifests'
var otherContainers = ['artifacts', 'operations-spool', 'callbacks-spool', 'locks']
var tables = ['Schema', 'Components', 'Resources', 'Policies', 'Releases', 'Credentials']

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' = {
  name: '${prefix}storage'
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_ZRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    // Everybody signs in with Entra: a key would open everything to whoever finds it.
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // A job in the cloud sandbox reaches no private endpoint, and is no trusted service.
    publicNetworkAccess: 'Enabled'
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2026-04-01' = {
  parent: account
  name: 'default'
}

resource manifests 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = {
  parent: blobs
  name: manifestContainer
  properties: {
    publicAccess: 'None'
  }
}

// The policy is the container's own: one of blob versions would let a newer version stand in for a blob.
resource policy 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2026-04-01' = if (writePolicy) {
  parent: manifests
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: retentionDays
    allowProtectedAppendWrites: false
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = [for name in otherContainers: {
  parent: blobs
  name: name
  properties: {
    publicAccess: 'None'
  }
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2026-04-01' = {
  parent: account
  name: 'default'
}

resource registryTables 'Microsoft.Storage/storageAccounts/tableServices/tables@2026-04-01' = [for name in tables: {
  parent: tableService
  name: name
}]

output id string = account.id
output name string = account.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output tableEndpoint string = account.properties.primaryEndpoints.table
