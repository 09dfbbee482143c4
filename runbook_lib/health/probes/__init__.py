"""Asking components for their health: which probe, over HTTP, TCP or ARM, many at once.

What an answer means is decided in health.
"""
