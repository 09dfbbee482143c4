"""The customer's side of a credential's rotation: versions, rules, record, vault.

The publisher's side is in publisher/rotation.
"""
