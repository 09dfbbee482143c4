"""Azure Container Registry in front of Docker Registry: data plane, ACR API, imports, tokens."""
