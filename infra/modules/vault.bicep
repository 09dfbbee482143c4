// The Key Vault: the credentials of the instance, and the key that wraps them on their way.

param prefix string
param location string

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: '${prefix}-kv'
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    // The gateway takes certificates only from a vault whose content nobody can purge.
    enablePurgeProtection: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: 'Enabled'
  }
}

output id string = vault.id
output name string = vault.name
output endpoint string = vault.properties.vaultUri
