"""The OCI image layout on disk: writing it and reading it."""
