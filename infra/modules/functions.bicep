// The functions and the logic app, their plan, and their Application Insights.

param prefix string
param location string
param identityId string
param identityClientId string
param subnetId string
param storageAccountName string
param workspaceId string

var sites = [
  {
    name: '${prefix}-functions'
    kind: 'functionapp,linux'
    runtime: 'python'
    framework: 'Python|3.12'
  }
  {
    name: '${prefix}-workflows'
    kind: 'functionapp,workflowapp'
    runtime: 'node'
    framework: 'Node|22'
  }
]

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${prefix}-insights'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    IngestionMode: 'LogAnalytics'
    RetentionInDays: 90
    WorkspaceResourceId: workspaceId
  }
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: '${prefix}-plan'
  location: location
  kind: 'elastic'
  sku: {
    name: 'WS1'
    tier: 'WorkflowStandard'
    size: 'WS1'
    family: 'WS'
    capacity: 1
  }
  properties: {
    reserved: true
  }
}

resource hosts 'Microsoft.Web/sites@2025-03-01' = [for site in sites: {
  name: site.name
  location: location
  kind: site.kind
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: subnetId
    siteConfig: {
      linuxFxVersion: site.framework
      minTlsVersion: '1.2'
      appSettings: [
        {
          name: 'FUNCTIONS_EXTENSION_VERSION'
          value: '~4'
        }
        {
          name: 'FUNCTIONS_WORKER_RUNTIME'
          value: site.runtime
        }
        // The host's own storage, without a key.
        {
          name: 'AzureWebJobsStorage__accountName'
          value: storageAccountName
        }
        {
          name: 'AzureWebJobsStorage__credential'
          value: 'managedidentity'
        }
        {
          name: 'AzureWebJobsStorage__clientId'
          value: identityClientId
        }
        {
          name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
          value: insights.properties.ConnectionString
        }
      ]
    }
  }
}]
