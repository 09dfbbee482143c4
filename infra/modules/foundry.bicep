// AI Foundry: the account in which the agents' project lives. Which model they use is not the template's to say.

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
    // The first part of its host, which is unique in the whole of Azure. A project needs one.
    customSubDomainName: '${prefix}-foundry'
    // Everybody signs in with Entra: a key would open everything to whoever finds it.
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
