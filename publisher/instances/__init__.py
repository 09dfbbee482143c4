"""The publisher's instances: their documents, the table that keeps them, and what settings follow from one."""
