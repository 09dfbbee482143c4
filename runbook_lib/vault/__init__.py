"""Reading credentials from the customer's Key Vault, and telling their states. Changing them lives in rotation."""
