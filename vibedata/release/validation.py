"""Validate a release as customers will get it, with one list of checks.

Each check runs, no matter what the others have found. Each check reports what is good and what is not. If something
cannot be looked at, its state is unknown, and the release is not valid. `vibedata verify-release` makes all checks.
`vibedata push` makes the checks of the content before it sends anything.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from functools import partial

from oci.bundling.built_file import UnfitError, foreign_imports
from oci.bundling.closure import check_available
from oci.packages.combined_wheel import differs_from
from oci.packages.facts import unmet_needs
from oci.packages.wheels import LockedWheel, modules_of
from oci.release.usable import check_usable
from runbook_lib.basics.clock import rfc3339
from runbook_lib.errors import RunbookError, build, release
from runbook_lib.preflight.finding import Finding, NotKnownError, bad, good, look, unknown
from runbook_lib.release.fetch import place_name, resolve_release
from runbook_lib.release.model import LATEST, MANIFEST_REPOSITORY, ImagePin, Pin, RunbookPin
from runbook_lib.workers import side_by_side
from vibedata.deployment.first_publication import FIRST_RUNBOOKS
from vibedata.image_tags.literal_tags import literal_tags
from vibedata.release.check import LOOKUPS_AT_ONCE
from vibedata.release.pulled import pull_image
from vibedata.release.validated import Check, Validated

REGISTRY, RELEASE, BICEP = "container registry", "release", "Bicep files"
TOKEN_ROW, PROMOTED_ROW, SIGNATURE_ROW = "customer's token", f"tag {LATEST}", "signature"
MANIFEST_ROW, EXPIRY_ROW, PACKAGES_ROW = "release manifest", "expiry", "Python packages"
# How many faults of one kind a row names.
MAX_NAMED = 5


def _token(validated: Validated) -> Iterator[Finding]:
    def check() -> str:
        if validated.source is None:
            raise NotKnownError("nobody has said whose token it is")
        token = validated.source.fetch([f"repository:{MANIFEST_REPOSITORY}:pull,push"]).value
        actions = _actions(token)
        if "push" in actions:
            detail = f"it may push to {MANIFEST_REPOSITORY}"
            raise build.NO_CUSTOMER_TOKEN.error(detail)
        if "pull" not in actions:
            raise NotKnownError(f"its token does not say that it may pull from {MANIFEST_REPOSITORY}")
        return "may read, and may not write"

    yield look(TOKEN_ROW, check)


def _actions(token: str) -> frozenset[str]:
    """Return the actions that an access token allows. The server itself has sent it, so nobody checks its signature."""
    try:
        payload = token.split(".")[1]
        access = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["access"]
        return frozenset(action for each in access for action in each["actions"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return frozenset()


def _promoted(validated: Validated) -> Iterator[Finding]:
    def check() -> str:
        wanted, latest = validated.found, resolve_release(validated.reader, LATEST)
        if isinstance(wanted, RunbookError):
            raise NotKnownError("there is no release to compare it with")
        target = place_name(LATEST)
        if latest is None:
            raise build.NOT_PROMOTED.error("there is no such tag", target=target)
        if latest.artifact.digest != wanted.artifact.digest:
            detail = f"it leads to {latest.artifact.digest}, and {validated.version} is {wanted.artifact.digest}"
            raise build.NOT_PROMOTED.error(detail, target=target)
        said = (validated.manifest.version, validated.manifest.channel)
        if said != (validated.version, validated.channel):
            detail = f"its release manifest says version {said[0]}, channel {said[1]}"
            raise build.NOT_PROMOTED.error(detail, target=target)
        return f"leads to {validated.version}, channel {validated.channel}, {latest.artifact.digest}"

    yield look(PROMOTED_ROW, check)


def _signature(validated: Validated) -> Iterator[Finding]:
    def check() -> str:
        if isinstance(validated.found, RunbookError):
            raise NotKnownError("there is no release")
        signed = validated.place.verify(validated.found.artifact, validated.policy, validated.now)
        return f"by {signed.verified.leaf_subject}, under the pinned root {signed.verified.anchor_fingerprint}"

    yield look(SIGNATURE_ROW, check)


def _manifest(validated: Validated) -> Iterator[Finding]:
    def check() -> str:
        if isinstance(validated.read, RunbookError):
            raise validated.read
        check_usable(validated.read)
        names = {pin.name for pin in validated.read.runbooks}
        missing = [name for name in FIRST_RUNBOOKS if name not in names]
        if missing:
            raise build.RUNBOOK_NOT_IN_RELEASE.error(", ".join(missing), target=validated.read.version)
        return f"version {validated.read.version}, channel {validated.read.channel}, {len(validated.read.pins)} pins"

    yield look(MANIFEST_ROW, check)


def _expiry(validated: Validated) -> Iterator[Finding]:
    def check() -> str:
        manifest = validated.manifest
        if validated.now >= manifest.expires_at:
            raise release.RELEASE_EXPIRED.error(
                f"it expired at {rfc3339(manifest.expires_at)}", target=manifest.version
            )
        return f"may be installed until {rfc3339(manifest.expires_at)}"

    yield look(EXPIRY_ROW, check)


def _pins(validated: Validated) -> Sequence[Finding]:
    try:
        pins, packages = validated.manifest.pins, validated.packages
    except NotKnownError as error:
        return [unknown("pinned artifacts", str(error))]
    validated.reader.expect({pin.repository for pin in pins})

    def pulled(pin: Pin) -> Finding:
        def check() -> str:
            if isinstance(pin, ImagePin):
                return pull_image(validated.reader, pin)
            return validated.files.pull(pin, packages)

        return look(f"artifact {pin.repository}:{pin.tag}", check)

    return side_by_side(pulled, pins, at_once=LOOKUPS_AT_ONCE)


def _runbooks(validated: Validated) -> Iterator[Finding]:
    try:
        pins, wheels = validated.manifest.runbooks, _wheels(validated)
    except NotKnownError as error:
        yield unknown("runbooks", str(error))
        return
    try:
        packaged = modules_of(wheels) or None
    except RunbookError:
        packaged = None  # the row of the packages reports it
    for pin in pins:
        yield look(f"runbook {pin.name}", partial(_runbook, validated, pin, packaged))


def _runbook(validated: Validated, pin: RunbookPin, packaged: frozenset[str] | None) -> str:
    try:
        (blob,) = validated.files.blobs(pin, None)
        content = validated.files.file(pin, blob).read_bytes()
    except RunbookError as error:
        raise NotKnownError("its file cannot be pulled") from error
    try:
        imported = foreign_imports(content)
    except UnfitError as error:
        raise build.RUNBOOK_UNFIT.error(str(error), target=pin.name) from error
    if packaged is None:
        raise NotKnownError("the Python packages cannot be read")
    check_available(pin.name, imported, packaged=packaged)
    return f"{len(content):,} bytes of at most 1 MiB; the packages have all that it imports"


def _wheels(validated: Validated) -> tuple[LockedWheel, ...]:
    """Return the single wheels of the package set, none if they cannot be pulled. Raises NotKnownError."""
    packages, pin = validated.packages, validated.manifest.python_packages
    try:
        return () if packages is None else tuple(validated.files.wheel(pin, wheel) for wheel in packages.wheels)
    except RunbookError:
        return ()


def _packages(validated: Validated) -> Iterator[Finding]:
    def check() -> str:
        pin, packages, wheels = validated.manifest.python_packages, validated.packages, _wheels(validated)
        if packages is None or not wheels:
            raise NotKnownError("they cannot be pulled")
        faults = list(unmet_needs(wheels))
        if packages.combined is None:
            faults.append("there is no combined wheel")
        else:
            lacks = differs_from(validated.files.file(pin, packages.combined.blob), wheels)
            faults += [f"the combined wheel has no such file, or another: {each}" for each in lacks]
        if faults:
            more = f"; and {len(faults) - MAX_NAMED} more" if len(faults) > MAX_NAMED else ""
            raise build.PACKAGES_INCOMPLETE.error("; ".join(faults[:MAX_NAMED]) + more)
        return f"{len(wheels)} packages, for CPython 3.10 on Linux x86_64, with all that they need"

    yield look(PACKAGES_ROW, check)


def _image_tags(validated: Validated) -> Iterator[Finding]:
    literals, unread, count = literal_tags(validated.bicep)
    for each in unread:
        place = f"{each.file}:{each.line}" if each.line else each.file
        yield bad(place, build.BICEP_UNREADABLE.error(each.why, target=place))
    for literal in literals:
        place = f"{literal.file}:{literal.line}"
        yield bad(place, build.IMAGE_TAG_LITERAL.error(literal.tag, target=place))
    if not literals and not unread:
        yield good("image tags", f"none is a literal in {count} file{'' if count == 1 else 's'}")


TOKEN = Check(seen_in=REGISTRY, make=_token)
PROMOTED = Check(seen_in=REGISTRY, make=_promoted)
# The runbooks of every customer refuse a release that fails one of the next two checks.
SIGNATURE = Check(seen_in=RELEASE, make=_signature)
EXPIRY = Check(seen_in=RELEASE, make=_expiry)
# Automation or the runbooks refuse a release whose content fails one of these checks.
CONTENT = tuple(Check(seen_in=RELEASE, make=make) for make in (_manifest, _pins, _runbooks, _packages))
IMAGE_TAGS = Check(seen_in=BICEP, make=_image_tags)
CHECKS = (TOKEN, PROMOTED, SIGNATURE, EXPIRY, *CONTENT, IMAGE_TAGS)
