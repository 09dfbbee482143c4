"""What the checks of a release share: the parts of the release, and the loop that makes the checks in order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.tokens import TokenSource
from runbook_lib.errors import RunbookError
from runbook_lib.preflight.finding import Finding, NotKnownError
from runbook_lib.release.artifacts import PackageSet, read_package_set
from runbook_lib.release.hop import ReleasePlace, not_asked, read_release
from runbook_lib.release.model import ReleaseManifest
from runbook_lib.trust.signature import TrustPolicy
from vibedata.release.check import CheckedPlace
from vibedata.release.pulled import PulledFiles


@dataclass(frozen=True, kw_only=True)
class Validated:
    """The release that is validated. A part that several checks need is read only once.

    Attributes:
        place: where the release is.
        policy: whom to trust.
        now: the time (aware).
        folder: where pulled files are written.
        reader: reads the container registry that holds the images.
        source: gives tokens for that container registry; None if no check looks at the token's rights.
        version, channel: the version and the channel that were promoted; "" if no check compares them.
        bicep: Bicep files, and folders of them.
    """

    place: CheckedPlace
    policy: TrustPolicy
    now: datetime
    folder: Path
    reader: ContainerRegistryReader
    source: TokenSource | None = None
    version: str = ""
    channel: str = ""
    bicep: Sequence[Path] = field(default=())

    @cached_property
    def found(self) -> ReleasePlace | RunbookError:
        """The place of the release manifest's artifact, or the error if it was not found."""
        try:
            return self.place.resolve()
        except RunbookError as error:
            return error

    @cached_property
    def read(self) -> ReleaseManifest | RunbookError:
        """The release manifest, no matter who has signed it, or the error if it cannot be read."""
        if isinstance(self.found, RunbookError):
            return self.found
        try:
            return read_release(self.found, not_asked).manifest
        except RunbookError as error:
            return error

    @property
    def manifest(self) -> ReleaseManifest:
        """The release manifest.

        Raises NotKnownError if there is none. The row of the release manifest gives the reason.
        """
        if isinstance(self.read, RunbookError):
            raise NotKnownError("not known without a release manifest")
        return self.read

    @cached_property
    def files(self) -> PulledFiles:
        """The files of the release's artifacts."""
        return PulledFiles(self.place, self.folder)

    @cached_property
    def packages(self) -> PackageSet | None:
        """The package set, None if its manifest cannot be read.

        Raises NotKnownError if there is no release manifest.
        """
        pin = self.manifest.python_packages
        try:
            return read_package_set(self.files.manifest(pin), pin.digest)
        except RunbookError:
            return None  # the row of the packages reports it


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        seen_in: The thing that it looks at.
        make: Returns its findings. It raises no error of the catalogue.
    """

    seen_in: str
    make: Callable[[Validated], Iterable[Finding]]


def rows(checks: Sequence[Check], validated: Validated, tell: Callable[[str], object]) -> list[tuple[str, Finding]]:
    """Make each check. Return each finding together with the thing that was looked at.

    `tell` gets a line before each thing is looked at.
    """
    found: list[tuple[str, Finding]] = []
    told = ""
    for check in checks:
        if check.seen_in != told:
            told = check.seen_in
            tell(f"looking at: {told}")
        found += [(check.seen_in, finding) for finding in check.make(validated)]
    return found
