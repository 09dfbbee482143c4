// The environment of the container apps, and the apps. Their images are parameters.

param prefix string
param location string
param identityId string
param subnetId string
param containerRegistryHost string
param images object

var apps = [
  'control-panel'
  'studio'
  'airbyte-server'
  'airbyte-webapp'
  'airbyte-worker'
  'airbyte-temporal'
  'api-service'
  'api-gateway'
  'scheduler'
  'metering'
  'planner-agent'
  'reviewer-agent'
]
var port = 8080

resource environment 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: '${prefix}-env'
  location: location
  properties: {
    vnetConfiguration: {
      internal: true
      infrastructureSubnetId: subnetId
    }
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
    zoneRedundant: false
  }
}

resource containerApps 'Microsoft.App/containerApps@2026-01-01' = [for app in apps: {
  name: app
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: {
        // They are reached only within the network, because the environment itself has no public address.
        external: true
        targetPort: port
        transport: 'auto'
        allowInsecure: false
        traffic: [
          {
            latestRevision: true
            weight: 100
          }
        ]
      }
      registries: [
        {
          server: containerRegistryHost
          identity: identityId
        }
      ]
    }
    template: {
      containers: [
        {
          name: app
          image: images[app]
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          probes: [
            {
              type: 'Liveness'
              periodSeconds: 10
              httpGet: {
                path: '/healthz'
                port: port
                scheme: 'HTTP'
              }
            }
          ]
        }
      ]
      scale: {
        minReplicas: 1
        maxReplicas: 3
      }
    }
  }
}]

output address string = environment.properties.staticIp
output controlPanelHost string = '${apps[0]}.${environment.properties.defaultDomain}'
