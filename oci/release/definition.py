"""Read the release definition (release.json) of a release pipeline, and make the release manifest from it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from oci.layout.writer import canonical
from oci.release.usable import check_usable
from runbook_lib.basics import strict_json
from runbook_lib.errors import RunbookError, build
from runbook_lib.release.manifest import MEDIA_TYPE, SCHEMA_VERSION, parse

RUNBOOK_REPOSITORY = "vibedata/runbooks"
PACKAGES_REPOSITORY = "vibedata/python-packages"
SBOM_REPOSITORY = "vibedata/sbom"
PROVENANCE_REPOSITORY = "vibedata/provenance"
RUNBOOK_MEDIA_TYPE = "application/vnd.vibedata.runbook.v1+python"
MANIFEST_MEDIA_TYPE = MEDIA_TYPE

# The release manifest has at most 1 MiB, and the definition may have more white space.
MAX_DEFINITION_BYTES = 4 * 1024 * 1024
# Somebody could replay a release for ever if it never expired. A longer life than this is a mistake.
MAX_VALID_DAYS = 3660
# An error names at most this number of unknown fields, and this number of characters of each.
SHOWN = 40
_FIELDS: Mapping[str, type] = {
    "version": str,
    "channel": str,
    "valid_days": int,
    "images": list,
    "components": list,
    "policies": dict,
}
_KINDS = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDefinition:
    """The parts of a release besides runbooks and packages. Images, components and policies are as in the manifest."""

    version: str
    channel: str
    valid_days: int
    images: Sequence[Any]
    components: Sequence[Any]
    policies: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltRunbook:
    """A runbook's artifact.

    `digest` is the digest of the artifact's manifest. `script_sha256` is the SHA-256 in hex of its only file.
    """

    name: str
    digest: str
    script_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltDocument:
    """A document about the release.

    The release manifest has its name and its media type. `digest` is the digest of the manifest of the document's
    artifact.
    """

    name: str
    media_type: str
    repository: str
    digest: str


def parse_definition(content: bytes) -> ReleaseDefinition:
    """Return the release definition in a file's bytes.

    The content of most fields is checked later, with the manifest. Raises RunbookError VD-BUILD-001 if the file is not
    JSON or is nested too deeply, if a field is missing, unknown or of another kind, or if valid_days is out of range.
    """
    try:
        value = strict_json.loads(content)
    except strict_json.NotStrictJsonError as error:
        raise _invalid(str(error)) from error
    if not isinstance(value, dict):
        raise _invalid("it takes a JSON object")
    # Read the numbers as they will be written: 365.0 is the whole number 365.
    try:
        value = strict_json.loads(canonical(value))
    except RecursionError as error:
        raise _invalid("it is nested too deeply") from error
    if unknown := sorted(set(value) - set(_FIELDS)):
        raise _invalid(f"unknown field {', '.join(map(_shown, unknown[:SHOWN]))}; known are {', '.join(_FIELDS)}")
    for name, kind in _FIELDS.items():
        if name not in value:
            raise _invalid(f"{name} is missing; it takes {_KINDS[kind]}")
        if type(value[name]) is not kind:
            raise _invalid(f"{name} takes {_KINDS[kind]}")
    if not 1 <= value["valid_days"] <= MAX_VALID_DAYS:
        raise _invalid(f"valid_days takes 1 to {MAX_VALID_DAYS}")
    return ReleaseDefinition(**value)


def manifest_of(
    definition: ReleaseDefinition,
    *,
    created_at: datetime,
    runbooks: Sequence[BuiltRunbook],
    packages_digest: str,
    documents: Sequence[BuiltDocument],
) -> bytes:
    """Return the release manifest as canonical JSON (docs/design.md#the-release-manifest).

    The signature protects these bytes, because the signed manifest of their artifact has their digest.

    `created_at` is aware, in UTC, in whole seconds. Raises RunbookError VD-BUILD-001 with the reason if every customer
    would refuse the manifest.
    """
    manifest = canonical(
        {
            "schema_version": SCHEMA_VERSION,
            "version": definition.version,
            "channel": definition.channel,
            "created_at": _time(created_at),
            "expires_at": _time(created_at + timedelta(days=definition.valid_days)),
            "images": definition.images,
            "runbooks": [_runbook_entry(runbook, definition.version) for runbook in runbooks],
            "python_packages": {
                "repository": PACKAGES_REPOSITORY,
                "tag": definition.version,
                "digest": packages_digest,
            },
            "documents": [_document_entry(document, definition.version) for document in documents],
            "components": definition.components,
            "policies": definition.policies,
        }
    )
    try:
        check_usable(parse(manifest))
    except RunbookError as error:
        raise _invalid(f"{error.message} ({error.code})") from error
    return manifest


def runbook_repository(name: str) -> str:
    """Return the repository of a runbook's artifacts."""
    return f"{RUNBOOK_REPOSITORY}/{name}"


def _runbook_entry(runbook: BuiltRunbook, version: str) -> dict[str, Any]:
    return {
        "name": runbook.name,
        "repository": runbook_repository(runbook.name),
        "tag": version,
        "digest": runbook.digest,
        "script_sha256": runbook.script_sha256,
        "mandatory": True,
    }


def _document_entry(document: BuiltDocument, version: str) -> dict[str, Any]:
    return {
        "name": document.name,
        "media_type": document.media_type,
        "repository": document.repository,
        "tag": version,
        "digest": document.digest,
    }


def _shown(name: str) -> str:
    """Return an unknown name for an error, with escapes for invisible characters."""
    quoted = ascii(name[:SHOWN])
    return name if quoted == f"'{name}'" else quoted


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _invalid(detail: str) -> RunbookError:
    return build.DEFINITION_INVALID.error(detail)
