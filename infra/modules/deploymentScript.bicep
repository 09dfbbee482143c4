// A deployment script that runs the customer's part of a deployment in the Azure CLI's container. It is the folder
// deployment-script of the release's build: one script, and the wheels that it takes. It needs the resource provider
// Microsoft.ContainerInstance, and a storage account with shared keys, which Azure makes for it. docs/deployment.md
// compares it with the other two ways to start a deployment.
//
// These things must be there before it: the variable vibedata-settings, the first registry token, and the role
// assignments.

param prefix string
param location string

@description('Resource id of vibedata-uami.')
param identityId string

@description('The same settings as in the variable vibedata-settings: names and addresses, no secret.')
param settings object

@description('Further parameters of deploy_instance, such as release_tag.')
param parameters object

@description('A new value for each attempt, because Azure does not run a script with a known tag again. It is also the correlation id of the deployment.')
param attempt string

@description('The address of deployment-script/deploy_instance.sh of the release, with a signature that allows reading.')
@secure()
param scriptUri string

@description('The addresses of the wheels in deployment-script of the same release, each with a signature that allows reading.')
@secure()
param wheelUris object

@description('A version of the Azure CLI. It must be older than 30 days, because newer images are not supported.')
param azCliVersion string

resource script 'Microsoft.Resources/deploymentScripts@2023-08-01' = {
  name: '${prefix}-deployment'
  location: location
  kind: 'AzureCLI'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    azCliVersion: azCliVersion
    primaryScriptUri: scriptUri
    supportingScriptUris: wheelUris.uris
    environmentVariables: [
      {
        name: 'VIBEDATA_DEPLOYMENT'
        value: base64(string({
          settings: settings
          parameters: union({
            correlation_id: attempt
          }, parameters)
        }))
      }
    ]
    forceUpdateTag: attempt
    // A deployment takes 30 minutes. The rest is for another deployment that comes before it.
    timeout: 'PT1H30M'
    retentionInterval: 'PT1H'
    cleanupPreference: 'OnSuccess'
  }
}
