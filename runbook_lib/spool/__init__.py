"""A blob container where events and reports wait for a later run: only what the suite wrote there is read back.

What waits is told in operations_log and callbacks.
"""
