// A job of the Automation account that deploys the release.

param automationAccountName string
param runbookName string

@description('Another one for each attempt: Automation answers a known name with the old job.')
param jobName string
param parameters object

resource account 'Microsoft.Automation/automationAccounts@2024-10-23' existing = {
  name: automationAccountName
}

resource job 'Microsoft.Automation/automationAccounts/jobs@2024-10-23' = {
  parent: account
  name: jobName
  properties: {
    runbook: {
      name: runbookName
    }
    parameters: parameters
  }
}
