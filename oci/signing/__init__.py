"""Sign a release manifest: the signers, the chain, the envelope. The verifier lives in runbook_lib/trust."""
