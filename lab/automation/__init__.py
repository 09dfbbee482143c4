"""Azure Automation: the account, its jobs as processes, packages and environments."""
