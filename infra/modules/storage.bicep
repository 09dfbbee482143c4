// The storage account: the files of releases, the events and reports that wait, and the component registry's tables.

param prefix string
param location string
param writePolicy bool
param retentionDays int
param zoneRedundant bool

// The first container is immutable: blobs in it cannot be changed.
var manifestContainer = 'release-manifests'
var otherContainers = ['artifacts', 'operations-spool', 'callbacks-spool', 'locks']
var tables = ['Schema', 'Components', 'Resources', 'Policies', 'Releases', 'Credentials']

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' = {
  name: '${prefix}storage'
  location: location
  kind: 'StorageV2'
  sku: {
    name: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    // Everybody signs in with Entra, because a key would open everything to anybody who finds it.
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // A job in the cloud sandbox cannot reach a private endpoint, and is not a trusted service.
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

// The policy is at container level. With a policy for blob versions, a newer version could replace a blob.
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
