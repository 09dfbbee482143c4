"""Validate the published runbooks: each must be the release's, and each must be able to run here.

Every published runbook is compared with the release manifest, also one that is not mandatory: nobody should run another
text. Then each mandatory runbook that is not proven by a former job (runbook_lib.automation.proof) is started once as a
job that only plans. This proves that it can be imported, and that it can read what it needs. Each shortcoming is a row
of the output and an error in the result.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.automation import proof
from runbook_lib.automation.account import AutomationAccount, HeldPackage, HeldRunbook, environment_of
from runbook_lib.automation.jobs import all_lines, start_job, wait_for_job
from runbook_lib.automation.states import (
    LOOKS_AT_ONCE,
    package_state,
    published_state,
    runbook_state,
    wheels_to_import,
)
from runbook_lib.automation.trial import Shortcoming, shortcoming_of
from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.change import Action, ActionKind, NoChange, Plan, Result
from runbook_lib.container_registry.reader import customer_reader
from runbook_lib.context import Context
from runbook_lib.errors import automation
from runbook_lib.permissions.automation_account import RUN_TRIALS
from runbook_lib.permissions.images import READ_IMAGES
from runbook_lib.release.artifacts import ContainerRegistryArtifacts, PackageSet
from runbook_lib.release.installed import ReleaseParameters, installed_release
from runbook_lib.release.model import ReleaseManifest
from runbook_lib.run.result import Report
from runbook_lib.runbook import Runbook, main
from runbook_lib.workers import side_by_side

NAME = "validate_runbooks"
TRY: ActionKind[str] = ActionKind("try", stage=1)
READY = "ready"
# A trial plans for seconds. The rest is for the start of a sandbox, and for the account's queue of jobs.
TRIAL_SECONDS = 20 * 60.0


@dataclass(frozen=True, kw_only=True)
class Parameters(ReleaseParameters):
    """The parameters of validate_runbooks."""

    try_all: bool = field(default=False, metadata={"help": "also try the runbooks that a former job has proven"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the account holds: the packages of the release's environment, and the release's runbooks."""

    packages: Mapping[str, HeldPackage]
    runbooks: Mapping[str, HeldRunbook | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What validate_runbooks found.

    Attributes:
        version: The release's version.
        lacks: The shortcomings of each published runbook, by its name.
        tried: The names of the runbooks to start.
        proven: The names of those that need no trial, because a former job has proven them.
        trial: The parameters of each trial.
        account: The account that starts them.
    """

    version: str
    lacks: Mapping[str, tuple[Shortcoming, ...]]
    tried: frozenset[str]
    proven: frozenset[str]
    trial: Mapping[str, Any]
    account: AutomationAccount = field(repr=False)


def observe(context: Context, parameters: Parameters) -> Facts:
    """Compare the published runbooks with the installed release's pins, and find out which are proven."""
    customer = customer_reader(context)
    manifest = installed_release(context, customer, parameters.release_version).manifest
    packages = ContainerRegistryArtifacts(reader=customer, manifest=manifest).package_set()
    account = AutomationAccount(client=context.clients.automation, settings=context.settings)
    account.location()  # raises if there is no account: otherwise it would look like an empty one
    names = [pin.name for pin in manifest.runbooks]
    held = Held(
        packages=account.packages(environment_of(packages.digest)),
        runbooks=dict(zip(names, side_by_side(account.runbook, names, at_once=LOOKS_AT_ONCE), strict=True)),
    )
    return found_of(context, parameters, manifest, packages, held)


def found_of(
    context: Context, parameters: Parameters, manifest: ReleaseManifest, packages: PackageSet, held: Held
) -> Facts:
    """Compare what the account holds with a release's pins, and find out which runbooks are proven."""
    account = AutomationAccount(client=context.clients.automation, settings=context.settings)
    environment = environment_of(packages.digest)
    missing = tuple(
        Shortcoming("package", f"{wheel.distribution} {wheel.version} is {state or 'absent'} in {environment}")
        for wheel in wheels_to_import(packages, held.packages)
        if (state := package_state(held.packages.get(wheel.distribution.lower()), wheel)) != wheel.version
    )
    trial: dict[str, Any] = {
        "plan_only": True,
        "trial": True,
        "started_by": NAME,
        "correlation_id": context.correlation_id,
    }
    if parameters.settings:
        trial["settings"] = dict(parameters.settings)
    lacks = {
        pin.name: (*_compare(held.runbooks[pin.name], published_state(pin.script_sha256, environment)), *missing)
        for pin in manifest.runbooks
    }
    # This runbook proves itself, because it runs.
    mandatory = {pin.name: pin.script_sha256 for pin in manifest.runbooks if pin.mandatory and pin.name != NAME}
    published = {name: text for name, text in mandatory.items() if not lacks[name]}
    proven = frozenset[str]()
    if not parameters.try_all:
        conditions = proof.Conditions(environment=environment, settings=dict(parameters.settings))
        unproven = proof.unproven(account, published, conditions)
        proven = frozenset(published.keys() - unproven.keys())
        for name, why in unproven.items():
            context.output.verbose(f"{name} is tried: {why}")
    return Facts(
        version=manifest.version,
        lacks=lacks,
        tried=frozenset(mandatory),
        proven=proven,
        trial=trial,
        account=account,
    )


def _compare(held: HeldRunbook | None, wanted: str) -> tuple[Shortcoming, ...]:
    found = runbook_state(held)
    return () if found == wanted else (Shortcoming("name", f"published is {found or 'nothing'}, not {wanted}"),)


def plan(facts: Facts) -> Plan:
    """Try runbooks side by side. A runbook that is not published as the release has it fails without a trial."""
    changes = [name for name, lacks in facts.lacks.items() if lacks or name in facts.tried - facts.proven]
    return Plan(
        changes=tuple(TRY.change(name, f"runbook {name}", None, READY) for name in changes),
        unchanged=tuple(
            NoChange(
                f"runbook {name}",
                "is published as the release has it" + (", and has run here" if name in facts.proven else ""),
            )
            for name in facts.lacks
            if name not in changes
        ),
    )


def actions(context: Context, facts: Facts) -> Sequence[Action[str]]:
    """Return the action that tries one runbook and shows its shortcomings in rows. It sees how the trial ended."""
    ends: dict[str, str] = {}
    width = max(map(len, facts.lacks))

    def make(name: str) -> None:
        lacks = facts.lacks[name] or _try(context, facts, name)
        for lack in lacks:
            context.output.warning(f"{name:<{width}}  {lack}")
        if lacks:
            ends[name] = "; ".join(map(str, lacks))
            raise automation.RUNBOOK_NOT_READY.error(ends[name], target=name)
        context.output.info(f"{name:<{width}}  ready")
        ends[name] = READY

    return (Action(TRY, make, see=ends.get),)


def _try(context: Context, facts: Facts, name: str) -> tuple[Shortcoming, ...]:
    job_id = start_job(facts.account, name, facts.trial)
    ended = wait_for_job(
        facts.account,
        job_id,
        clock=context.clock,
        seconds=TRIAL_SECONDS,
        correlation_id=context.correlation_id,
    )
    if ended.result is not None and ended.result["status"] not in ("planned", "failed"):
        return (Shortcoming("other", f"it should only plan, and says {ended.result['status']}"),)
    lack = shortcoming_of(ended, () if ended.result is None else all_lines(facts.account, job_id))
    return () if lack is None else (lack,)


def report(facts: Facts, results: Sequence[Result]) -> Report:
    """Return the table for programs: the proven runbooks, those that a trial has shown to be ready, and the others."""
    ends = {str(result.change.subject): result.observed for result in results if result.observed is not None}
    return {
        "proven": sorted(facts.proven),
        "ready": [name for name, end in ends.items() if end == READY],
        "lacking": [f"{name}: {end}" for name, end in ends.items() if end != READY],
    }


RUNBOOK = Runbook(
    name=NAME,
    summary="check that each runbook is published as the release has it, and that the mandatory ones can run here",
    parameters=Parameters,
    observe=observe,
    plan=plan,
    actions=actions,
    report=report,
    callbacks=Callbacks(release_version=lambda facts: facts.version),
    permissions=(READ_IMAGES, RUN_TRIALS),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
