// AI Foundry: the account with the agents' project. The template does not choose their model.

param prefix string
param location string

@description('Resource id of vibedata-uami.')
param identityId string

resource account 'Microsoft.CognitiveServices/accounts@2026-07-01' = {
  name: '${prefix}-foundry'
  location: location
  kind: 'AIServices'
  sku: {
    name: 'S0'
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    allowProjectManagement: true
    // The first part of its host. It must be unique in the whole of Azure. A project needs it.
    customSubDomainName: '${prefix}-foundry'
    // Everybody signs in with Entra, because a key would open everything to anybody who finds it.
    disableLocalAuth: true
    publicNetworkAccess: 'Enabled'
  }
}

resource project 'Microsoft.CognitiveServices/accounts/projects@2026-07-01' = {
  parent: account
  name: 'agents'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    displayName: 'Agents'
    description: 'What the agents of this instance use.'
  }
}
