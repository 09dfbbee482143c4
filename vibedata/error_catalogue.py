"""All failures of all areas by their codes. docs/errors.md is made from this catalogue. No built runbook needs it."""

from runbook_lib.errors import (
    automation,
    azure,
    build,
    callbacks,
    component_registry,
    container_registry,
    deployment,
    publisher,
    release,
    rotation,
    run,
    tls,
    trust,
    vault,
)
from runbook_lib.errors.entry import ErrorEntry

AREAS = (
    run,
    azure,
    deployment,
    container_registry,
    release,
    trust,
    vault,
    component_registry,
    automation,
    callbacks,
    rotation,
    tls,
    build,
    publisher,
)
CATALOGUE: dict[str, ErrorEntry] = {
    value.code: value for area in AREAS for value in vars(area).values() if isinstance(value, ErrorEntry)
}
