// The functions and the logic app, their plan, and their Application Insights.

param prefix string
param location string
param identityId string
param identityClientId string
param identityPrincipalId string
param crossTenant bool
param subnetId string
param storageAccountName string
param workspaceId string

var sites = [
  {
    name: '${prefix}-functions'
    kind: 'functionapp,linux'
    framework: 'Python|3.12'
    settings: [
      {
        name: 'FUNCTIONS_WORKER_RUNTIME'
        value: 'python'
      }
    ]
  }
  {
    name: '${prefix}-workflows'
    kind: 'functionapp,workflowapp,linux'
    framework: 'Node|22'
    // What `az logicapp create` sets. Without these settings the site is an ordinary function app.
    settings: [
      {
        name: 'FUNCTIONS_WORKER_RUNTIME'
        value: 'node'
      }
      {
        name: 'APP_KIND'
        value: 'workflowApp'
      }
      {
        name: 'AzureFunctionsJobHost__extensionBundle__id'
        value: 'Microsoft.Azure.Functions.ExtensionBundle.Workflows'
      }
      {
        name: 'AzureFunctionsJobHost__extensionBundle__version'
        value: '[1.*, 2.0.0)'
      }
    ]
  }
]

// Storage Queue Data Contributor: the host keeps its own queues there. No runbook needs it.
var queueRole = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'

resource storageAccount 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: storageAccountName
}

resource hostOnQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storageAccount.id, identityId, queueRole)
  scope: storageAccount
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueRole)
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
    delegatedManagedIdentityResourceId: crossTenant ? identityId : null
  }
}

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
      appSettings: concat(site.settings, [
        {
          name: 'FUNCTIONS_EXTENSION_VERSION'
          value: '~4'
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
      ])
    }
  }
  dependsOn: [
    hostOnQueues
  ]
}]
