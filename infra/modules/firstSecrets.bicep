// The first secrets in a new instance's vault: the first container registry token, and a placeholder for the real
// certificate. Both come from the publisher's public vault, so that no person has to enter them.

param vaultName string

@secure()
param publisherToken string

@secure()
param placeholderCertificate string

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

resource token 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = {
  parent: vault
  name: 'publisher-acr-token'
  properties: {
    contentType: 'application/json'
    value: publisherToken
  }
}

// The gateway does not start without a certificate. The real certificate has another name in the vault (vibedata-tls),
// and the runbook configure_gateway moves the listener to it.
resource certificate 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = {
  parent: vault
  name: 'tls-certificate'
  properties: {
    contentType: 'application/x-pkcs12'
    value: placeholderCertificate
  }
  // One write to a vault at a time: a second one ends in a conflict (Azure/bicep#4364).
  dependsOn: [
    token
  ]
}
