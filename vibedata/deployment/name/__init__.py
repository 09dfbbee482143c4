"""The steps that give an instance its name: the DNS record, and the first TLS certificate for it.

A runbook does the gateway's part, so there is no module for it here.
"""
