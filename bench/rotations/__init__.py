"""What rotations cost: the HMAC key, the container registry token and the TLS certificate."""
