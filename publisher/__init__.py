"""The publisher's own services: the API that instances call, and the custody of their credentials."""
