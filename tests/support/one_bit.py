"""Where a container registry of the lab keeps bytes, and each way to change one bit of them."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.running_lab import LabUnderTest

# Where in an object the bit is, as a share of its length: its form, its middle, its end.
PLACES = (0.0, 0.5, 0.999)


def flip(content: bytes, place: float) -> bytes:
    """Return `content` with one bit flipped at `place`, a share of its length."""
    at = int(place * len(content) * 8)
    changed = bytearray(content)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def kept(lab: LabUnderTest, side: str, digest: str) -> Path:
    """Return where a Docker Registry keeps what has this digest."""
    value = digest.removeprefix("sha256:")
    root = lab.directory / "servers" / f"{side}_registry" / "docker" / "registry" / "v2"
    return root / "blobs" / "sha256" / value[:2] / value / "data"


def variants(content: bytes) -> Iterator[bytes]:
    """Yield `content` with one bit flipped, at one place and another.

    In a manifest these are in its digests: with another form than JSON's Docker Registry itself would not answer.
    """
    if b"schemaVersion" not in content:
        yield from (flip(content, place) for place in PLACES)
        return
    for found in re.finditer(rb"sha256:[0-9a-f]{10}", content):
        digit = content[found.end() - 1]
        # 0x30 to 0x39 stay digits, 0x61 to 0x66 letters of a digest.
        changed = digit ^ (1 if digit < ord("a") else {0x61: 2, 0x62: 1, 0x63: 2, 0x64: 1, 0x65: 1, 0x66: 2}[digit])
        yield content[: found.end() - 1] + bytes([changed]) + content[found.end() :]
