"""HTTP Message Signatures (RFC 9421): what is signed, how it is signed, how it is verified.

Pure; what is sent lives in callbacks.
"""
