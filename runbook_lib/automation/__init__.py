"""The customer's Automation account: runbooks, packages, jobs, schedules, and the plan that publishes them."""
