"""A certificate authority that speaks ACME: Pebble behind a front with renewal information and rate limits."""
