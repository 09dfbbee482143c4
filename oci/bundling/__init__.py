"""Make one readable Python file of each runbook: find the modules that it needs, and put them into the file."""
