// The managed application: everything that one instance of Vibedata consists of, in its managed resource group.
//
// The same file serves a test subscription, an isolated validation group and the Marketplace: only parameters differ.
// docs/infrastructure.md describes the modules and the parameters. Deploy it in mode Incremental: the runbooks make
// resources that are not in here, and mode Complete would delete these.

targetScope = 'resourceGroup'

@description('The beginning of every name. Several names must be unique in the whole of Azure. So the default depends on the managed resource group and on the application, and two instances never have the same names.')
@minLength(2)
@maxLength(15)
param prefix string = 'vd${uniqueString(resourceGroup().id, contains(resourceGroup(), 'managedBy') ? resourceGroup().managedBy : resourceGroup().name)}'

@description('The region of all resources.')
param location string = resourceGroup().location

@description('The first part of the instance\'s name in the publisher\'s domain. The publisher knows the instance by it.')
@minLength(1)
@maxLength(63)
param instanceId string = uniqueString(subscription().id, resourceGroup().id, prefix)

@description('The address of the publisher\'s API, to which the instance reports.')
@minLength(9)
param publisherApi string

@description('The host of the publisher\'s container registry.')
@minLength(5)
param publisherRegistry string

@description('The SHA-256 fingerprints of the root certificates for signatures of releases: one, or two with a comma.')
@minLength(64)
@maxLength(129)
param trustRoots string

@description('The subject of the certificate that signs releases, in the form of RFC 4514.')
@minLength(1)
param trustedIdentity string

@description('The tenant of the publisher.')
@minLength(36)
@maxLength(36)
param publisherTenantId string

@description('The object id of the group or identity with which the publisher operates the instance. In the publisher\'s own tenant it gets its roles here, elsewhere from the plan of the offer.')
@minLength(36)
@maxLength(36)
param publisherPrincipalId string

@description('Whether publisherPrincipalId is a group, one user, or an identity.')
@allowed(['Group', 'User', 'ServicePrincipal'])
param publisherPrincipalType string = 'Group'

@description('The resource id of the publisher\'s public vault. The deployment reads the first container registry token and the placeholder certificate there.')
@minLength(60)
param publisherVaultId string

@description('The object id of the customer\'s administrator, who may read everything and change nothing.')
@minLength(36)
@maxLength(36)
param customerAdminObjectId string

@description('Whether the administrator is one user or a group.')
@allowed(['User', 'Group'])
param customerAdminType string = 'User'

@description('The address ranges (CIDR) from which the customer uses a new instance. An update keeps the ranges of the instance. docs/gateway.md says how to change them.')
@minLength(1)
@maxLength(600)
param customerIpRanges array

@description('The address ranges (CIDR) from which the publisher reaches a new instance. An update keeps the ranges of the instance.')
@minLength(1)
@maxLength(600)
param publisherIpRanges array

@description('The e-mail address that gets a mail when an alert rule fires.')
@minLength(6)
param alertEmail string

@description('An address to which the action group also posts each alert, for example that of a function that processes alerts. It may hold a key. Empty: none.')
@secure()
param alertWebhook string = ''

@description('Whether the retention policy of the release manifests can be removed at any time (unlocked), or only after it has run out (locked). A locked policy keeps the application from being deleted. The template makes the policy unlocked: docs/infrastructure.md says who locks it.')
@allowed(['unlocked', 'locked'])
param immutability string = 'unlocked'

@description('Whether the instance is new. An update says false. Then the template keeps what has changed since: the token and the certificate in use, the address ranges, the settings, the runbook deploy_instance with its packages, and a locked retention policy, because Azure refuses to write such a policy again.')
param firstDeployment bool = true

@description('How long a release manifest is kept, in days.')
@minValue(1)
@maxValue(146000)
param retentionDays int = 365

@description('Whether the publisher is in another tenant than the instance. If it is, a role assignment to a managed identity must name that identity (delegatedManagedIdentityResourceId). Otherwise it must not.')
param crossTenant bool

@description('Whether the storage account and the database keep copies in several availability zones. The region must have such zones. Without them give false. An update gives the same value.')
param zoneRedundant bool = true

@description('The size of the cluster\'s nodes. A region or a subscription may lack the default.')
@minLength(1)
param clusterNodeSize string = 'Standard_D4ds_v5'

@description('The image of each container app, by the app\'s name: a whole reference, with its tag or digest. Azure pulls it during the deployment. The container registry of a new instance is still empty, and the apps cannot sign in to the publisher\'s. So a new instance takes a public image for each app. An update must name the images that the apps have by then.')
param images object

@description('The file name of the wheel with the runbooks\' packages, below packages/ of the artifacts.')
@minLength(5)
param packagesFile string

@description('The address of the package of the application. Azure sets it.')
param _artifactsLocation string = deployment().properties.templateLink.uri

@description('The text that must follow each address below _artifactsLocation. Azure sets it.')
@secure()
param _artifactsLocationSasToken string = ''

@description('Who deploys the release: the publisher, from outside, or a job of the Automation account, or a deployment script. The template starts the job or the script.')
@allowed(['publisher', 'job', 'script'])
param startDeployment string = 'publisher'

