"""Azure Key Vault: secrets, keys and certificates."""
