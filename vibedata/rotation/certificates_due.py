"""The certificates of all instances: do what is due at each of them, and tell the outcome."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from publisher.certificates.plan import Facts, IssuanceRequest, next_step
from publisher.certificates.record import Issuance, Issuances
from publisher.instances.document import Instance
from publisher.instances.precedence import settings_of
from publisher.instances.store import Instances
from publisher.session import operator_tables
from runbook_lib.basics.clock import SYSTEM_CLOCK, rfc3339
from runbook_lib.change import Plan
from runbook_lib.errors import RunbookError
from vibedata.change_errors import name_any
from vibedata.instances import choice
from vibedata.progress_view.events import StepBegan
from vibedata.progress_view.writer import View, watching
from vibedata.rotation.certificate import certificate_rotation
from vibedata.rotation.drive import drive
from vibedata.session import open_instance
from vibedata.status.facts import age

# done: all that was due is done. waits: there is nothing to do before the time `next`. interrupted: a person has ended
# the command during the work at this instance. not begun: a person has ended it before the work at this instance.
Outcome = Literal["done", "waits", "failed", "planned", "interrupted", "not begun"]
COLUMNS = ("instance", "certificate", "valid until", "goes on", "result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The outcome at one instance.

    Attributes:
        instance: The instance.
        outcome: The outcome in one word.
        newest: The instance's last issuance, None if there is none or if it was not read.
        next: When there is something to do again, None if no time is known.
        why: The reason for the wait, "" for no special reason.
        plan: The changes, if the outcome is planned.
        error: The failure, if the outcome is failed.
    """

    instance: Instance
    outcome: Outcome
    newest: Issuance | None = None
    next: datetime | None = None
    why: str = ""
    plan: Plan | None = None
    error: RunbookError | None = None

    def as_json(self) -> Mapping[str, Any]:
        """Return the outcome for programs."""
        newest = self.newest
        return {
            "instance": self.instance.id,
            "display_name": self.instance.display_name,
            "host": newest.host if newest else None,
            "state": newest.customer if newest else None,
            "rotation_id": newest.rotation_id if newest else None,
            "not_after": (newest.not_after or None) if newest else None,
            "status": self.outcome,
            "next": rfc3339(self.next) if self.next else None,
            "why": self.why or None,
            "changes": [change.as_json() for change in self.plan.changes] if self.plan else [],
            "error": self.error.as_json() if self.error else None,
        }

    def cells(self, at: datetime) -> tuple[str, ...]:
        """Return the outcome as a row for people. `at` is the present time."""
        unread = self.outcome in ("failed", "interrupted", "not begun")
        state = self.newest.customer if self.newest else "unknown" if unread else "none"
        until = self.newest.not_after[:10] if self.newest and self.newest.not_after else "-"
        goes_on = "-" if self.next is None else f"{self.next:%Y-%m-%d %H:%M} UTC, {age(self.next, at)}"
        result = self.outcome if not self.why else f"{self.outcome}: {self.why}"
        if self.plan is not None:
            result = ", ".join(change.action for change in self.plan.changes) or "nothing"
        if self.error is not None:
            result = f"{self.error.code}: {self.error.message}"
        return (self.instance.display_name, state, until, goes_on, result)


def instances(wanted: str) -> tuple[list[Instance], list[RunbookError]]:
    """Return the instances, and the errors of the rows that could not be read.

    Args:
        wanted: The id of one instance, "" for all instances in the publisher's table.
    """
    if wanted:
        return [choice.find(wanted, os.environ)], []
    rows = list(Instances(operator_tables(os.environ, SYSTEM_CLOCK)).all())
    found = [row.instance for row in rows if row.instance is not None]
    return found, [row.trouble for row in rows if row.trouble is not None]


def go_on(found: list[Instance], *, plan: bool, given: str, output: str) -> Iterator[Ended]:
    """Do what is due at each instance. A failure at one instance does not stop the others.

    If the last issuance of an instance is over and nothing is due, this asks only the publisher's table.

    Args:
        found: The instances.
        plan: Whether to change nothing, and only return what would be done.
        given: The value of `--instance`, "" if it is not given.
        output: The value of `--output`.

    Raises:
        Interrupted: Somebody ended the command. The work at the instance after the last returned one is not finished.
    """
    issuances = Issuances(operator_tables(os.environ, SYSTEM_CLOCK))
    for instance in found:
        title, option = f"{instance.display_name} ({instance.id})", choice.option_at(instance, given, os.environ)
        try:
            with watching(title, output=output, clock=SYSTEM_CLOCK, option=option) as view:
                ended = _at(instance, issuances, view, plan=plan)
        except Exception as error:  # noqa: BLE001 - a failure at one instance must not stop the others
            ended = Ended(instance=instance, outcome="failed", error=name_any(error))
        yield ended


def _at(instance: Instance, issuances: Issuances, view: View, *, plan: bool) -> Ended:
    newest = issuances.newest(instance.id)
    if newest is not None and not newest.open:
        host = settings_of(instance, os.environ).public_host
        new = Issuance(instance_id=instance.id, number=newest.number + 1, rotation_id="", host=host)
        then = next_step(IssuanceRequest(), Facts(now=SYSTEM_CLOCK.now(), newest=newest, new=new))
        if then.wait_until is not None:
            return Ended(instance=instance, outcome="waits", newest=newest, next=then.wait_until)
    view.say(f"{instance.display_name} ({instance.id})")
    view.tell(StepBegan("rotate-tls"))
    session = open_instance(instance, os.environ)
    rotating = certificate_rotation(session, os.environ, IssuanceRequest(), view)
    if plan:
        then = rotating.next_step()
        if then.wait_until is not None and not then.brief:
            return Ended(instance=instance, outcome="waits", newest=rotating.newest, next=then.wait_until, why=then.why)
        return Ended(instance=instance, outcome="planned", newest=rotating.newest, plan=rotating.preview())
    outcome = drive(rotating, wait=False, report=view.say, redactor=session.redactor, clock=SYSTEM_CLOCK)
    # The result describes the present state.
    newest = rotating.newest
    if outcome.failed is not None:
        return Ended(instance=instance, outcome="failed", newest=newest, error=outcome.failed.error)
    return Ended(
        instance=instance,
        outcome="waits" if outcome.resume_at else "done",
        newest=newest,
        next=outcome.resume_at,
        why=outcome.why,
    )
