"""The reports to the publisher: their payloads, the client that sends them, and the spool where they wait.

The signature lives in request_signing.
"""
