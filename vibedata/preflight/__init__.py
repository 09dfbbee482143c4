"""The preflight of the operator's command: checks from here and from the sandbox, in one table.

Checks that a job can make live in runbook_lib/preflight. This folder has the checks that need somebody outside the
sandbox, and the checks of an instance that runs.
"""
