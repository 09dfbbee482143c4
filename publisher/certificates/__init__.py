"""The publisher's orders for the instances' TLS certificates: records, limits, plan, ACME, and the work of one run.

The key of a certificate is never here. The customer's vault makes the key and keeps it (runbook_lib/tls_certificate).
"""
