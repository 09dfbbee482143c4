"""Validate the published runbooks: each must be the release's, and each must be able to run here.

Every published runbook is compared with the release manifest, also one that is not mandatory: nobody should run another
text. Then each mandatory runbook is started once as a job that only plans. This proves that it can be imported, and
that it can read what it needs. Each shortcoming is a row of the output and an error in the result.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.automation.account import AutomationAccount, environment_of
from runbook_lib.automation.jobs import new_lines, start_job, wait_for_job
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
from runbook_lib.release.artifacts import ContainerRegistryArtifacts
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What validate_runbooks found.

    Attributes:
        version: The release's version.
        lacks: The shortcomings of each published runbook, by its name.
        tried: The names of the runbooks to start.
        trial: The parameters of each trial.
        account: The account that starts them.
    """

    version: str
    lacks: Mapping[str, tuple[Shortcoming, ...]]
    tried: frozenset[str]
    trial: Mapping[str, Any]
    account: AutomationAccount = field(repr=False)


def observe(context: Context, parameters: ReleaseParameters) -> Facts:
    """Compare the published runbooks with the installed release's pins."""
    customer = customer_reader(context)
    manifest = installed_release(context, customer, parameters.release_version).manifest
    account = AutomationAccount(client=context.clients.automation, settings=context.settings)
    account.location()  # raises if there is no account: otherwise it would look like an empty one
    packages = ContainerRegistryArtifacts(reader=customer, manifest=manifest).package_set()
    environment = environment_of(packages.digest)
    held = account.packages(environment)
    missing = tuple(
        Shortcoming("package", f"{wheel.distribution} {wheel.version} is {state or 'absent'} in {environment}")
        for wheel in wheels_to_import(packages, held)
        if (state := package_state(held.get(wheel.distribution.lower()), wheel)) != wheel.version
    )
    trial: dict[str, Any] = {
        "plan_only": True,
        "trial": True,
        "started_by": NAME,
        "correlation_id": context.correlation_id,
    }
    if parameters.settings:
        trial["settings"] = dict(parameters.settings)
    return Facts(
        version=manifest.version,
        lacks=_lacks(manifest, account, environment, missing),
        # This runbook proves itself, because it runs.
        tried=frozenset(pin.name for pin in manifest.runbooks if pin.mandatory) - {NAME},
        trial=trial,
        account=account,
    )


def _lacks(
    manifest: ReleaseManifest, account: AutomationAccount, environment: str, missing: tuple[Shortcoming, ...]
) -> Mapping[str, tuple[Shortcoming, ...]]:
    def look_at(name: str, script_sha256: str) -> tuple[Shortcoming, ...]:
        wanted = published_state(script_sha256, environment)
        found = runbook_state(account.runbook(name))
        if found == wanted:
            return missing
        return (Shortcoming("name", f"published is {found or 'nothing'}, not {wanted}"), *missing)

    pins = manifest.runbooks
    found = side_by_side(lambda pin: look_at(pin.name, pin.script_sha256), pins, at_once=LOOKS_AT_ONCE)
    return dict(zip((pin.name for pin in pins), found, strict=True))


def plan(facts: Facts) -> Plan:
    """Try runbooks side by side. A runbook that is not published as the release has it fails without a trial."""
    changes = [name for name, lacks in facts.lacks.items() if lacks or name in facts.tried]
    return Plan(
        changes=tuple(TRY.change(name, f"runbook {name}", None, READY) for name in changes),
        unchanged=tuple(
            NoChange(f"runbook {name}", "is published as the release has it")
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
    lack = shortcoming_of(ended, () if ended.result is None else new_lines(facts.account, job_id, set()))
    return () if lack is None else (lack,)


def report(facts: Facts, results: Sequence[Result]) -> Report:  # noqa: ARG001 - a runbook's signature
    """Return the table for programs: the ready runbooks, and the shortcomings of the others."""
    ends = {str(result.change.subject): result.observed for result in results if result.observed is not None}
    return {
        "ready": [name for name, end in ends.items() if end == READY],
        "lacking": [f"{name}: {end}" for name, end in ends.items() if end != READY],
    }


RUNBOOK = Runbook(
    name=NAME,
    summary="check that each runbook is published as the release has it, and that the mandatory ones can run here",
    parameters=ReleaseParameters,
    observe=observe,
    plan=plan,
    actions=actions,
    report=report,
    callbacks=Callbacks(release_version=lambda facts: facts.version),
    permissions=(READ_IMAGES, RUN_TRIALS),
)

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
