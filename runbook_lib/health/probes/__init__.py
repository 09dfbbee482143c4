"""Ask components for their health: the choice of a probe, HTTP, TCP and ARM, and many probes at once.

The folder health decides what an answer means.
"""
