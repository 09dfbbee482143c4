"""The end of a deployment's output: the verdict, a summary for a ticket, what goes on in Azure, and the next
command.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from vibedata.deployment.step import StepResult
from vibedata.deployment.verdict import INTERRUPTED, Ending, ending_text, resume_command
from vibedata.progress_view import events as e
from vibedata.progress_view.state import State, fold
from vibedata.progress_view.waiting import goes_on

STEPS = ("preflight", "first_runbooks", "import_manifest", "import_images")
COMMAND = "vibedata deploy dist --instance k3v9x2p7"
ERROR = {"code": "VD-REGISTRY-003", "message": "no access", "cause": "A role is missing.", "remedy": "Assign it."}


def result(name: str, status: str = "succeeded", *, changed: int = 0, error: Any = None) -> StepResult:
    return StepResult(name=name, status=status, seconds=62.5, changed=changed, error=error)


def state_after(*events: e.Event) -> State:
    state = State(title="deploying", began=0.0)
    for now, event in enumerate(events):
        state = fold(state, event, float(now)).state
    return state


def ending(status: str, results: Sequence[StepResult], state: State, **fields: Any) -> Ending:
    about = {"steps": STEPS, "release": "2026.11.0", "instance": "Contoso (k3v9x2p7), subscription s, resource group g"}
    return Ending(
        **{**about, "correlation_id": "c-1", "seconds": 252.0, "command": COMMAND, **fields},
        status=status,
        results=results,
        state=state,
    )


def seen(status: str) -> e.JobSeen:
    return e.JobSeen(runbook="import_images", job_id="j-1", status=status, ended=False)


def test_a_success_is_told_with_a_summary_and_the_next_command() -> None:
    warned = state_after(e.Said("WARNING: old"), e.Said("WARNING: old"), e.Said("WARNING: odd"))
    done = [result("lock"), result("first_runbooks", changed=34), result("import_images", "unchanged")]
    assert ending_text(ending("succeeded", done, warned), ["vibedata status"]).splitlines() == [
        "deployment succeeded after 4 min 12 s",
        "",
        "  instance        Contoso (k3v9x2p7), subscription s, resource group g",
        "  release         2026.11.0",
        "  correlation id  c-1",
        "  steps           lock            succeeded                 1 min 02 s",
        "                  first_runbooks  succeeded    34 changed   1 min 02 s",
        "                  import_images   unchanged                 1 min 02 s",
        "  changes         34",
        "  warnings        old (2 times)",
        "                  odd",
        "",
        "what to do next:",
        "  vibedata status",
    ]


def test_a_failure_is_told_with_cause_remedy_and_the_command_that_goes_on() -> None:
    done = [result("lock"), result("preflight"), result("import_manifest", "failed", error=ERROR), result("report")]
    text = ending_text(ending("failed", done, state_after()))
    assert text.startswith("deployment failed at import_manifest after 4 min 12 s\n")
    assert "  first error     import_manifest: VD-REGISTRY-003: no access" in text
    assert text.endswith(
        "import_manifest failed: VD-REGISTRY-003: no access\n"
        "  cause: A role is missing.\n"
        "  what to do: Assign it.\n"
        "\n"
        "to go on, type:\n"
        f"  {COMMAND} --from import_manifest\n"
    )


def test_an_interruption_is_told_with_the_job_that_goes_on() -> None:
    state = state_after(e.StepBegan("import_images"), e.JobAsked("import_images"), seen("Running"))
    broken_off = result("import_images", INTERRUPTED)
    text = ending_text(ending(INTERRUPTED, [result("lock"), broken_off], state))
    assert text.startswith("deployment interrupted at import_images after 4 min 12 s\n")
    assert "Job j-1 of import_images goes on in Azure (last seen: Running)." in text
    assert text.endswith(f"  {COMMAND} --from import_images\n")


def test_what_takes_a_job_up_again_names_the_instance_that_was_named() -> None:
    state = state_after(e.StepBegan("import_images"), e.JobAsked("import_images"), seen("Running"))
    text = ending_text(ending(INTERRUPTED, [], state, option=" --instance k3v9x2p7"))
    assert "`vibedata logs j-1 --follow --instance k3v9x2p7` follows it again." in text
    asked = state_after(e.StepBegan("import_images"), e.JobAsked("import_images"))
    assert "`vibedata jobs --instance k3v9x2p7` shows it." in goes_on(asked.current, " --instance k3v9x2p7")


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], "Nothing goes on in Azure."),
        ([e.StepBegan("import_images")], "No job runs in Azure."),
        (
            [e.StepBegan("import_images"), e.JobAsked("import_images")],
            "Automation had just been asked for a job of import_images: it may run in Azure. `vibedata jobs` shows it.",
        ),
        (
            [e.StepBegan("first_runbooks"), e.ChangesPlanned({"import": 29})],
            "Automation goes on with its last requests: imports of packages, and publications of runbooks."
            " A rerun sees the result.",
        ),
    ],
)
def test_what_goes_on_depends_on_the_moment(events: Sequence[e.Event], words: str) -> None:
    assert goes_on(state_after(*events).current) == words


@pytest.mark.parametrize(
    ("done", "running", "fields", "command"),
    [
        (["lock"], "", {}, "--from preflight"),
        ([], "lock", {}, "--from preflight"),
        ([], "lock", {"steps": STEPS[2:]}, "--from import_manifest"),
        (["lock", "preflight"], "first_runbooks", {}, "--from first_runbooks"),
        (["lock", "preflight", "first_runbooks"], "", {}, "--from import_manifest"),
        (["lock", *STEPS], "report", {}, "--from import_images"),
        ([], "lock", {"steps": ("import_images",), "only": True}, "--only import_images"),
    ],
)
def test_a_deployment_goes_on_at_the_step_that_did_not_end(
    done: Sequence[str], running: str, fields: dict[str, Any], command: str
) -> None:
    state = state_after(e.StepBegan(running)) if running else state_after()
    found = resume_command(ending(INTERRUPTED, [result(name) for name in done], state, **fields))
    assert found == f"{COMMAND} {command}"


def test_a_text_of_others_stays_one_line() -> None:
    error = {**ERROR, "message": "a\nWARNING: forged\x1b[2J", "remedy": "b\r\nc"}
    text = ending_text(ending("failed", [result("import_manifest", "failed", error=error)], state_after()))
    assert "import_manifest failed: VD-REGISTRY-003: a WARNING: forged\\x1b[2J\n" in text
    assert "  what to do: b c\n" in text
