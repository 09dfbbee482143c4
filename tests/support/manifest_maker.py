"""Release manifests that a test makes and changes."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from runbook_lib.errors import RunbookError
from runbook_lib.release.manifest import parse

DIGEST = "sha256:" + "a" * 64
DOCUMENT: Mapping[str, Any] = {
    "schema_version": 1,
    "version": "2026.11.0",
    "channel": "stable",
    "created_at": "2026-11-01T00:00:00Z",
    "expires_at": "2027-11-01T00:00:00.5Z",
    "images": [
        {"name": "api", "repository": "vibedata/api", "tag": "1.4.2", "digest": DIGEST, "size": 1},
        {"name": "web.ui", "repository": "vibedata/web-ui", "tag": "1.4.2", "digest": DIGEST, "size": 9000},
    ],
    "runbooks": [
        {
            "name": "import_images",
            "repository": "vibedata/runbooks/import_images",
            "tag": "2026.11.0",
            "digest": DIGEST,
            "script_sha256": "b" * 64,
            "mandatory": True,
        }
    ],
    "python_packages": {"repository": "vibedata/python-packages", "tag": "2026.11.0", "digest": DIGEST},
    "documents": [
        {
            "name": "sbom",
            "media_type": "application/vnd.cyclonedx+json",
            "repository": "vibedata/sbom",
            "tag": "2026.11.0",
            "digest": DIGEST,
        }
    ],
    "components": [
        {
            "name": "storage",
            "type": "infrastructure",
            "version": "1",
            "artifact": None,
            "resource_type": "Microsoft.X/y",
        },
        {
            "name": "api",
            "type": "application",
            "version": "1.4.2",
            "artifact": "api",
            "resource_type": "Microsoft.App/containerApps",
            "resource_name": "api",
            "depends_on": ["storage"],
            "health": {"kind": "http", "path": "/health", "expected_status": 200, "timeout_seconds": 5},
        },
        {"name": "importer", "type": "runbook", "version": "1", "artifact": "import_images", "depends_on": ["api"]},
    ],
    "policies": {"networkRetryPolicies": {"max_retries": 3, "delay_seconds": 2}},
}


def document(**fields: Any) -> dict[str, Any]:
    return copy.deepcopy({**DOCUMENT, **fields})


def code_of(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(RunbookError) as caught:
        parse(content)
    return caught.value.code


SCHEMA = json.loads((Path(__file__).parents[2] / "oci" / "release-manifest.schema.json").read_text())


def _ecma_pattern(validator: Any, pattern: str, instance: object, schema: object) -> Any:  # noqa: ARG001 - jsonschema's
    """Match a pattern as JSON Schema (ECMA-262) does: `$` is the end of the text, and no newline may follow."""
    import re

    if isinstance(instance, str) and not re.search(pattern.removesuffix("$") + r"\Z", instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


VALIDATOR = validators.extend(Draft202012Validator, {"pattern": _ecma_pattern})(SCHEMA)  # type: ignore[no-untyped-call]


def component_with(**fields: object) -> dict[str, Any]:
    candidate = document()
    health = {name: fields.pop(name) for name in ("path", "expected_status") if name in fields}
    candidate["components"][1] |= fields
    candidate["components"][1]["health"] |= health
    return candidate
