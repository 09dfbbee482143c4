"""The release that this copy of the library belongs to; the bundler writes it in."""

RUNBOOK_VERSION = "dev"
