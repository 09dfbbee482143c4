"""Write and read an OCI image layout on disk."""
