"""Microsoft.ContainerRegistry/registries in ARM: `importImage`, a long-running operation.

Faithful: the body's fields are those of azure-mgmt-containerregistry 15.0.0 and no others; a source has a resourceId or
a registryUri, an image a tag or a digest, not both (Azure/azure-cli#14337); 202 with Location and Retry-After 10
(Azure/acr#549); what goes wrong later is the operation's failure: 400 InvalidParameters (Azure/acr#632,
dotnet/docker-tools#1125) with the source's own words, 409 if a tag exists under NoForce (its text is from
Azure/azure-cli#10938; the status is chosen here). Every import starts at once and takes at least the latency of the
operation `importImage` (control API). Left out: registries of other resource groups as `resourceId`, other operations
on the resource.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from lab.arm.dispatch import Arm, ArmRefusal, json_body, only_fields
from lab.container_registry.blobs import DIGEST
from lab.container_registry.front import NAME, TAG
from lab.container_registry.image_copy import TagExistsError, Target, copy_image
from lab.container_registry.image_source import Credentials, ImageSource, ImportFailedError
from lab.container_registry.store import ContainerRegistryStore
from lab.shared import Lab

API_VERSIONS = ("2025-11-01", "2025-04-01", "2023-07-01", "2026-09-01-preview")
CUSTOMER_SITE = "customer_registry"
OPERATION = "importImage"
RETRY_AFTER_SECONDS = 10
SOURCE_IMAGE = re.compile(rf"{NAME}(?::(?P<tag>{TAG})|@(?P<digest>{DIGEST}))?")
TARGET_TAG = re.compile(rf"{NAME}(?::(?P<tag>{TAG}))?")
# A login server with its port; no scheme, no path.
HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")
MODES = ("NoForce", "Force")


def register(arm: Arm, store: ContainerRegistryStore) -> None:
    """Add importImage of the customer's container registry, whose content is in `store`."""
    lab = arm.lab
    resource = f"{lab.names.resource_group_id}/providers/Microsoft.ContainerRegistry/registries/"

    async def import_image(request: web.Request, names: Mapping[str, str]) -> web.Response:
        body = await json_body(request, {"source", "targetTags", "untaggedTargetRepositories", "mode"})
        source, reference, tag = _source(lab, body, resource + names["registry"])
        target = _target(body, tag)

        async def take_time() -> None:
            await lab.gate.operation(OPERATION)

        operation_id = f"registries-{uuid.uuid4()}"
        failed = f"Operation {operation_id} failed. Resource {resource}{names['registry']}"

        async def run() -> None:
            try:
                await copy_image(source, reference, target, store, pause=take_time)
            except TagExistsError as error:
                raise ArmRefusal(409, "Conflict", f"{failed} {error}") from error
            except ImportFailedError as error:
                raise ArmRefusal(400, "InvalidParameters", f"{failed} {error}") from error

        return arm.accept(request, run(), retry_after=RETRY_AFTER_SECONDS, operation_id=operation_id, body="null")

    arm.provider(
        "Microsoft.ContainerRegistry", "registries/{registry}/importImage", API_VERSIONS, {"POST": import_image}
    )


def _source(lab: Lab, body: Mapping[str, Any], own_id: str) -> tuple[ImageSource, str, str]:
    """Return the source, the tag or digest to read there, and the tag for targets that name none."""
    if "source" not in body:
        raise _invalid("Missing property parameters.Source for the operation.")
    source = only_fields(body["source"], {"resourceId", "registryUri", "credentials", "sourceImage"}, "'source'")
    resource_id, uri = _text(source, "resourceId"), _text(source, "registryUri")
    if bool(resource_id) == bool(uri):
        raise _invalid("Either ResourceId or RegistryUri of the source has to be given, and not both.")
    found = SOURCE_IMAGE.fullmatch(_text(source, "sourceImage"))
    if found is None:
        message = "it is repository, repository:tag or repository@sha256:digest."
        raise _invalid(f"The source image '{_text(source, 'sourceImage')}' is invalid; {message}")
    credentials = _credentials(source.get("credentials"))
    if resource_id:
        if resource_id.lower() != own_id.lower():
            raise _invalid(f"The source registry '{resource_id}' could not be found or is not accessible.")
        if credentials is not None:
            raise _invalid("Credentials go with RegistryUri, not with ResourceId.")
        uri = lab.host(CUSTOMER_SITE)
        credentials = Credentials(lab.names.customer_registry_username, lab.names.customer_registry_password)
    elif HOST.fullmatch(uri) is None:
        raise _invalid(f"The registry uri '{uri}' is invalid; it is a login server.")
    reader = ImageSource(session=lab.upstream, host=uri, repository=found["name"], credentials=credentials)
    return reader, found["digest"] or found["tag"] or "latest", found["tag"] or "latest"


def _credentials(value: object) -> Credentials | None:
    if value is None:
        return None
    credentials = only_fields(value, {"username", "password"}, "'credentials'")
    if not _text(credentials, "password"):
        raise _invalid("Missing property parameters.Source.Credentials.Password for the operation.")
    return Credentials(_text(credentials, "username") or None, _text(credentials, "password"))


def _target(body: Mapping[str, Any], source_tag: str) -> Target:
    mode = _text(body, "mode") or MODES[0]
    if mode not in MODES:
        raise _invalid(f"The mode '{mode}' is invalid; it is {' or '.join(MODES)}.")
    repositories: dict[str, tuple[str, ...]] = {}
    for text in _texts(body, "targetTags"):
        found = TARGET_TAG.fullmatch(text)
        if found is None:
            raise _invalid(f"The target tag '{text}' is invalid; it is repository[:tag].")
        repositories[found["name"]] = (*repositories.get(found["name"], ()), found["tag"] or source_tag)
    for name in _texts(body, "untaggedTargetRepositories"):
        if re.fullmatch(NAME, name) is None:
            raise _invalid(f"The target repository '{name}' is invalid.")
        repositories.setdefault(name, ())
    if not repositories:
        raise _invalid("Missing property parameters.TargetTags for the operation.")
    return Target(repositories=repositories, force=mode == "Force")


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ArmRefusal(400, "InvalidRequestContent", f"The request content was invalid: '{name}' is not a string.")
    return value or ""


def _texts(fields: Mapping[str, Any], name: str) -> list[str]:
    values = fields.get(name)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        message = f"The request content was invalid: '{name}' is not a list of strings."
        raise ArmRefusal(400, "InvalidRequestContent", message)
    return values


def _invalid(message: str) -> ArmRefusal:
    return ArmRefusal(400, "InvalidParameters", message)
