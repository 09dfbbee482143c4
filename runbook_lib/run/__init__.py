"""The frame of a run: parameters, output, result, stopping. The work of a runbook lives elsewhere."""
