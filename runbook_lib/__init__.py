"""What every runbook shares: the engine, the log, retries, settings and the readers of the world. It knows no runbook."""
