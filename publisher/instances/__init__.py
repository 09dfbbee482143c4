"""The publisher's instances: their documents, the table that keeps the documents, and the settings that follow from
one.
"""
