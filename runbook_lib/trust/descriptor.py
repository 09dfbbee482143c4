"""Read OCI descriptors strictly. They name the artifact that a signature is about, and its envelope. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.basics import strict_json
from runbook_lib.basics.digest import is_digest
from runbook_lib.errors import RunbookError, trust

# The media type of what is signed, and of the manifest that says so (OCI image specification, manifest.md).
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
# A signature has at most five levels. A deeper text attacks the reader's stack.
MAX_NESTING = 16
# How much of a hostile text a refusal's message may repeat.
MAX_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A descriptor: media type, digest (`sha256:<hex>`), size in bytes (OCI image specification, descriptor.md)."""

    media_type: str
    digest: str
    size: int


def read_object(content: bytes, what: str, step: str) -> dict[str, Any]:
    """Return the JSON object in `content`. A message names it as `what` and the verification's step as `step`.

    Raises RunbookError VD-TRUST-002.
    """
    try:
        value = strict_json.loads(content)
    except strict_json.NotStrictJsonError as error:
        raise malformed(f"{what} is no JSON to rely on: {error}", step) from error
    if not isinstance(value, dict):
        raise malformed(f"{what} is no JSON object", step)
    if _nesting(value) > MAX_NESTING:
        raise malformed(f"{what} is nested over {MAX_NESTING} levels", step)
    return value


def read_descriptor(value: Any, what: str, step: str) -> Descriptor:
    """Return the descriptor. Other members are ignored, but annotations must be texts.

    Raises RunbookError VD-TRUST-002. A digest must be SHA-256, because the verifier uses no other.
    """
    if not isinstance(value, dict):
        raise malformed(f"{what} is no descriptor", step)
    refuse_lookalikes(value, ("mediaType", "digest", "size", "annotations"), what, step)
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str) or not media_type:
        raise malformed(f"{what} has no mediaType", step)
    if not isinstance(digest, str) or not is_digest(digest):
        raise malformed(f"{what} has no SHA-256 digest", step)
    # True is an int, and 506.0 == 506.
    if type(size) is not int or size < 0:
        raise malformed(f"{what} has no size", step)
    annotations = value.get("annotations", {})
    if not isinstance(annotations, dict) or not all(isinstance(text, str) for text in annotations.values()):
        raise malformed(f"{what} has annotations that are no texts", step)
    return Descriptor(media_type=media_type, digest=digest, size=size)


def refuse_lookalikes(value: Mapping[str, Any], names: Collection[str], what: str, step: str) -> None:
    """Refuse a member that differs from one of `names` only in its case: notation, written in Go, reads it as that one.

    Two readers must not understand one signature in two ways. Raises RunbookError VD-TRUST-002.
    """
    folded = {name.casefold() for name in names}
    for name in value:
        if name not in names and name.casefold() in folded:
            raise malformed(f"{what} has a member {shown(name)}, a known one in another case", step)


def malformed(what: str, step: str) -> RunbookError:
    """Return the refusal of a malformed signature."""
    return trust.SIGNATURE_MALFORMED.error(f"{what} (step {step})")


def shown(value: object) -> str:
    """Return a hostile value for a message: quoted, cut, without control characters."""
    text = ascii(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _nesting(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        item, level = waiting.pop()
        deepest = max(deepest, level)
        if isinstance(item, dict):
            waiting += [(child, level + 1) for child in item.values()]
        elif isinstance(item, list):
            waiting += [(child, level + 1) for child in item]
    return deepest
