"""Start runbooks as jobs in the customer's Automation account, follow them, find them again, and list them.

The code in runbook_lib/automation reads Automation's answers about a job, and the job's last line.
"""
