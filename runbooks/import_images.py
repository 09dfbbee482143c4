"""Import everything that the installed release pins into the customer's container registry, by digest.

These are images, runbook artifacts, the Python package set and documents. An artifact that has the right digest stays.
All others are imported side by side. If a tag moves at the source, that changes nothing.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.change import Action, ActionKind, NoChange, Plan
from runbook_lib.container_registry.image_import import ImageImporter, image_importer
from runbook_lib.container_registry.reader import ContainerRegistryReader, customer_reader
from runbook_lib.context import Context
from runbook_lib.permissions.images import IMPORT_IMAGES
from runbook_lib.release.installed import ReleaseParameters, installed_release
from runbook_lib.release.model import Pin, ReleaseManifest
from runbook_lib.runbook import Runbook, main
from runbook_lib.spool.keys import spool_keys
from runbook_lib.vault.token_in_use import read_publisher_token
from runbook_lib.workers import side_by_side

# Lookups at the same time: enough to hide the round trips, and far below the container registry's limit
# (docs/azure-facts.md#importing-images).
LOOKUPS_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What import_images found.

    Attributes:
        version: The release's version.
        pins: The release's pins, by `repository:tag`.
        found: The digests of the customer's tags, None for an absent tag.
        customer: Reads the customer's container registry.
        importer: Imports artifacts, None if no import is needed.
    """

    version: str
    pins: Mapping[str, Pin]
    found: Mapping[str, str | None]
    customer: ContainerRegistryReader = field(repr=False)
    importer: ImageImporter | None = field(repr=False)


def observe(context: Context, parameters: ReleaseParameters) -> Facts:
    """Read the installed release from artifact storage, and its tags in the customer's container registry."""
    customer = customer_reader(context)
    manifest = installed_release(context, customer, parameters.release_version).manifest
    facts = found_of(customer, manifest)
    # The publisher's token is read before the first change, and only if there is one.
    if all(facts.found[target] == pin.digest for target, pin in facts.pins.items()):
        return facts
    token = read_publisher_token(context.clients.secrets, context.redactor, now=context.clock.now())
    spool_keys(context.clients, context.redactor, context.clock).remember(token)
    return replace(facts, importer=image_importer(context, customer, token))


def found_of(customer: ContainerRegistryReader, manifest: ReleaseManifest) -> Facts:
    """Return the facts about a release. They cannot be used to import anything yet."""
    pins = {f"{pin.repository}:{pin.tag}": pin for pin in manifest.pins}
    customer.expect(pin.repository for pin in pins.values())
    digests = side_by_side(
        lambda pin: customer.digest_of(pin.repository, pin.tag), pins.values(), at_once=LOOKUPS_AT_ONCE
    )
    found = dict(zip(pins, digests, strict=True))
    return Facts(version=manifest.version, pins=pins, found=found, customer=customer, importer=None)


IMPORT: ActionKind[Pin] = ActionKind("import", stage=1)


def plan(facts: Facts) -> Plan:
    """Import all artifacts that are absent or have another digest, side by side."""
    wanted = [IMPORT.change(pin, target, facts.found[target], pin.digest) for target, pin in facts.pins.items()]
    return Plan(
        changes=tuple(change for change in wanted if change.before != change.after),
        unchanged=tuple(NoChange(change.target, "is there") for change in wanted if change.before == change.after),
    )


def actions(context: Context, facts: Facts) -> Sequence[Action[Pin]]:  # noqa: ARG001 - a runbook's signature
    """Import an artifact by its digest. Then the customer's tag has this digest."""

    def make(pin: Pin) -> None:
        if facts.importer is None:
            raise ValueError("nothing was to be imported")
        facts.importer.import_by_digest(repository=pin.repository, tag=pin.tag, digest=pin.digest)

    return (Action(IMPORT, make, see=lambda pin: facts.customer.digest_of(pin.repository, pin.tag)),)


RUNBOOK = Runbook(
    name="import_images",
    summary="import everything that the installed release pins",
    parameters=ReleaseParameters,
    observe=observe,
    plan=plan,
    actions=actions,
    callbacks=Callbacks(release_version=lambda facts: facts.version),
    permissions=(IMPORT_IMAGES,),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
