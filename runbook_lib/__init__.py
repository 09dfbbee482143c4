"""What every runbook shares: engine, log, retries, settings and the readers of the world. It knows no runbook."""
