"""The hourly schedule that starts a runbook. A run makes it if it is missing, and never changes it again."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib.automation.access import AccountAccess
from runbook_lib.automation.schedules import HOURLY, LINKED, AutomationSchedules
from runbook_lib.change import Action, ActionKind, Change, NoChange
from runbook_lib.health.observability import readable
from runbook_lib.health.rules import Observation

if TYPE_CHECKING:
    from runbook_lib.azure.session import AzureSession

# The subject is the schedule's name. This stage comes after all records.
CREATE: ActionKind[str] = ActionKind("create", stage=2)
LINK: ActionKind[str] = ActionKind("link", stage=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookSchedule:
    """The schedule that starts a runbook.

    Attributes:
        runbook: The runbook's name.
        published: Whether the account has the runbook, None if that cannot be read.
        rhythm: What the schedule does, None if there is none.
        link: That it starts the runbook, None if it does not.
        seen: The observation for the component registry.
        schedules: The schedules of the account.
    """

    runbook: str
    published: bool | None
    rhythm: str | None
    link: str | None
    seen: Observation
    schedules: AutomationSchedules = field(repr=False)

    @classmethod
    def read(cls, context: "AzureSession", runbook: str) -> "RunbookSchedule":
        """Read the account. If it cannot be read, the schedule counts as ill, and the run does not fail."""
        account = AccountAccess(client=context.clients.automation, settings=context.settings)
        schedules = AutomationSchedules(account, context.clock)
        name = schedule_name(runbook)
        published: bool | None = None
        rhythm = link = None

        def look() -> Observation:
            nonlocal published, rhythm, link
            rhythm, link = schedules.schedule(name), schedules.link(name, runbook)
            published = schedules.is_published(runbook)
            return _sight(runbook, published, rhythm, link)

        seen = readable(look)
        return cls(runbook=runbook, published=published, rhythm=rhythm, link=link, seen=seen, schedules=schedules)

    @property
    def changes(self) -> tuple[tuple[Change, ...], tuple[NoChange, ...]]:
        """Return the changes in stages 2 and 3, or why nothing needs a change."""
        target = f"schedule {self._name}"
        if not self.published:
            return (), (NoChange(target, self.seen.reason),)
        if self.rhythm is not None and self.link is not None:
            return (), (NoChange(target, f"is there, {self.rhythm}"),)
        made = () if self.rhythm is not None else (CREATE.change(self._name, target, None, HOURLY),)
        return (*made, *(() if self.link is not None else (LINK.change(self._name, target, None, LINKED),))), ()

    @property
    def actions(self) -> tuple[Action[str], ...]:
        """Make the schedule, and link it to the runbook."""
        text = f"Starts {self.runbook}. The suite made this schedule, and does not change it again."
        schedules, runbook = self.schedules, self.runbook
        return (
            Action(CREATE, make=lambda name: schedules.create_hourly(name, text), see=schedules.schedule),
            Action(
                LINK,
                make=lambda name: schedules.create_link(name, runbook),
                see=lambda name: schedules.link(name, runbook),
            ),
        )

    @property
    def _name(self) -> str:
        return schedule_name(self.runbook)


def schedule_name(runbook: str) -> str:
    """Return the name of the schedule that starts a runbook, e.g. `vibedata-check_health`."""
    return f"vibedata-{runbook}"


def _sight(runbook: str, published: bool, rhythm: str | None, link: str | None) -> Observation:
    if not published:
        return Observation("unprobed", f"{runbook} is not published in the Automation account")
    if rhythm is None or link is None:
        return Observation("not_reached", "this check has made the schedule; the next check will see it")
    return Observation("impaired", rhythm) if rhythm.endswith("off") else Observation("answers")
