// The alert rules, and the people who get their alerts.

param prefix string
param location string
param alertEmail string

@secure()
param alertWebhook string

param workspaceId string
param tableName string
param storageAccountId string
param vaultId string
param clusterId string
param gatewayId string

// Every run writes events, and check_health runs each hour. So three hours without an event mean that none arrives.
// An event that waited in the spool keeps its own time. So a rule about arrival looks two days back.
//
// `mitigates` says whether Azure resolves the alert by itself. The events of the first three rules tell of a moment, and
// nothing is better because the window has passed. Nothing resolves these alerts, and one event sends one mail: the
// rule mutes its actions as long as its window still holds the event.
var logRules = [
  {
    name: '${prefix}-runbook-failed'
    description: 'A run of a runbook failed.'
    query: '${tableName} | where Step == "run" and Action == "finish" and Outcome == "failed"'
    severity: 1
    window: 'PT15M'
    frequency: 'PT5M'
    operator: 'GreaterThan'
    mitigates: false
  }
  {
    name: '${prefix}-health'
    description: 'A component became unhealthy.'
    query: '${tableName} | where Action == "health" and Outcome == "unhealthy"'
    severity: 1
    window: 'PT15M'
    frequency: 'PT5M'
    operator: 'GreaterThan'
    mitigates: false
  }
  {
    name: '${prefix}-credential-expiry'
    description: 'A credential has expired, or will soon.'
    query: '${tableName} | where Action == "health" and Target == "observability/credentials" and Outcome != "healthy"'
    severity: 2
    window: 'PT1H'
    frequency: 'PT15M'
    operator: 'GreaterThan'
    mitigates: false
  }
  {
    name: '${prefix}-late-spool'
    description: 'Events arrived more than an hour after they happened: they waited in the spool.'
    query: '${tableName} | where ingestion_time() > ago(1h) and ingestion_time() - todatetime(Details.At) > 1h'
    severity: 2
    window: 'P2D'
    frequency: 'PT1H'
    operator: 'GreaterThan'
    mitigates: true
  }
  {
    name: '${prefix}-log-gap'
    description: 'No event has arrived for three hours.'
    query: tableName
    severity: 2
    window: 'PT3H'
    frequency: 'PT1H'
    operator: 'LessThanOrEqual'
    mitigates: true
  }
]

var metricRules = [
  {
    name: '${prefix}-vault-availability'
    resourceId: vaultId
    namespace: 'Microsoft.KeyVault/vaults'
    metric: 'Availability'
    operator: 'LessThan'
    threshold: 99
    severity: 1
  }
  {
    name: '${prefix}-storage-availability'
    resourceId: storageAccountId
    namespace: 'Microsoft.Storage/storageAccounts'
    metric: 'Availability'
    operator: 'LessThan'
    threshold: 99
    severity: 1
  }
  {
    name: '${prefix}-aks-nodes'
    resourceId: clusterId
    namespace: 'Microsoft.ContainerService/managedClusters'
    metric: 'node_cpu_usage_percentage'
    operator: 'GreaterThan'
    threshold: 90
    severity: 2
  }
  {
    name: '${prefix}-gateway-hosts'
    resourceId: gatewayId
    namespace: 'Microsoft.Network/applicationGateways'
    metric: 'UnhealthyHostCount'
    operator: 'GreaterThan'
    threshold: 0
    severity: 1
  }
]

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${prefix}-operators'
  // An action group is in no region.
  location: 'global'
  properties: {
    enabled: true
    groupShortName: take(prefix, 12)
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
    webhookReceivers: [for address in (alertWebhook == '' ? [] : [alertWebhook]): {
      name: 'alert-processor'
      serviceUri: address
      useCommonAlertSchema: true
    }]
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [for rule in logRules: {
  name: rule.name
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: rule.name
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: rule.frequency
    windowSize: rule.window
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: rule.operator
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: rule.mitigates
    muteActionsDuration: rule.mitigates ? null : rule.window
    actions: {
      actionGroups: [operators.id]
    }
  }
}]

resource metricAlerts 'Microsoft.Insights/metricAlerts@2026-01-01' = [for rule in metricRules: {
  name: rule.name
  location: 'global'
  properties: {
    description: '${rule.metric} ${rule.operator} ${rule.threshold}'
    severity: rule.severity
    enabled: true
    scopes: [rule.resourceId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    targetResourceType: rule.namespace
    targetResourceRegion: location
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'metric'
          metricNamespace: rule.namespace
          metricName: rule.metric
          operator: rule.operator
          threshold: rule.threshold
          timeAggregation: 'Average'
        }
      ]
    }
    autoMitigate: true
    actions: [
      {
        actionGroupId: operators.id
      }
    ]
  }
}]
