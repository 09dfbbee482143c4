"""Import the publisher's release manifest: into the customer's container registry and, immutable, into artifact
storage, each time with the signature that says whose it is.

The customer's tag `latest` moves last: what it points to is installed, whole and readable in both places.
"""

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.change import Change, NoChange, Plan
from runbook_lib.container_registry.image_import import ImageImporter, image_importer
from runbook_lib.container_registry.reader import ContainerRegistryReader, customer_reader, publisher_reader
from runbook_lib.context import Context
from runbook_lib.errors import RunbookError, container_registry, run
from runbook_lib.errors import release as release_errors
from runbook_lib.release import storage as artifact_storage
from runbook_lib.release.fetch import FetchedRelease, fetch_release, read_artifact, resolve_release
from runbook_lib.release.installed import MAX_NO_GOOD, those_that_are_good
from runbook_lib.release.manifest import REPOSITORY, TAG
from runbook_lib.release.model import LATEST, InstalledRelease
from runbook_lib.release.rules import check_installable, in_the_way
from runbook_lib.release.stored import is_no_good, is_whole, missing_parts, read_stored
from runbook_lib.release.trust_policy import trust_policy
from runbook_lib.release.verification import VerifiedRelease, verify_release
from runbook_lib.release.verification_log import Step, recorded
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.runbook import Runbook, main
from runbook_lib.spool.keys import spool_keys
from runbook_lib.trust.manifest import ARTIFACT_TYPE, MAX_SIGNATURE_MANIFEST_BYTES
from runbook_lib.trust.referrers import list_referrers
from runbook_lib.trust.signature import TrustPolicy
from runbook_lib.vault.publisher_token import read_publisher_token

IMPORT = "import"
STORE = "store"


