// The Automation account in which the runbooks run, and the settings that they read. The runbooks make the
// schedules, because Azure refuses to deploy the same link of a schedule twice.

param prefix string
param location string
param identityId string
param settings object
param isFirst bool
param addressRanges object

// A variable holds JSON. So the settings are a JSON text in it, with quotes and escapes.
var listed = string([string(settings)])
var listedRanges = string([string(addressRanges)])

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

// The runbooks read it. `vibedata deploy` adds settings to it that the template does not know, such as public_host. So an
// update leaves it.
resource variable 'Microsoft.Automation/automationAccounts/variables@2024-10-23' = if (isFirst) {
  parent: account
  name: 'vibedata-settings'
  properties: {
    description: 'The names and addresses of this instance. It holds no secret.'
    isEncrypted: false
    value: substring(listed, 1, length(listed) - 2)
  }
}

// The runbook configure_gateway reads it. After the first deployment the publisher changes it, so an update leaves it.
resource ranges 'Microsoft.Automation/automationAccounts/variables@2024-10-23' = if (isFirst) {
  parent: account
  name: 'vibedata-address-ranges'
  properties: {
    description: 'The address ranges from which the customer and the publisher may reach this instance.'
    isEncrypted: false
    value: substring(listedRanges, 1, length(listedRanges) - 2)
  }
}

output id string = account.id
output name string = account.name
