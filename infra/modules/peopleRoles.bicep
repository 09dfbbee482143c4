// The rights of people: the customer's administrator, and the publisher's operators if they are in this tenant.

param customerAdminObjectId string
param customerAdminType string
param publisherPrincipalId string
param publisherPrincipalType string
param publisherIsHere bool
param storageAccountName string
param containerRegistryName string
param automationAccountName string

// Reader; Log Analytics Reader.
var adminRoles = ['acdd72a7-3385-48ef-bd42-f606fba81ae7', '73c42c96-874c-492b-b04d-ab87d138a893']
// Storage Blob Data Contributor; Storage Table Data Reader.
var storageRoles = ['ba92f5b4-2d11-453d-a403-e96b0029c9fe', '76199698-9eea-4c19-bc75-cec21354c6b6']
// Container Registry Data Importer and Data Reader.
var registryRole = '577a9874-89fd-4f24-9dbd-b5034d0ad23a'
// Automation Contributor.
var automationRole = 'f353d9bd-d4a6-484e-a77a-8050b599b867'

resource storageAccount 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: storageAccountName
}

resource containerRegistry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: containerRegistryName
}

resource automationAccount 'Microsoft.Automation/automationAccounts@2024-10-23' existing = {
  name: automationAccountName
}

resource admin 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in adminRoles: {
  name: guid(resourceGroup().id, customerAdminObjectId, role)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: customerAdminObjectId
    principalType: customerAdminType
  }
}]

// In other tenants the plan of the offer gives the publisher its roles, because a principal of another tenant cannot
// get a role here.
resource operatorOnStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in (publisherIsHere ? storageRoles : []): {
  name: guid(storageAccount.id, publisherPrincipalId, role)
  scope: storageAccount
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: publisherPrincipalId
    principalType: publisherPrincipalType
  }
}]

resource operatorOnRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (publisherIsHere) {
  name: guid(containerRegistry.id, publisherPrincipalId, registryRole)
  scope: containerRegistry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', registryRole)
    principalId: publisherPrincipalId
    principalType: publisherPrincipalType
  }
}

resource operatorOnAutomation 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (publisherIsHere) {
  name: guid(automationAccount.id, publisherPrincipalId, automationRole)
  scope: automationAccount
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', automationRole)
    principalId: publisherPrincipalId
    principalType: publisherPrincipalType
  }
}
