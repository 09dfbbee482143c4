"""The instance's Application Gateway and its firewall policy: what the suite writes there, and how.

runbook_lib/tls_certificate handles the certificate in the vault. The publisher's code orders the certificate and writes
DNS records.
"""
