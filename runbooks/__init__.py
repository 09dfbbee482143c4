"""The runbooks, one file each: parameters, facts, plan. `runbook_lib` does the rest."""
