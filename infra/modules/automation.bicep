// The Automation account in which the runbooks run, and the settings that they read. The runbooks make the
// schedules, because Azure refuses to deploy the same link of a schedule twice.

param prefix string
param location string
param identityId string
param settings object

// A variable holds JSON. So the settings are a JSON text in it, with quotes and escapes.
var listed = string([string(settings)])

resource account 'Microsoft.Automation/automationAccounts@2024-10-23' = {
  name: '${prefix}-automation'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    sku: {
      name: 'Basic'
    }
    disableLocalAuth: true
    publicNetworkAccess: true
  }
}

resource variable 'Microsoft.Automation/automationAccounts/variables@2024-10-23' = {
  parent: account
  name: 'vibedata-settings'
  properties: {
    description: 'The names and addresses of this instance. It holds no secret.'
    isEncrypted: false
    value: substring(listed, 1, length(listed) - 2)
  }
}

output id string = account.id
output name string = account.name
