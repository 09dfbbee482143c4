"""Azure Storage in front of Azurite: access, immutability, the containers' ARM types."""
