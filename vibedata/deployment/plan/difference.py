"""The plan of a deployment for people and programs: `+` is added, `~` is changed, `-` is removed. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from runbook_lib.change import Change
from vibedata.terminal import told

Sign = Literal["+", "~", "-"]
SIGNS: tuple[Sign, ...] = ("+", "~", "-")
NOTHING, CHANGES = 0, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One change in words that people read. `before` and `after` are as the plan of the runbook has them."""

    sign: Sign
    what: str
    action: str
    target: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """What one step would change.

    Attributes:
        step: Its name.
        differences: What it would change.
        unchanged: How many things are right already.
        each_time: Work that the step does each time and that changes nothing counted here; "" for none.
        not_known: What cannot be known yet, and why.
    """

    step: str
    differences: tuple[Difference, ...] = ()
    unchanged: int = 0
    each_time: str = ""
    not_known: tuple[str, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether the step has nothing to do."""
        return not (self.differences or self.each_time or self.not_known)


def difference(change: Change, what: str, *, sign: Sign | None = None) -> Difference:
    """Return a change as a difference. sign: None if it follows from `before`."""
    return Difference(
        sign=sign or ("+" if change.before is None else "~"),
        what=what,
        action=change.action,
        target=change.target,
        before=change.before,
        after=change.after,
    )


def as_json(plans: Sequence[StepPlan]) -> dict[str, Any]:
    """Return the plan for programs."""
    return {"steps": [asdict(plan) for plan in plans], "counts": counts(plans)}


def counts(plans: Sequence[StepPlan]) -> dict[str, int]:
    """Return how many things would be added, changed and removed, are right already, and are not known."""
    signs = [each.sign for plan in plans for each in plan.differences]
    return {
        "add": signs.count("+"),
        "change": signs.count("~"),
        "take_away": signs.count("-"),
        "unchanged": sum(plan.unchanged for plan in plans),
        "not_known": sum(len(plan.not_known) for plan in plans),
    }


def detailed_exit_code(plans: Sequence[StepPlan]) -> int:
    """Return 0 if there is nothing to do, and 2 if there is, or may be, something to do."""
    return CHANGES if any(plan.differences or plan.not_known for plan in plans) else NOTHING


def as_text(title: str, plans: Sequence[StepPlan]) -> str:
    """Return the plan for people: the steps in their order, the counts in the last line."""
    lines = [title, ""]
    for plan in plans:
        lines.append(f"{plan.step}: {'nothing to do' if plan.idle else plan.each_time}".rstrip(": "))
        ordered = sorted(plan.differences, key=lambda each: SIGNS.index(each.sign))
        lines += [f"  {each.sign} {told(each.what)}" for each in ordered]
        lines += [f"  ? {told(words)}" for words in plan.not_known]
    found = counts(plans)
    last = (
        f"{found['add']} to add, {found['change']} to change, {found['take_away']} to remove;"
        f" {found['unchanged']} already right"
    )
    return "\n".join([*lines, "", last + (f"; {found['not_known']} not known yet" if found["not_known"] else ""), ""])
