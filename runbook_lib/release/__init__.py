"""A release: its manifest, its files, where they are stored, and the verification at each hop."""
