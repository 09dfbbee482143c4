"""Publish a release's runbooks and packages to an Automation account: facts, plan and actions.

1. Artifact storage keeps every file that is used, and it is used from there. Each time the stored file is read and its
   digest compared, even a wheel of 100 MB: a writer of blobs may replace one by another of the same length.
2. Each package set has a runtime environment of its own, named by the set's digest: so the packages of a runbook or a
   running job never change, and the name of an environment shows its content. The packages come as one combined wheel.
   If Automation refuses it, the same run imports them as single wheels.
3. A runbook's text changes in one step, when its draft is published. Until then jobs run the published text. A running
   job keeps its text and its environment. So a publication disturbs no job, not even its own.
4. A runbook that the suite did not make is never touched. A draft of somebody else is stored before it is replaced.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from runbook_lib.automation import writing
from runbook_lib.automation.account import (
    LANGUAGE,
    LANGUAGE_VERSION,
    AutomationAccount,
    HeldPackage,
    HeldRunbook,
    environment_of,
)
from runbook_lib.automation.package_import import PackageImports
from runbook_lib.automation.states import (
    LOOKS_AT_ONCE,
    package_state,
    published_state,
    runbook_state,
    wheels_to_import,
)
from runbook_lib.automation.texts import draft_text
from runbook_lib.automation.writing import RUNBOOK_TYPE, RUNBOOK_TYPES
from runbook_lib.basics.clock import Clock
from runbook_lib.change import Action, ActionKind, Change, NoChange, Plan
from runbook_lib.daemon_threads import DaemonThreads
from runbook_lib.errors import RunbookError, automation, release
from runbook_lib.release.artifacts import MAX_SCRIPT_BYTES, ArtifactBlob, ArtifactSource, PackageSet, Script, Wheel
from runbook_lib.release.files import ArtifactBlobs, blob_name
from runbook_lib.release.model import ARTIFACT_CONTAINER

PYTHON = f"{LANGUAGE} {LANGUAGE_VERSION}"
# The stages: first files and the environment, then the packages in it, then the runbooks that need them.
KEEP: ActionKind[ArtifactBlob] = ActionKind("keep", stage=0)
CREATE: ActionKind[str] = ActionKind("create", stage=0)
IMPORT: ActionKind[Wheel] = ActionKind("import", stage=1)
PUBLISH: ActionKind[Script] = ActionKind("publish", stage=2)
# These errors mean that Automation does not accept a wheel, for any reason.
_REFUSALS = (automation.PACKAGE_REFUSED, automation.PACKAGE_IMPORT_TIMED_OUT, automation.CHANGE_REFUSED)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the account and artifact storage must hold. The files in `documents` are only kept."""

    packages: PackageSet
    scripts: Sequence[Script]
    documents: Sequence[ArtifactBlob] = ()

    @property
    def environment(self) -> str:
        """Name of the package set's runtime environment."""
        return environment_of(self.packages.digest)

    def blobs(self, wheels: Sequence[Wheel]) -> tuple[ArtifactBlob, ...]:
        """Return every file, where these wheels are imported."""
        files = [wheel.blob for wheel in wheels] + [script.blob for script in self.scripts]
        return (self.packages.listing, *files, *self.documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the account and artifact storage have.

    Attributes:
        wanted: What they must hold.
        environment: Language and version of the wanted runtime environment, None if it does not exist.
        kept: The wanted files in artifact storage, by the blob's name: `sha256:HEX`, or `N bytes` for a file that is
            too large to be read.
        packages: The packages of that environment, by name in small letters.
        runbooks: The wanted runbooks, None for one that does not exist.
        own: The names of all runbooks that the suite ever made.
    """

    wanted: Wanted
    environment: str | None
    kept: Mapping[str, str]
    packages: Mapping[str, HeldPackage]
    runbooks: Mapping[str, HeldRunbook | None]
    own: Sequence[str]


class Publication:
    """The publication of one release. `source` has the release's files. `warn` gets sentences for people."""

    def __init__(
        self,
        *,
        wanted: Wanted,
        source: ArtifactSource,
        account: AutomationAccount,
        blobs: ArtifactBlobs,
        clock: Clock,
        warn: Callable[[str], object],
    ) -> None:
        self._wanted = wanted
        self._source = source
        self._account = account
        self._blobs = blobs
        self._warn = warn
        self._location = ""
        self._looks = DaemonThreads(LOOKS_AT_ONCE)  # the engine's threads would each keep the memory of a text
        self._imports = PackageImports(account=account, environment=wanted.environment, link=blobs.link, clock=clock)

    def observe(self) -> Facts:
        """Read the account and artifact storage. Raises the errors of both."""
        self._location = self._account.location()
        names = [script.name for script in self._wanted.scripts]
        with ThreadPoolExecutor(LOOKS_AT_ONCE) as looks:
            sizes = looks.submit(self._blobs.sizes)
            environment = looks.submit(self._account.environment, self._wanted.environment)
            packages = looks.submit(self._account.packages, self._wanted.environment)
            own = looks.submit(self._account.own_runbooks)
            runbooks = dict(zip(names, looks.map(self._account.runbook, names), strict=True))
            blobs = self._wanted.blobs(wheels_to_import(self._wanted.packages, packages.result()))
            seen = looks.map(partial(self._seen, sizes.result()), blobs)
            kept = {blob_name(blob): state for blob, state in zip(blobs, seen, strict=True) if state}
        return Facts(
            wanted=self._wanted,
            environment=environment.result(),
            kept=kept,
            packages=packages.result(),
            runbooks=runbooks,
            own=own.result(),
        )

    def actions(self) -> Sequence[Action[Any]]:
        """Return the action of each kind of change. They raise the errors of source, account, storage and imports."""
        account = self._account
        return (
            Action(KEEP, make=self._keep, see=self._blobs.digest),
            Action(
                CREATE,
                make=lambda name: writing.create_environment(account, name, self._location),
                see=account.environment,
            ),
            Action(IMPORT, make=self._imports.run, see=self._imports.state, instead=self._single_imports),
            Action(PUBLISH, make=self._publish, see=lambda script: runbook_state(self._runbook(script.name))),
        )

    def _seen(self, sizes: Mapping[str, int], blob: ArtifactBlob) -> str | None:
        """Return the state of a kept file. A file that is larger than the release's is not read."""
        size = sizes.get(blob_name(blob))
        if size is None:
            return None
        return f"{size} bytes" if size > blob.max_bytes else self._blobs.digest(blob)

    def _runbook(self, name: str) -> HeldRunbook | None:
        return self._looks.do(lambda: self._account.runbook(name))

    def _keep(self, blob: ArtifactBlob) -> None:
        self._blobs.keep(blob, partial(self._source.copy, blob))

    def _single_imports(self, wheel: Wheel, error: RunbookError) -> Sequence[Change]:
        """Return the changes that keep and import the single wheels, if Automation refuses the combined one."""
        packages = self._wanted.packages
        if wheel != packages.combined or not error.is_(*_REFUSALS):
            return ()
        count = len(packages.wheels)
        self._warn(f"Automation does not take all {count} packages as one wheel; each is imported. {error.message}")
        wheels = packages.wheels
        kept = [KEEP.change(each.blob, _target(each.blob), None, f"sha256:{each.blob.sha256}") for each in wheels]
        return (*kept, *(IMPORT.change(each, _package_target(each), None, each.version) for each in wheels))

    def _publish(self, script: Script) -> None:
        name, environment = script.name, self._wanted.environment
        text = self._blobs.read(script.blob, MAX_SCRIPT_BYTES)
        held = self._runbook(name)
        kind = RUNBOOK_TYPE if held is None else held.kind
        if held is None:
            writing.put_runbook(self._account, name, kind=kind, environment=environment, location=self._location)
        elif held.in_edit:
            self._keep_draft(script)
        writing.replace_draft(self._account, name, text)
        # The new text is in the draft, and the next request publishes it. In between, a job may run the old text with
        # the new packages. The other order would run the new text with old packages, which may lack what it needs.
        if held is not None and (held.environment != environment or not held.ours):
            writing.put_runbook(self._account, name, kind=kind, environment=environment, location=self._location)
        writing.publish(self._account, name)

    def _keep_draft(self, script: Script) -> None:
        """Keep somebody's draft. A draft of a former run is one of the release's files, and is kept already."""
        draft = draft_text(self._account, script.name)
        if not draft:
            return
        sha256 = hashlib.sha256(draft).hexdigest()
        blob = ArtifactBlob(filename=script.blob.filename, sha256=sha256, size=len(draft))
        if sha256 != script.blob.sha256:
            self._blobs.put_once(blob, draft)
            self._warn(f"runbook {script.name} had a draft; it is kept as {_target(blob)}, and replaced")


def plan(facts: Facts) -> Plan:
    """Return the changes. Pure.

    Raises RunbookError VD-AUTOMATION-006, which names every runbook of somebody else, -011, and VD-STORAGE-003 (a kept
    file has other content).
    """
    wanted = facts.wanted
    _refuse_foreign(facts)
    if facts.environment not in (None, PYTHON):
        raise automation.ENVIRONMENT_OF_OTHER_PYTHON.error(f"it is of {facts.environment}", target=wanted.environment)
    changes: list[Change] = []
    unchanged: list[NoChange] = []

    def compare(kind: ActionKind[T], subject: T, target: str, before: str | None, after: str) -> None:
        if before == after:
            unchanged.append(NoChange(target, f"is {after}"))
        else:
            changes.append(kind.change(subject, target, before, after))

    imports = wheels_to_import(wanted.packages, facts.packages)
    for blob in wanted.blobs(imports):
        target, seen = _target(blob), facts.kept.get(blob_name(blob))
        if seen is None:
            changes.append(KEEP.change(blob, target, None, blob.digest))
        elif seen == blob.digest:
            unchanged.append(NoChange(target, f"is {seen}"))
        else:
            # Files are written once. The suite does not replace this one, and must not use it.
            raise release.STORED_FILE_DIFFERS.error(f"its content has {seen}", target=target)
    compare(CREATE, wanted.environment, f"environment {wanted.environment}", facts.environment, PYTHON)
    for wheel in imports:
        held = facts.packages.get(wheel.distribution.lower())
        compare(IMPORT, wheel, _package_target(wheel), package_state(held, wheel), wheel.version)
    for script in wanted.scripts:
        compare(
            PUBLISH,
            script,
            f"runbook {script.name}",
            runbook_state(facts.runbooks[script.name]),
            published_state(script.blob.sha256, wanted.environment),
        )
    return Plan(changes=tuple(changes), unchanged=tuple(unchanged))


def notices(facts: Facts) -> list[str]:
    """Return a sentence for each thing that this leaves unchanged and that a person should know of. Pure."""
    wanted = facts.wanted
    names = {script.name.lower() for script in wanted.scripts}
    distributions = {wheel.distribution.lower() for wheel in wanted.packages.all_wheels}
    drafts = [
        script.name
        for script in wanted.scripts
        if (held := facts.runbooks[script.name]) is not None
        and held.in_edit
        and runbook_state(held) == published_state(script.blob.sha256, wanted.environment)
    ]
    return [
        *(f"runbook {name} has a draft that nobody published; it is left alone" for name in drafts),
        *(
            f"runbook {name} is the suite's, but not of this release; it is left alone"
            for name in sorted(facts.own)
            if name.lower() not in names
        ),
        *(
            f"package {name} in {wanted.environment} is not of this release; it is left alone"
            for name in sorted(facts.packages)
            if name not in distributions
        ),
    ]


def _refuse_foreign(facts: Facts) -> None:
    foreign = []
    for script in facts.wanted.scripts:
        held = facts.runbooks[script.name]
        if held is None:
            continue
        if held.kind not in RUNBOOK_TYPES:
            foreign.append(f"{script.name} (of type {held.kind})")
        elif not held.ours and held.sha256 != script.blob.sha256:
            foreign.append(f"{script.name} (in {held.environment or 'no runtime environment'})")
    if foreign:
        raise automation.RUNBOOK_OF_SOMEBODY_ELSE.error(", ".join(foreign))


def _package_target(wheel: Wheel) -> str:
    return f"package {wheel.distribution}"


def _target(blob: ArtifactBlob) -> str:
    return f"{ARTIFACT_CONTAINER}/{blob_name(blob)}"
