"""Components, their resources and their releases, for tests of the component registry's rules."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from runbook_lib.component_registry.managed_resources import Resource
from runbook_lib.release.manifest import parse
from runbook_lib.release.model import ReleaseManifest
from tests.support.release_maker import document

APP = "Microsoft.App/containerApps"
VERSION = "2026.11.0"
GROUP = "/subscriptions/s/resourceGroups/g/providers"
IMAGE = "sha256:" + "a" * 64


def resource(name: str, kind: str = APP, **fields: Any) -> Resource:
    made = Resource(
        resource_id=f"{GROUP}/{kind}/{name}",
        type=kind,
        name=name,
        kind="",
        location="westeurope",
        sku="",
        tags="",
        version="",
        provisioning_state="Succeeded",
        created_at="2026-11-01T00:00:00Z",
    )
    return dataclasses.replace(made, **fields)


def component(name: str, **fields: Any) -> dict[str, Any]:
    made = {"name": name, "type": "application", "version": VERSION, "resource_type": APP, "resource_name": name}
    return {**made, "depends_on": [], "health": {"kind": "none"}, **fields}


def manifest(*components: Mapping[str, Any], **fields: Any) -> ReleaseManifest:
    image = {"name": "studio", "repository": "vibedata/studio", "tag": VERSION, "digest": IMAGE, "size": 1}
    made = document(**{"images": [image], "runbooks": [], **fields, "components": list(components)})
    return parse(json.dumps(made).encode())
