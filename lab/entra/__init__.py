"""Microsoft Entra: sign-in, managed identity, and who may do what."""
