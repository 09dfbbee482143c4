"""The steps that give an instance its name: the DNS record, and the first TLS certificate for it.

The gateway's part is a runbook, so it is no module here.
"""