@dataclass(frozen=True, kw_only=True)
class Parameters(CommonParameters):
    """What import_manifest takes."""

    release_tag: str = field(default=LATEST, metadata={"help": "tag of the release: a version, or latest"})
    allow_downgrade: bool = field(default=False, metadata={"help": "accept an older release than the newest installed"})

    def __post_init__(self) -> None:
        """Check what can be checked without the world. Raises RunbookError VD-PARAM-002."""
        super().__post_init__()
        if not re.fullmatch(TAG, self.release_tag):
            raise run.MALFORMED_PARAMETER.error("takes a tag: letters, digits, dots, dashes", target="release_tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What import_manifest found.

    offered: the publisher's release; signature: by which it was verified. installed: the releases in artifact storage
    that could stand in its way; missing: what artifact storage lacks of the offered one. tags: the
    customer's tags of the release manifest, with their digests (None: absent); signed: that the customer's container
    registry has the signature.
    """

    release_tag: str
    allow_downgrade: bool
    now: datetime
    offered: FetchedRelease
    signature: VerifiedRelease
    installed: tuple[InstalledRelease, ...]
    missing: tuple[str, ...]
    tags: Mapping[str, str | None]
    signed: bool
    policy: TrustPolicy
    customer: ContainerRegistryReader = field(repr=False)
    importer: ImageImporter = field(repr=False)

    @property
    def release(self) -> InstalledRelease:
        """The offered release, as artifact storage knows it."""
        return InstalledRelease(self.offered.manifest.version, self.offered.sha256)

    @property
    def parts(self) -> Mapping[str, bytes]:
        """What artifact storage is to have of the release."""
        return {
            artifact_storage.ARTIFACT: self.signature.content,
            artifact_storage.SIGNATURE: self.signature.envelope,
            artifact_storage.CONTENT: self.offered.content,
        }


def observe(context: Context, parameters: Parameters) -> Facts:
    """Read the publisher's release and what the customer has of it."""
    clients, customer = context.clients, customer_reader(context)
    policy = trust_policy(context.settings)
    # 1. A container that would not keep the manifest for ever is refused before anything else.
    kept = artifact_storage.check_immutable(clients.resources, context.settings)
    context.output.info(f"container {artifact_storage.CONTAINER}: retention policy {kept}")
    # 2. The tag is resolved once; from here on the digest counts, wherever the tag moves.
    token = read_publisher_token(clients.secrets, context.redactor, now=context.clock.now())
    spool_keys(clients, context.redactor, context.clock).remember(token)
    publisher = publisher_reader(context, token)
    source = f"{REPOSITORY}:{parameters.release_tag}"
    artifact = resolve_release(publisher, parameters.release_tag)
    if artifact is None:
        raise release_errors.NO_SUCH_RELEASE.error(target=source)
    # 3. Who signed it, before a byte of it is read.
    now = context.clock.now()
    signature = recorded(
        context,
        f"{context.settings.publisher_registry}/{source}",
        lambda: verify_release(publisher, artifact, policy, now),
    )
    # 4. The content, by digest, in bounds, and parsed with every check of form and consistency.
    offered = fetch_release(publisher, read_artifact(signature.content, digest=signature.digest, target=source))
    # 5. What is installed.
    release = InstalledRelease(offered.manifest.version, offered.sha256)
    tags = {tag: customer.digest_of(REPOSITORY, tag) for tag in (release.version, LATEST)}
    return Facts(
        release_tag=parameters.release_tag,
        allow_downgrade=parameters.allow_downgrade,
        now=now,
        offered=offered,
        signature=signature,
        installed=_installed(context, customer, release, tags[LATEST]),
        missing=missing_parts(context, release, signature.content, policy),
        tags=tags,
        signed=_seen_signature(context, customer, signature) is not None,
        policy=policy,
        customer=customer,
        importer=image_importer(context, customer, token),
    )


def _installed(
    context: Context, customer: ContainerRegistryReader, release: InstalledRelease, latest: str | None
) -> tuple[InstalledRelease, ...]:
    """Return the stored releases that could stand in the way of `release`: those that are verified, and the one that
    the customer's `latest` points to.

    What is not counts for nothing: whoever may write blobs could else, with a name alone, keep every release out for
    ever. Nobody can delete a release that counts. The one of `latest` counts when its root is pinned no more, too: a
    change of pins is no leave to go back. It can keep nothing out for ever, since a tag can be moved.
    """
    stored = artifact_storage.releases_in(artifact_storage.list_blobs(context.clients.blob_service))
    newer = set(in_the_way(release, stored))
    others = [other for other in stored if other in newer]
    good = {one.release for one in those_that_are_good(context, others)}
    doubtful = [other for other in others if other not in good]
    return (*(other for other in others if other in good), *_of_latest(context, customer, latest, doubtful))


def _of_latest(
    context: Context, customer: ContainerRegistryReader, latest: str | None, doubtful: Sequence[InstalledRelease]
) -> list[InstalledRelease]:
    """Return that of the doubtful releases which the customer's `latest` points to, where every byte of it is there."""
    if latest is None or not doubtful:
        return []
    try:
        found = resolve_release(customer, LATEST)
        target = f"{REPOSITORY}:{LATEST}"
        wanted = found and read_artifact(found.content, digest=found.digest, target=target).content_digest
    except RunbookError as error:
        if not is_no_good(error) and not error.is_(container_registry.ANSWER_OUT_OF_BOUNDS):
            raise
        return []  # what it points to is no release
    named = [other for other in doubtful if f"sha256:{other.sha256}" == wanted]
    return [other for other in named[:MAX_NO_GOOD] if is_whole(context.clients.blob_service, other, latest)]


def _seen_signature(
    context: Context, customer: ContainerRegistryReader, signature: VerifiedRelease, *, step: Step = "observe"
) -> str | None:
    """Return what `_signature_at` does; the log tells of a signature that is there, and of one with other bytes."""
    found = recorded(
        context,
        f"{customer.login_server}/{REPOSITORY}@{signature.signature_digest}",
        lambda: None if _signature_at(customer, signature) is None else signature,
        step=step,
    )
    return None if found is None else found.signature_digest


def _signature_at(customer: ContainerRegistryReader, signature: VerifiedRelease) -> str | None:
    """Return the signature's digest where the customer's container registry has it whole, and knows what it is of.

    Raises RunbookError VD-REGISTRY-005 where it has other bytes.
    """
    digest = signature.signature_digest
    listed = list_referrers(customer, REPOSITORY, signature.digest, ARTIFACT_TYPE)
    if not any(one.get("digest") == digest for one in listed):
        return None
    # By digest: what comes is what was verified at the publisher's.
    there = customer.manifest(REPOSITORY, digest, MAX_SIGNATURE_MANIFEST_BYTES)
    envelope = customer.blob(REPOSITORY, _digest(signature.envelope), len(signature.envelope))
    return None if there is None or envelope is None else digest


def plan(facts: Facts) -> Plan:
    """Version tag and stored blobs first, then the signature, which refers to them, `latest` last.

    Refuses what must not be installed.
    """
    version, sha256, digest = facts.release.version, facts.release.sha256, facts.offered.digest
    if facts.release_tag not in (version, LATEST):
        raise release_errors.NOT_A_RELEASE_MANIFEST.error(f"the tag holds version {version}", target=facts.release_tag)
    # What is installed is no downgrade, also after one: a rerun has nothing to do, and needs no second permission.
    there = not facts.missing and facts.tags == {version: digest, LATEST: digest}
    check_installable(
        facts.offered.manifest,
        sha256=sha256,
        installed=facts.installed,
        now=facts.now,
        allow_downgrade=facts.allow_downgrade or there,
    )
    if facts.tags[version] not in (None, digest):
        raise release_errors.SAME_VERSION_OTHER_DIGEST.error(
            f"tag has {facts.tags[version]}, offered {digest}", target=version
        )
    signature = facts.signature.signature_digest
    wanted = (
        Change(1, IMPORT, f"{REPOSITORY}:{version}", facts.tags[version], digest),
        *(_store(facts, part, content) for part, content in facts.parts.items()),
        Change(2, IMPORT, f"{REPOSITORY}@{signature}", signature if facts.signed else None, signature),
        Change(3, IMPORT, f"{REPOSITORY}:{LATEST}", facts.tags[LATEST], digest),
    )
    return Plan(
        changes=tuple(change for change in wanted if change.before != change.after),
        unchanged=tuple(NoChange(change.target, "is the same") for change in wanted if change.before == change.after),
    )


def apply(context: Context, facts: Facts, change: Change) -> None:
    """Make one change."""
    service = context.clients.blob_service
    if change.action == STORE:
        part = _part(facts, change)
        artifact_storage.store_once(service, facts.release, part, facts.parts[part])
    elif _is_signature(facts, change):
        facts.importer.import_untagged(
            repository=REPOSITORY,
            digest=change.after,
            arrived=lambda: _signature_at(facts.customer, facts.signature) == change.after,
        )
    else:
        if _tag(change) == LATEST:
            # What the tag is to point to must be there as every runbook will read it.
            recorded(
                context,
                _target(facts, artifact_storage.CONTENT),
                lambda: read_stored(service, facts.release, facts.policy),
                step="verify",
            )
        facts.importer.import_by_digest(repository=REPOSITORY, tag=_tag(change), digest=change.after)


def look(context: Context, facts: Facts, change: Change) -> str | None:
    """Read one change back: the tag's digest, the signature's as a referrer, or the digest of what the blob holds."""
    if change.action == STORE:
        found = artifact_storage.read_part(context.clients.blob_service, facts.release, _part(facts, change))
        return None if found is None else _digest(found.content)
    if _is_signature(facts, change):
        return _seen_signature(context, facts.customer, facts.signature, step="verify")
    return facts.customer.digest_of(REPOSITORY, _tag(change))


def _store(facts: Facts, part: str, content: bytes) -> Change:
    """A part that is there is as it should be, also where it is another good signature."""
    after = _digest(content)
    return Change(1, STORE, _target(facts, part), None if part in facts.missing else after, after)


def _target(facts: Facts, part: str) -> str:
    return f"{artifact_storage.CONTAINER}/{artifact_storage.blob_name(facts.release, part)}"


def _part(facts: Facts, change: Change) -> str:
    return next(part for part in facts.parts if _target(facts, part) == change.target)


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _is_signature(facts: Facts, change: Change) -> bool:
    return change.after == facts.signature.signature_digest


def _tag(change: Change) -> str:
    return change.target.rpartition(":")[2]


RUNBOOK = Runbook(
    name="import_manifest",
    summary="import the publisher's release manifest",
    parameters=Parameters,
    observe=observe,
    plan=plan,
    apply=apply,
    look=look,
    callbacks=Callbacks(release_version=lambda facts: facts.release.version),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
