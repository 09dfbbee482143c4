"""Decide whether a Notary Project signature is good. The folder release chooses the releases and their sources."""
