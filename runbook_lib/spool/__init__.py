"""A blob container where events and reports wait for a later run. A run reads only blobs that the suite wrote.

Their content is the matter of operations_log and callbacks.
"""
