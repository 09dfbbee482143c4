"""A blob container where events and reports wait for a later run. A run reads only blobs that the suite wrote.

operations_log and callbacks define the content of the blobs.
"""
