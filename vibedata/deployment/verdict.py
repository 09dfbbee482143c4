"""The end of a deployment's output: the verdict, a summary for a ticket, and the next commands. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vibedata.deployment.step import StepResult
from vibedata.progress_view.state import State, Step, duration
from vibedata.progress_view.waiting import goes_on
from vibedata.terminal import told

INTERRUPTED = "interrupted"
# The width of the summary's first column.
LABEL = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of a deployment.

    Attributes:
        status: succeeded, failed or interrupted.
        instance: The instance, as people call it.
        release: The release's version.
        correlation_id: The id of the deployment and its jobs.
        results: The results of the steps that ended.
        state: The last state of the view.
        seconds: The wall time of the deployment.
        command: The command that was typed, without the options that choose steps.
        steps: The names of the chosen steps, in their order.
        only: Whether only one step was chosen.
        option: See vibedata.instances.choice.Customer.
    """

    status: str
    instance: str
    release: str
    correlation_id: str
    results: Sequence[StepResult]
    state: State
    seconds: float
    command: str
    steps: Sequence[str]
    only: bool = False
    option: str = ""


def ending_text(ending: Ending, afterwards: Sequence[str] = ()) -> str:
    """Return the whole text. `afterwards` are the commands that come next after a success."""
    return "\n".join((_verdict(ending), "", ticket(ending), *_next(ending, afterwards), ""))


def resume_command(ending: Ending) -> str:
    """Return the command that resumes a deployment.

    It begins at the step that did not end, or else at the next step.
    """
    if ending.only:
        return f"{ending.command} --only {ending.steps[0]}"
    current = ending.state.current
    broken = (*([] if current is None else [current.name]), *(r.name for r in ending.results if r.error is not None))
    done = [result.name for result in ending.results]
    left = [name for name in ending.steps if name in broken] or [name for name in ending.steps if name not in done]
    return f"{ending.command} --from {(left or ending.steps[-1:])[0]}"


def ticket(ending: Ending) -> str:
    """Return the summary. It tells other readers what was deployed, where, and how it ended."""
    rows = [
        ("instance", ending.instance),
        ("release", ending.release),
        ("correlation id", ending.correlation_id),
    ]
    lines = [_labelled(label, told(value)) for label, value in rows]
    width = max((len(result.name) for result in ending.results), default=0)
    for number, result in enumerate(ending.results):
        changed = f"{result.changed} changed" if result.changed else ""
        words = f"{told(result.name):<{width}}  {told(result.status):<11}  {changed:<11}  {duration(result.seconds)}"
        lines.append(_labelled("" if number else "steps", words))
    lines.append(_labelled("changes", str(sum(result.changed for result in ending.results))))
    for number, warned in enumerate(ending.state.warnings):
        times = f" ({warned.times} times)" if warned.times > 1 else ""
        lines.append(_labelled("" if number else "warnings", told(warned.text) + times))
    failed = first_failed(ending.results)
    if failed is not None and failed.error is not None:
        error = failed.error
        lines.append(_labelled("first error", f"{failed.name}: {told(error['code'])}: {told(error['message'])}"))
    return "\n".join(lines)


def first_failed(results: Sequence[StepResult]) -> StepResult | None:
    """Return the first step that failed."""
    return next((result for result in results if result.error is not None), None)


def _verdict(ending: Ending) -> str:
    after = f"after {duration(ending.seconds)}"
    if ending.status == "succeeded":
        return f"deployment succeeded {after}"
    step = ending.state.current
    failed = first_failed(ending.results)
    name = failed.name if failed is not None else "" if step is None else step.name
    return f"deployment {ending.status}{f' at {name}' if name else ''} {after}"


def _next(ending: Ending, afterwards: Sequence[str]) -> Sequence[str]:
    if ending.status == "succeeded":
        return ("", "what to do next:", *(f"  {command}" for command in afterwards)) if afterwards else ()
    again = ("", "to go on, type:", f"  {resume_command(ending)}")
    if ending.status == INTERRUPTED:
        return ("", _goes_on(ending.state.current, ending.option), *again)
    failed = first_failed(ending.results)
    return (*(_failure(failed.name, failed.error) if failed and failed.error else ()), *again)


def _goes_on(step: Step | None, option: str) -> str:
    words = goes_on(step, option)
    if step is None or step.job is None:
        return words
    return f"{words} The next deployment waits for its end; with --take-over it stops the job."


def _failure(name: str, error: Mapping[str, Any]) -> Sequence[str]:
    return (
        "",
        f"{name} failed: {told(error['code'])}: {told(error['message'])}",
        *((f"  cause: {told(error['cause'])}",) if error.get("cause") else ()),
        f"  what to do: {told(error['remedy'])}",
    )


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{LABEL}}{text}"
