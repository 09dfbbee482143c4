"""Signing a release manifest: the signers, the chain, the envelope. Verifying lives in runbook_lib/trust."""
