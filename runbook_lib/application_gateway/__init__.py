"""The instance's Application Gateway and its firewall policy: what the suite keeps there, and how it writes it.

Certificates in the vault live in tls_certificate, the order of a certificate and DNS at the publisher.
"""
