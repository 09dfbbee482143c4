"""Azure Key Vault: secrets and keys."""