@description('For a deployment script: azCliVersion, and wheels. The wheels are the names of the files below deployment-script/ of the artifacts.')
param deploymentScriptSource object = {
  azCliVersion: 'none'
  wheels: ['none']
}

@description('A GUID for the job or the script. Give a new one for each attempt, because Azure does not do a known one again.')
param deploymentAttempt string = newGuid()

var firstRunbook = 'deploy_instance'

// The names and addresses that the runbooks read. None of them is a secret.
var settings = {
  prefix: prefix
  subscription_id: subscription().subscriptionId
  resource_group: resourceGroup().name
  arm_endpoint: environment().resourceManager
  blob_endpoint: storage.outputs.blobEndpoint
  table_endpoint: storage.outputs.tableEndpoint
  key_vault_endpoint: vault.outputs.endpoint
  customer_registry: containerRegistry.outputs.host
  publisher_registry: publisherRegistry
  logs_endpoint: monitoring.outputs.logsEndpoint
  dcr_id: monitoring.outputs.ruleImmutableId
  uami_client_id: identity.outputs.clientId
  publisher_api: publisherApi
  instance_id: instanceId
  trust_roots: trustRoots
  trusted_identity: trustedIdentity
  immutability: immutability
}

var wheelUris = [for wheel in deploymentScriptSource.wheels: uri(_artifactsLocation, 'deployment-script/${wheel}${_artifactsLocationSasToken}')]

resource publisherVault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: split(publisherVaultId, '/')[8]
  scope: resourceGroup(split(publisherVaultId, '/')[2], split(publisherVaultId, '/')[4])
}

// The gateway and its policy before an update. The runbook configure_gateway has changed them since the first
// deployment, and an update keeps these changes.
resource gatewayBefore 'Microsoft.Network/applicationGateways@2025-09-01' existing = {
  name: '${prefix}-gateway'
}

resource firewallBefore 'Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies@2025-09-01' existing = {
  name: '${prefix}-gateway-waf'
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  params: {
    prefix: prefix
    location: location
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    prefix: prefix
    location: location
    writePolicy: firstDeployment || immutability == 'unlocked'
    retentionDays: retentionDays
    zoneRedundant: zoneRedundant
  }
}

module containerRegistry 'modules/containerRegistry.bicep' = {
  name: 'container-registry'
  params: {
    prefix: prefix
    location: location
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    prefix: prefix
    location: location
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    prefix: prefix
    location: location
  }
}

module automation 'modules/automation.bicep' = {
  name: 'automation'
  params: {
    prefix: prefix
    location: location
    identityId: identity.outputs.id
    settings: settings
    isFirst: firstDeployment
    addressRanges: {
      customer: customerIpRanges
      publisher: publisherIpRanges
    }
  }
}

module roleAssignments 'modules/roleAssignments.bicep' = {
  name: 'role-assignments'
  params: {
    identityId: identity.outputs.id
    identityName: identity.outputs.name
    principalId: identity.outputs.principalId
    crossTenant: crossTenant
    storageAccountName: storage.outputs.name
    vaultName: vault.outputs.name
    containerRegistryName: containerRegistry.outputs.name
    automationAccountName: automation.outputs.name
    dataCollectionRuleName: monitoring.outputs.ruleName
  }
}

module peopleRoles 'modules/peopleRoles.bicep' = {
  name: 'people-roles'
  params: {
    customerAdminObjectId: customerAdminObjectId
    customerAdminType: customerAdminType
    publisherPrincipalId: publisherPrincipalId
    publisherPrincipalType: publisherPrincipalType
    publisherIsHere: publisherTenantId == subscription().tenantId
    storageAccountName: storage.outputs.name
    containerRegistryName: containerRegistry.outputs.name
    automationAccountName: automation.outputs.name
  }
}

module network 'modules/network.bicep' = {
  name: 'network'
  params: {
    prefix: prefix
    location: location
  }
}

module privateLinks 'modules/privateLinks.bicep' = {
  name: 'private-links'
  params: {
    prefix: prefix
    location: location
    networkId: network.outputs.id
    subnetId: network.outputs.privateEndpointsSubnetId
    storageAccountId: storage.outputs.id
    vaultId: vault.outputs.id
    containerRegistryId: containerRegistry.outputs.id
    automationAccountId: automation.outputs.id
    databaseId: database.outputs.id
  }
  // A private endpoint writes to the vault, and so do the secrets. A vault accepts only one write at a time.
  dependsOn: [
    firstSecrets
  ]
}

module firstSecrets 'modules/firstSecrets.bicep' = if (firstDeployment) {
  name: 'first-secrets'
  params: {
    vaultName: vault.outputs.name
    publisherToken: publisherVault.getSecret('publisher-acr-token')
    placeholderCertificate: publisherVault.getSecret('tls-placeholder')
  }
}

module cluster 'modules/cluster.bicep' = {
  name: 'cluster'
  params: {
    prefix: prefix
    location: location
    identityId: identity.outputs.id
    identityPrincipalId: identity.outputs.principalId
    crossTenant: crossTenant
    containerRegistryName: containerRegistry.outputs.name
    nodeSize: clusterNodeSize
  }
}

