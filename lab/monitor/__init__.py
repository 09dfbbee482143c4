"""Azure Monitor: logs ingestion and query, alerts, data collection rules."""
