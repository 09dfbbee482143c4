"""The publisher's own services: the API that instances call, and the custody of what it shares with them."""
