"""What every runbook shares: engine, log, retries, settings, and readers of Azure's state. It knows no runbook."""
