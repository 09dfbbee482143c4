// The first runbook: it fetches everything else. Its packages and its text come from the application's own package.

param location string
param automationAccountName string
param runbookName string

@secure()
param packagesUri string

@secure()
param runbookUri string

resource account 'Microsoft.Automation/automationAccounts@2024-10-23' existing = {
  name: automationAccountName
}

resource environment 'Microsoft.Automation/automationAccounts/runtimeEnvironments@2024-10-23' = {
  parent: account
  name: 'vibedata-bootstrap'
  location: location
  properties: {
    description: 'Only for deploy_instance: the release brings its own environment.'
    runtime: {
      language: 'Python'
      version: '3.10'
    }
  }
}

resource packages 'Microsoft.Automation/automationAccounts/runtimeEnvironments/packages@2024-10-23' = {
  parent: environment
  name: 'vibedata_runbook_packages'
  properties: {
    contentLink: {
      uri: packagesUri
    }
  }
}

resource runbook 'Microsoft.Automation/automationAccounts/runbooks@2024-10-23' = {
  parent: account
  name: runbookName
  location: location
  // With this tag a later release recognizes the runbook as one of the suite's, and replaces it.
  tags: {
    vibedata: 'runbook'
  }
  properties: {
    description: 'Deploys a release into this instance.'
    runbookType: 'Python'
    runtimeEnvironment: environment.name
    logProgress: false
    logVerbose: false
    publishContentLink: {
      uri: runbookUri
    }
  }
  dependsOn: [
    packages
  ]
}
