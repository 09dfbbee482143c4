"""Azure Application Gateway: its ARM resources, and a real proxy that serves the vault's certificate."""
