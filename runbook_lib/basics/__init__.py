"""Small pure tools that do not know Azure: clock, base64url, strict JSON, redaction. They do no input or output."""
