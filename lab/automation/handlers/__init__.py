"""Azure Automation's ARM operations, one module for each kind of resource."""