module database 'modules/database.bicep' = {
  name: 'database'
  params: {
    prefix: prefix
    location: location
    identityName: identity.outputs.name
    identityPrincipalId: identity.outputs.principalId
    zoneRedundant: zoneRedundant
  }
}

module apps 'modules/apps.bicep' = {
  name: 'apps'
  params: {
    prefix: prefix
    location: location
    identityId: identity.outputs.id
    subnetId: network.outputs.appsSubnetId
    containerRegistryHost: containerRegistry.outputs.host
    images: images
  }
  dependsOn: [
    roleAssignments
  ]
}

module functions 'modules/functions.bicep' = {
  name: 'functions'
  params: {
    prefix: prefix
    location: location
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    identityPrincipalId: identity.outputs.principalId
    crossTenant: crossTenant
    subnetId: network.outputs.functionsSubnetId
    storageAccountName: storage.outputs.name
    workspaceId: monitoring.outputs.workspaceId
  }
  dependsOn: [
    roleAssignments
  ]
}

module foundry 'modules/foundry.bicep' = {
  name: 'foundry'
  params: {
    prefix: prefix
    location: location
    identityId: identity.outputs.id
  }
}

module gateway 'modules/gateway.bicep' = {
  name: 'gateway'
  params: {
    prefix: prefix
    location: location
    identityId: identity.outputs.id
    certificateSecretUri: firstDeployment ? uri(vault.outputs.endpoint, 'secrets/tls-certificate') : gatewayBefore.properties.sslCertificates[0].properties.keyVaultSecretId
    subnetId: network.outputs.gatewaySubnetId
    backendAddress: apps.outputs.address
    backendHost: apps.outputs.controlPanelHost
    customerIpRanges: firstDeployment ? customerIpRanges : firewallBefore.properties.customRules[0].matchConditions[0].matchValues
    publisherIpRanges: firstDeployment ? publisherIpRanges : firewallBefore.properties.customRules[0].matchConditions[1].matchValues
  }
  dependsOn: [
    firstSecrets
    roleAssignments
  ]
}

module gatewayRoleAssignments 'modules/gatewayRoleAssignments.bicep' = {
  name: 'gateway-role-assignments'
  params: {
    identityId: identity.outputs.id
    principalId: identity.outputs.principalId
    crossTenant: crossTenant
    gatewayName: gateway.outputs.name
    firewallName: gateway.outputs.firewallName
    networkName: network.outputs.name
    addressName: gateway.outputs.addressName
  }
}

// A release replaces the first runbook. An update must not bring the old one back.
module bootstrap 'modules/bootstrap.bicep' = if (firstDeployment) {
  name: 'bootstrap'
  params: {
    location: location
    automationAccountName: automation.outputs.name
    runbookName: firstRunbook
    packagesUri: uri(_artifactsLocation, 'packages/${packagesFile}${_artifactsLocationSasToken}')
    runbookUri: uri(_artifactsLocation, 'runbooks/deploy_instance.py${_artifactsLocationSasToken}')
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    prefix: prefix
    location: location
    alertEmail: alertEmail
    alertWebhook: alertWebhook
    workspaceId: monitoring.outputs.workspaceId
    tableName: monitoring.outputs.tableName
    storageAccountId: storage.outputs.id
    vaultId: vault.outputs.id
    clusterId: cluster.outputs.id
    gatewayId: gateway.outputs.id
  }
}

module deploymentJob 'modules/deploymentJob.bicep' = if (startDeployment == 'job') {
  name: 'deployment-job'
  params: {
    automationAccountName: automation.outputs.name
    runbookName: firstRunbook
    jobName: deploymentAttempt
    parameters: {}
  }
  dependsOn: [
    alerts
    apps
    bootstrap
    firstSecrets
    functions
    privateLinks
    roleAssignments
  ]
}

module deploymentScript 'modules/deploymentScript.bicep' = if (startDeployment == 'script') {
  name: 'deployment-script'
  params: {
    prefix: prefix
    location: location
    identityId: identity.outputs.id
    settings: settings
    parameters: {}
    attempt: deploymentAttempt
    scriptUri: uri(_artifactsLocation, 'deployment-script/deploy_instance.sh${_artifactsLocationSasToken}')
    wheelUris: {
      uris: wheelUris
    }
    azCliVersion: deploymentScriptSource.azCliVersion
  }
  dependsOn: [
    alerts
    apps
    automation
    firstSecrets
    functions
    privateLinks
    roleAssignments
  ]
}

@description('The first part of the instance\'s name in the publisher\'s domain.')
output instanceId string = instanceId

@description('The beginning of the names of the resources.')
output prefix string = prefix

@description('The address to which the instance\'s name has to lead.')
output gatewayAddress string = gateway.outputs.address

@description('The immutable id of the data collection rule: setting dcr_id.')
output ruleImmutableId string = monitoring.outputs.ruleImmutableId

@description('The address for events: setting logs_endpoint.')
output logsEndpoint string = monitoring.outputs.logsEndpoint
