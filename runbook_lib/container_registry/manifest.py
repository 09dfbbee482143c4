"""A manifest as a container registry gave it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's bytes, and the digest that these bytes have. Nothing of them has been read."""

    digest: str
    content: bytes
