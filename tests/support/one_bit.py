"""The places where a container registry of the lab keeps bytes, and ways to change one bit of them."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.running_lab import LabUnderTest

# The places of the bit in an object, as shares of its length: at its beginning, in its middle, at its end.
PLACES = (0.0, 0.5, 0.999)


def flip(content: bytes, place: float) -> bytes:
    """Return `content` with one bit flipped at `place`, a share of its length."""
    at = int(place * len(content) * 8)
    changed = bytearray(content)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def kept(lab: LabUnderTest, side: str, digest: str) -> Path:
    """Return the file in which a Docker Registry keeps the content with this digest."""
    value = digest.removeprefix("sha256:")
    root = lab.directory / "servers" / f"{side}_registry" / "docker" / "registry" / "v2"
    return root / "blobs" / "sha256" / value[:2] / value / "data"


def variants(content: bytes) -> Iterator[bytes]:
    """Yield `content` with one bit flipped, once for each place.

    In a manifest the places are in its digests, because Docker Registry itself serves no manifest that is not JSON.
    """
    if b"schemaVersion" not in content:
        yield from (flip(content, place) for place in PLACES)
        return
    for found in re.finditer(rb"sha256:[0-9a-f]{10}", content):
        digit = content[found.end() - 1]
        # The result must be a digit of a digest again: 0x30 to 0x39, or 0x61 to 0x66.
        changed = digit ^ (1 if digit < ord("a") else {0x61: 2, 0x62: 1, 0x63: 2, 0x64: 1, 0x65: 1, 0x66: 2}[digit])
        yield content[: found.end() - 1] + bytes([changed]) + content[found.end() :]
