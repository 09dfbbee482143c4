"""The publisher's orders of the instances' TLS certificates: records, limits, plan, ACME, and what one run does.

The key of a certificate is never here: the customer's vault makes it and keeps it (runbook_lib/tls_certificate).
"""
