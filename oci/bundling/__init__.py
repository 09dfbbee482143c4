"""One readable Python file for each runbook: which modules it needs, and how they are put into it."""
