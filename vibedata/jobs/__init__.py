"""Runbooks as jobs in the customer's Automation account: started, followed, found again, and listed.

What Automation answers about a job, and the job's last line, is read in runbook_lib/automation.
"""
