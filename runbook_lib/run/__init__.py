"""What surrounds a run: parameters, output, result, stopping. What a runbook does lives elsewhere."""
