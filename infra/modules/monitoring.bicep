// The operations log: the workspace, its table, and the rule that receives the events.

param prefix string
param location string

var tableName = 'VibeData_Operations_CL'
var streamName = 'Custom-${tableName}'
// The columns that the runbooks write (runbook_lib/operations_log/events.py). A test compares the two.
var columns = [
  { name: 'TimeGenerated', type: 'datetime' }
  { name: 'EventId', type: 'string' }
  { name: 'CorrelationId', type: 'string' }
  { name: 'RunId', type: 'string' }
  { name: 'Sequence', type: 'int' }
  { name: 'PreviousEventId', type: 'string' }
  { name: 'Runbook', type: 'string' }
  { name: 'RunbookVersion', type: 'string' }
  { name: 'Step', type: 'string' }
  { name: 'Action', type: 'string' }
  { name: 'Target', type: 'string' }
  { name: 'Outcome', type: 'string' }
  { name: 'DurationMs', type: 'long' }
  { name: 'Attempts', type: 'int' }
  { name: 'ErrorCode', type: 'string' }
  { name: 'Message', type: 'string' }
  { name: 'Details', type: 'dynamic' }
]
// The type of times has a capital letter in a table, and none in a stream.
var tableColumns = [for column in columns: {
  name: column.name
  type: column.type == 'datetime' ? 'dateTime' : column.type
}]

resource workspace 'Microsoft.OperationalInsights/workspaces@2026-03-01' = {
  name: '${prefix}-logs'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 90
  }
}

resource table 'Microsoft.OperationalInsights/workspaces/tables@2026-03-01' = {
  parent: workspace
  name: tableName
  properties: {
    plan: 'Analytics'
    // Events are kept as long as release manifests, because people ask about changes long after they happened.
    retentionInDays: 365
    schema: {
      name: tableName
      columns: tableColumns
    }
  }
}

// Of kind Direct: the rule has its own address for events, and needs no data collection endpoint.
resource rule 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
  name: '${prefix}-operations'
  location: location
  kind: 'Direct'
  properties: {
    streamDeclarations: {
      '${streamName}': {
        columns: columns
      }
    }
    destinations: {
      logAnalytics: [
        {
          name: 'workspace'
          workspaceResourceId: workspace.id
        }
      ]
    }
    dataFlows: [
      {
        streams: [streamName]
        destinations: ['workspace']
        transformKql: 'source'
        outputStream: streamName
      }
    ]
  }
  dependsOn: [
    table
  ]
}

output workspaceId string = workspace.id
output tableName string = tableName
output ruleName string = rule.name
output ruleImmutableId string = rule.properties.immutableId
output logsEndpoint string = rule.properties.endpoints.logsIngestion
