"""The status of one instance: facts, report, verdict, and how it is shown."""
