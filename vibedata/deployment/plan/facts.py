"""Read the facts for the plan of a deployment, once for all steps, with the operator's login. This writes nothing."""

import io
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from runbook_lib.automation import publication
from runbook_lib.automation.account import AutomationAccount
from runbook_lib.automation.publication import Publication, Wanted
from runbook_lib.change import Plan
from runbook_lib.container_registry.reader import customer_reader
from runbook_lib.context import Context
from runbook_lib.release.artifacts import script_of
from runbook_lib.release.files import ArtifactBlobs
from runbook_lib.run.output import JobOutput
from runbooks import import_images, import_manifest, validate_runbooks
from vibedata.deployment.name import certificate
from vibedata.deployment.work import ReleaseWork

if TYPE_CHECKING:
    from runbook_lib.release.model import ReleaseManifest


class PlanFacts:
    """The facts that the plans of the steps need. Each part is read when a plan first asks for it.

    Attributes:
        work: The release, the instance and the chosen steps.
        shown_before: The steps whose plans are shown together with the others. A later step does not count again what
            such a step brings. If only one step is looked at, this is empty, so that its plan leaves nothing out.
    """

    def __init__(self, work: ReleaseWork, *, shown_before: Collection[str] = ()) -> None:
        self.work = work
        self.shown_before = shown_before
        session = work.session
        # A plan in this process has no log and no streams of a job. The job will repeat its warnings.
        self.context = Context(
            settings=session.settings,
            clients=session.clients,
            clock=session.clock,
            redactor=session.redactor,
            retry_policy=session.retry_policy,
            output=JobOutput(io.BytesIO(), redactor=session.redactor, clock=session.clock),
            run_id=work.deployment.correlation_id,
            correlation_id=work.deployment.correlation_id,
            record=lambda _entry: None,
            deliver_log=lambda: None,
        )

    @property
    def manifest(self) -> "ReleaseManifest":
        """The manifest of the release that is wanted."""
        return self.work.release.verified.manifest

    @cached_property
    def held(self) -> publication.Facts:
        """What the Automation account and artifact storage already hold of the release's runbooks and documents."""
        session, release = self.work.session, self.work.release
        return Publication(
            wanted=Wanted(
                packages=release.package_set(),
                scripts=tuple(script_of(pin.name, pin.script_sha256) for pin in self.manifest.runbooks),
                documents=release.documents(),
            ),
            source=release,
            account=AutomationAccount(client=session.clients.automation, settings=session.settings),
            blobs=ArtifactBlobs(
                blob_service=session.clients.blob_service, clock=session.clock, learn_secret=session.redactor.learn
            ),
            clock=session.clock,
            warn=self.work.report,
        ).observe()

    @cached_property
    def manifest_plan(self) -> Plan:
        """The plan of import_manifest for the release that is wanted."""
        version = self.work.release.verified.id.version
        parameters = import_manifest.Parameters(release_tag=version, allow_downgrade=self.work.allow_downgrade)
        offered = self.work.release.verified
        return import_manifest.plan(import_manifest.beside_installed(self.context, parameters, offered, importer=None))

    @cached_property
    def certificate_plan(self) -> Plan | None:
        """The changes of the first certificate's issuance, None if no certificate can be ordered."""
        return None if certificate.why_not_configured(self.work) else certificate.plan_certificate(self.work)

    @cached_property
    def validation(self) -> validate_runbooks.Facts:
        """What validate_runbooks finds of the release that is wanted."""
        held = validate_runbooks.Held(packages=self.held.packages, runbooks=self.held.runbooks)
        return validate_runbooks.found_of(
            self.context, validate_runbooks.Parameters(), self.manifest, self.held.wanted.packages, held
        )

    @property
    def installed(self) -> bool:
        """Whether the wanted release is completely installed. Only then a later runbook's plan shows what it will
        do.
        """
        plans = (self.manifest_plan, self.images_plan, publication.plan(self.held))
        return not any(plan.changes for plan in plans)

    @cached_property
    def images_plan(self) -> Plan:
        """The plan of import_images for the release that is wanted."""
        return import_images.plan(import_images.found_of(customer_reader(self.context), self.manifest))
