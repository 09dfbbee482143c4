"""Reading Azure Container Registry, and importing into it. Whether what is read can be trusted is told in trust."""
