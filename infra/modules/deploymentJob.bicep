// A job of the Automation account that runs the customer's part of a deployment: the runbook deploy_instance. It needs
// neither a container nor storage keys. docs/deployment.md compares it with the other two ways to start a deployment.
//
// These things must be there before it: the published runbook (its tag vibedata=runbook lets a later release replace
// it), its packages, the variable vibedata-settings, the first registry token, and the role assignments.

param automationAccountName string

@description('deploy_instance, once it is published.')
param runbookName string

@description('A new GUID for each attempt, because Automation answers a known name with the old job. It is also the correlation id of the deployment.')
param jobName string

@description('Further parameters of deploy_instance, such as release_tag. None of them may be a secret, because everybody who may read jobs sees them.')
param parameters object

// Automation passes texts by their position, and changes JSON. So the runbook takes base64url of a JSON object.
var argument = base64(string(union({
  correlation_id: jobName
}, parameters)))

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
    parameters: {
      parameters: replace(replace(replace(argument, '+', '-'), '/', '_'), '=', '')
    }
  }
}
