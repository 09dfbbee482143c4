// The Kubernetes cluster, and the identity with which its nodes pull images.

param prefix string
param location string
param identityId string
param identityPrincipalId string
param crossTenant bool
param containerRegistryName string
param nodeSize string

// AcrPull.
var pullRole = '7f951dda-4ed3-4680-a7ca-43fe172d538d'
// Managed Identity Operator: the cluster gives the nodes their identity.
var operatorRole = 'f1a07417-d97a-45cb-824c-7a7467783830'

resource containerRegistry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: containerRegistryName
}

resource nodes 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}-aks-kubelet'
  location: location
}

resource nodesPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(containerRegistry.id, nodes.id, pullRole)
  scope: containerRegistry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', pullRole)
    principalId: nodes.properties.principalId
    principalType: 'ServicePrincipal'
    delegatedManagedIdentityResourceId: crossTenant ? nodes.id : null
  }
}

resource clusterOperatesNodes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(nodes.id, identityId, operatorRole)
  scope: nodes
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', operatorRole)
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
    delegatedManagedIdentityResourceId: crossTenant ? identityId : null
  }
}

resource cluster 'Microsoft.ContainerService/managedClusters@2026-05-01' = {
  name: '${prefix}-aks'
  location: location
  sku: {
    name: 'Base'
    tier: 'Standard'
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    dnsPrefix: prefix
    // Without it Azure joins the names of the group, the cluster and the region. The overlay takes only 63 characters.
    nodeResourceGroup: '${prefix}-aks-nodes'
    enableRBAC: true
    disableLocalAccounts: true
    aadProfile: {
      managed: true
      enableAzureRBAC: true
    }
    identityProfile: {
      kubeletidentity: {
        resourceId: nodes.id
        clientId: nodes.properties.clientId
        objectId: nodes.properties.principalId
      }
    }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        count: 3
        vmSize: nodeSize
        osType: 'Linux'
      }
    ]
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      podCidr: '10.244.0.0/16'
    }
  }
  dependsOn: [
    nodesPull
    clusterOperatesNodes
  ]
}

output id string = cluster.id
