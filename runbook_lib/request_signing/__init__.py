"""HTTP Message Signatures (RFC 9421): the signed text, signing and verifying. Pure.

The code that sends requests lives in callbacks.
"""
