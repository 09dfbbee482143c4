"""Small pure tools that know nothing of Azure: clock, base64url, strict JSON, redaction.

No input or output lives here.
"""
