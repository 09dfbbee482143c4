"""Read credentials from the customer's Key Vault, and their states. The code that changes them lives in rotation."""
