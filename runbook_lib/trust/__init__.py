"""Whether a Notary Project signature is good. Which release is read, and from where, lives in release."""
