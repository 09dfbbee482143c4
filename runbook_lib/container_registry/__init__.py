"""Read Azure Container Registry, and import into it. Whether the content can be trusted is decided in trust."""
