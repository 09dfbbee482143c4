"""The preflight as an operator's command sees it: what is there, from here and from the sandbox, in one table.

The checks that a job can make, too, live in runbook_lib/preflight. Here are those for which somebody outside the
sandbox is needed, and those of an instance that runs.
"""
