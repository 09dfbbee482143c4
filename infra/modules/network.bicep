// The virtual network: a subnet for the gateway, one for the applications, one for private endpoints.

param prefix string
param location string

resource gatewayRules 'Microsoft.Network/networkSecurityGroups@2025-09-01' = {
  name: '${prefix}-gateway-nsg'
  location: location
  properties: {
    securityRules: [
      {
        name: 'users'
        properties: {
          description: 'The firewall policy of the gateway says from which addresses.'
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRanges: ['80', '443']
        }
      }
      {
        name: 'gateway-manager'
        properties: {
          description: 'Azure looks after a gateway of version 2 on these ports.'
          priority: 110
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: 'GatewayManager'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '65200-65535'
        }
      }
    ]
  }
}

resource appsRules 'Microsoft.Network/networkSecurityGroups@2025-09-01' = {
  name: '${prefix}-apps-nsg'
  location: location
}

resource privateEndpointsRules 'Microsoft.Network/networkSecurityGroups@2025-09-01' = {
  name: '${prefix}-private-endpoints-nsg'
  location: location
}

resource network 'Microsoft.Network/virtualNetworks@2025-09-01' = {
  name: '${prefix}-vnet'
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: ['10.40.0.0/16']
    }
    subnets: [
      {
        name: 'gateway'
        properties: {
          addressPrefix: '10.40.0.0/24'
          networkSecurityGroup: {
            id: gatewayRules.id
          }
        }
      }
      {
        name: 'apps'
        properties: {
          addressPrefix: '10.40.2.0/23'
          networkSecurityGroup: {
            id: appsRules.id
          }
          delegations: [
            {
              name: 'container-apps'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      // A subnet is delegated to one service only.
      {
        name: 'functions'
        properties: {
          addressPrefix: '10.40.5.0/24'
          networkSecurityGroup: {
            id: appsRules.id
          }
          delegations: [
            {
              name: 'functions'
              properties: {
                serviceName: 'Microsoft.Web/serverFarms'
              }
            }
          ]
        }
      }
      {
        name: 'private-endpoints'
        properties: {
          addressPrefix: '10.40.4.0/24'
          networkSecurityGroup: {
            id: privateEndpointsRules.id
          }
        }
      }
    ]
  }
}

output id string = network.id
output name string = network.name
output gatewaySubnetId string = '${network.id}/subnets/gateway'
output appsSubnetId string = '${network.id}/subnets/apps'
output functionsSubnetId string = '${network.id}/subnets/functions'
output privateEndpointsSubnetId string = '${network.id}/subnets/private-endpoints'
