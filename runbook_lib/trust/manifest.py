"""Read a signature manifest: the OCI manifest that names the signed artifact and the envelope. Pure.

signature-specification.md, "Storage". Nothing in it is signed or trusted. Only the envelope that it names proves
something. Its annotations (thumbprints) are hints, and nobody reads them.
"""

from dataclasses import dataclass
from typing import Any

from runbook_lib.errors import RunbookError, trust
from runbook_lib.trust.descriptor import (
    MANIFEST_TYPE,
    Descriptor,
    malformed,
    read_descriptor,
    read_object,
    refuse_lookalikes,
    shown,
)
from runbook_lib.trust.envelope import COSE, JWS, MAX_ENVELOPE_BYTES

ARTIFACT_TYPE = "application/vnd.cncf.notary.signature"
# One layer, a subject, and an annotation with the thumbprints of the chain.
MAX_SIGNATURE_MANIFEST_BYTES = 64 * 1024

# The members in the OCI image specification, manifest.md; and those of the configuration that are read.
_MEMBERS = ("schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "annotations")
_CONFIG_MEMBERS = ("mediaType",)

_STEP = "3.2 of the workflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureManifest:
    """`subject` is the artifact that the manifest claims to sign, and `envelope` is the only layer."""

    subject: Descriptor
    envelope: Descriptor


def read_signature_manifest(content: bytes) -> SignatureManifest:
    """Return the signature manifest in `content`.

    Raises RunbookError VD-TRUST-002 (malformed, or not a signature), -003 (an envelope of another format than JWS).
    """
    if len(content) > MAX_SIGNATURE_MANIFEST_BYTES:
        raise malformed(f"the signature manifest has over {MAX_SIGNATURE_MANIFEST_BYTES} bytes", _STEP)
    document = read_object(content, "the signature manifest", _STEP)
    refuse_lookalikes(document, _MEMBERS, "the signature manifest", _STEP)
    version = document.get("schemaVersion")
    # 2.0 == 2. The media type may be left out (OCI image specification, manifest.md: SHOULD).
    if type(version) is not int or version != 2 or _small(document.get("mediaType", MANIFEST_TYPE)) != MANIFEST_TYPE:
        raise malformed(f"the signature manifest is no {MANIFEST_TYPE}", _STEP)
    refuse_lookalikes(_config(document), _CONFIG_MEMBERS, "the signature manifest's configuration", _STEP)
    kind = _kind(document)
    if _small(kind) != ARTIFACT_TYPE:
        raise malformed(f"the manifest's type is {shown(kind)}, no signature's", _STEP)
    layers = document.get("layers")
    if not isinstance(layers, list) or len(layers) != 1:
        raise malformed("the signature manifest has not exactly one layer", _STEP)
    envelope = read_descriptor(layers[0], "the layer", _STEP)
    if envelope.media_type != JWS:
        which = "COSE" if envelope.media_type == COSE else shown(envelope.media_type)
        raise trust.SIGNATURE_FORMAT_UNKNOWN.error(f"it is {which}; {JWS} is read (step {_STEP})")
    if envelope.size > MAX_ENVELOPE_BYTES:
        raise malformed(f"the envelope has {envelope.size} bytes; at most {MAX_ENVELOPE_BYTES} are read", _STEP)
    return SignatureManifest(subject=read_descriptor(document.get("subject"), "the subject", _STEP), envelope=envelope)


def type_of(content: bytes) -> str:
    """Return the type that a manifest says, in small letters, "" if it cannot be read or says none."""
    try:
        kind = _small(_kind(read_object(content, "the manifest", _STEP)))
    except RunbookError:
        return ""
    return kind if isinstance(kind, str) else ""


def _kind(document: dict[str, Any]) -> Any:
    """Return artifactType, or else the configuration's media type (OCI image specification, manifest.md).

    The Notary Project's released specification (1.1, "Storage") marks signatures by the second, and later drafts by the
    first.
    """
    return document.get("artifactType") or _config(document).get("mediaType")


def _config(document: dict[str, Any]) -> dict[str, Any]:
    config = document.get("config")
    return config if isinstance(config, dict) else {}


def _small(value: Any) -> Any:
    """Return a media type in small letters: they are compared without case (RFC 6838, 4.2)."""
    return value.lower() if isinstance(value, str) else value
