"""A manifest as a container registry returned it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's bytes, and the digest of these bytes. Nothing in the bytes has been parsed."""

    digest: str
    content: bytes
