"""Publish the installed release's runbooks, and the Python packages that they need, to the Automation account.

All files come from the customer's container registry, by the digests that the release manifest pins. Artifact storage
keeps them. The runbook replaces itself like any other: a job runs the text that it was started with.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.automation import publication
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.publication import Publication, Wanted
from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.change import Action, Plan
from runbook_lib.container_registry.reader import customer_reader
from runbook_lib.context import Context
from runbook_lib.permissions.automation_account import PUBLISH
from runbook_lib.permissions.images import READ_IMAGES
from runbook_lib.permissions.storage import LINK_BLOBS
from runbook_lib.release.artifacts import ContainerRegistryArtifacts, script_of
from runbook_lib.release.files import ArtifactBlobs
from runbook_lib.release.installed import ReleaseParameters, installed_release
from runbook_lib.runbook import Runbook, main


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What publish_runbooks found. `version` is the release's."""

    version: str
    held: publication.Facts
    publication: Publication = field(repr=False)


def observe(context: Context, parameters: ReleaseParameters) -> Facts:
    """Read the installed release's pins, and what the account and artifact storage have of them."""
    customer = customer_reader(context)
    manifest = installed_release(context, customer, parameters.release_version).manifest
    artifacts = ContainerRegistryArtifacts(reader=customer, manifest=manifest)
    published = Publication(
        wanted=Wanted(
            packages=artifacts.package_set(),
            scripts=tuple(script_of(pin.name, pin.script_sha256) for pin in manifest.runbooks),
            documents=artifacts.documents(),
        ),
        source=artifacts,
        account=AutomationAccount(client=context.clients.automation, settings=context.settings),
        blobs=ArtifactBlobs(
            blob_service=context.clients.blob_service,
            clock=context.clock,
            learn_secret=context.redactor.learn,
        ),
        clock=context.clock,
        warn=context.output.warning,
    )
    held = published.observe()
    for notice in publication.notices(held):
        context.output.warning(notice)
    return Facts(version=manifest.version, held=held, publication=published)


def plan(facts: Facts) -> Plan:
    """Plan files and environment, then packages, then runbooks. Refuse to replace a runbook of somebody else."""
    return publication.plan(facts.held)


def actions(context: Context, facts: Facts) -> Sequence[Action[Any]]:  # noqa: ARG001 - a runbook's signature
    """Return the publication's actions."""
    return facts.publication.actions()


RUNBOOK = Runbook(
    name="publish_runbooks",
    summary="publish the installed release's runbooks and packages to the Automation account",
    parameters=ReleaseParameters,
    observe=observe,
    plan=plan,
    actions=actions,
    callbacks=Callbacks(release_version=lambda facts: facts.version),
    permissions=(LINK_BLOBS, PUBLISH, READ_IMAGES),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
