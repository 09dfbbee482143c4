"""The first screen of `vibedata status`: remedies, the next due tasks, and how they fit on a screen and a page."""

from datetime import timedelta
from typing import Any

import pytest

from runbook_lib.basics.clock import rfc3339
from tests.support.status_readings import AT, HOUR, a_run, component, credential, made, notes, release
from vibedata.jobs.finding import ListedJob
from vibedata.lines import MAX_COLUMNS, Line, plain, wrapped
from vibedata.status.due import due_next
from vibedata.status.facts import Level
from vibedata.status.page import page
from vibedata.status.runs import MAX_LOOKS, RECENT_RUNS, last_runs
from vibedata.status.text import lines

HERE = {"option": " --instance k3v9x2p7"}


def open_rotation(state: str, hours: float | None = None) -> dict[str, Any]:
    due = "" if hours is None else rfc3339(AT + hours * HOUR)
    rotation = {"rotationId": "r-1", "rotationState": state, "retireAfter": due}
    return {**credential("publisher-acr-token"), **rotation}


def test_the_worst_finding_keeps_its_remedy() -> None:
    shown = made(component("a"), credentials=[credential("publisher-acr-token", state="disabled")], **HERE)
    assert (shown.verdict.level, shown.verdict.headline) == (Level.ILL, "Credential publisher-acr-token is disabled")
    assert shown.verdict.remedy == "run `vibedata rotate-acr-token --instance k3v9x2p7`"
    assert "what to do: run `vibedata rotate-acr-token --instance k3v9x2p7`" in plain(lines(shown)).splitlines()[1]
    assert "To do: run <code>vibedata rotate-acr-token --instance k3v9x2p7</code>" in page(shown)


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("depends on application/b, which is unhealthy", "mend b first"),
        ("its resource is gone from the managed resource group", "see in the activity log"),
        ("Azure says that it is unavailable: x", "see Resource health"),
        ("not asked: it has no address", "run `vibedata invoke bootstrap_registry --instance k3v9x2p7`"),
        ("answers again (1 of 2 good checks in a row)", "wait for the next check"),
        ("answers 503, not 200 (3 in a row)", "see the log of its resource"),
        ("", "see the log of its resource"),
    ],
)
def test_an_ill_component_comes_with_its_cause_and_a_remedy(reason: str, remedy: str) -> None:
    shown = made(component("a", "unhealthy", healthReason=reason), component("b"), **HERE)
    (note,) = shown.verdict.notes
    assert note.text == "a is unhealthy" + (f": {reason}" if reason else "")
    assert note.remedy.startswith(remedy)
    assert note.remedy.replace("`", "")[:20] in page(shown).replace("<code>", "").replace("</code>", "")


def test_a_watcher_that_is_ill_has_a_remedy_and_a_credential_is_told_once() -> None:
    waits = "reports to the publisher wait: 3, since 2026-11-23 10:00 UTC (VD-CALLBACK-020)"
    reports = component("reports", "degraded", PartitionKey="observability", healthReason=waits)
    shown = made(component("a"), reports)
    assert notes(shown) == [f"Observability: reports is degraded: {waits}"]
    assert shown.verdict.notes[0].remedy.startswith("the publisher does not answer: Nothing is lost.")
    watcher = component("credentials", "unhealthy", PartitionKey="observability", healthReason="key is disabled")
    told = made(component("a"), watcher, credentials=[credential("key", state="disabled")])
    assert (told.verdict.headline, notes(told)) == ("Credential key is disabled", [])
    assert notes(made(component("a"), watcher)) == ["Observability: credentials is unhealthy: key is disabled"]


def test_reports_that_wait_for_the_first_key_show_and_are_no_illness() -> None:
    waits = "reports to the publisher wait: 3, since 2026-11-23 10:00 UTC (VD-CALLBACK-029)"
    shown = made(component("a"), component("reports", PartitionKey="observability", healthReason=waits))
    assert shown.verdict.level is Level.WELL
    assert f"Waiting     {waits}" in plain(lines(shown))
    assert waits in page(shown).partition("<details>")[2]


@pytest.mark.parametrize(
    ("state", "hours", "text"),
    [
        ("pending", None, "it is staged and not in use yet (pending, r-1)"),
        ("tested", None, "it is staged and not in use yet (tested, r-1)"),
        ("promoted", -1, "it may be finished since 2026-11-23 10:30 UTC (promoted, r-1)"),
        ("promoted", 1, ""),
    ],
)
def test_an_open_rotation_shows_with_the_time_when_it_may_be_finished(
    state: str, hours: float | None, text: str
) -> None:
    shown = made(component("a"), credentials=[open_rotation(state, hours)], **HERE)
    if text:
        (note,) = shown.verdict.notes
        assert note.text == f"A rotation of publisher-acr-token is open: {text}"
        assert note.remedy == "run `vibedata rotate --due --instance k3v9x2p7`"
    else:
        assert shown.verdict.level is Level.WELL, "within its overlap a rotation only waits"
        assert "the rotation of publisher-acr-token may be finished" in plain(lines(shown))
    assert shown.as_json()["rotations"][0]["state"] == state
    assert "Open rotations" in page(shown)


def test_what_is_due_next_comes_in_its_order() -> None:
    shown = made(
        component("a"),
        credentials=[open_rotation("promoted", 2), credential("key", days=40), credential("old", days=-1)],
        releases=(release("2026.11.0", expiresAt=rfc3339(AT + timedelta(days=60))),),
    )
    told = [each.text for each in due_next(shown.facts)]
    assert told[0].startswith("the rotation of publisher-acr-token may be finished: `vibedata rotate --due")
    assert told[1:] == [
        "key expires",
        "the manifest of release 2026.11.0 expires; what is installed stays in use",
        "publisher-acr-token expires",
    ]


def test_one_digest_is_shown_and_called_what_it_is() -> None:
    shown = made(component("a"))
    digest = "sha256:" + "ab" * 32
    assert plain(lines(shown)).count("sha256:") == 1
    assert f"manifest digest {digest}" in plain(lines(shown))
    assert page(shown).count("sha256:") == 1 and "manifest digest sha256:abababababab\u2026" in page(shown)
    assert shown.as_json()["release"]["manifest_digest"] == digest


def test_the_page_names_the_instance_and_folds_what_is_well() -> None:
    content = page(made(component("a", "unhealthy"), component("b"), runs=(a_run("check_health", hours=1),)))
    assert "<title>Contoso (k3v9x2p7): 1 of 2 components is ill: a - Vibedata</title>" in content
    assert "<h1>Contoso (k3v9x2p7)</h1>" in content
    assert "<details><summary>1 healthy; last checked 15 min ago</summary>" in content
    assert "<details><summary>1 run, 0 not well</summary>" in content
    assert "<strong>b</strong>" in content.partition("<details>")[2]


def much() -> Any:
    ill = [component(f"service-{n}", "unhealthy", healthReason="answers 503, not 200 (3 in a row)") for n in range(12)]
    well = [component(f"well-{n}") for n in range(40)]
    keys = [credential(f"key-{n}", days=3 + n) for n in range(6)]
    runs = [a_run(f"r{n}", hours=n, status="Failed") for n in range(9)]
    return made(*ill, *well, credentials=keys, runs=runs, **HERE)


def test_all_fits_on_one_screen() -> None:
    shown = plain(lines(much()))
    assert len(shown.splitlines()) <= 24
    assert "  - and 22 more: `vibedata status --all --instance k3v9x2p7`" in shown


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_lines_wrap_where_a_terminal_ends(columns: int) -> None:
    shown = list(wrapped(lines(much()), columns))
    whole = ("sha256:", "`vibedata")
    widest = max(len(line.lead) + len(line.text) for line in shown if not any(word in line.text for word in whole))
    assert widest <= min(columns, MAX_COLUMNS)
    # A digest and a command stay whole, because somebody will copy them.
    assert all(line.text.count("`") % 2 == 0 for line in shown)
    assert " ".join(line.text for line in shown).split() == " ".join(line.text for line in lines(much())).split()


def test_a_word_that_is_too_long_stays_whole_where_nothing_wraps() -> None:
    assert plain([Line("a: ", "b " * 200)]) == "a: " + "b " * 199 + "b\n"


def test_a_trial_is_nobodys_last_run() -> None:
    runs = [
        a_run("rotate_hmac", hours=1, status="Failed", job="trial-1"),
        a_run("rotate_hmac", hours=2, job="real"),
        a_run("import_images", hours=3, job="trial-2"),
    ]
    shown = last_runs(runs, lambda run: run.job_id.startswith("trial")).runs
    assert [run.job_id for run in shown] == ["real"]


def test_no_more_runs_are_asked_about_than_it_takes() -> None:
    runs = [a_run("check_health", hours=n, job=f"c{n}") for n in range(100)] + [a_run("other", hours=200, job="o")]
    asked: list[str] = []

    def is_a_trial(run: ListedJob) -> bool:
        asked.append(run.job_id)
        return run.job_id in ("c0", "c1")

    shown = last_runs(runs, is_a_trial)
    assert not shown.cut
    assert [run.job_id for run in shown.runs] == [f"c{n}" for n in range(2, 2 + RECENT_RUNS)] + ["o"]
    assert len(asked) == len(set(asked)) == RECENT_RUNS + 3


def test_a_thousand_trials_are_not_all_read_and_the_status_says_so() -> None:
    asked: list[str] = []

    def is_a_trial(run: ListedJob) -> bool:
        asked.append(run.job_id)
        return run.job_id.startswith("trial")

    trials = [a_run("check_health", hours=1 + n, job=f"trial-{n}") for n in range(1000)]
    shown = last_runs([*trials, a_run("other", hours=0, job="o"), a_run("former", hours=2000)], is_a_trial)
    assert shown.cut and len(asked) == len(set(asked)) == MAX_LOOKS
    assert "o" in [run.job_id for run in shown.runs]

    few = made(component("a"), runs=[a_run("other", hours=0)], trials=trials[:20])
    assert few.verdict.level is Level.WELL
    many = made(component("a"), runs=[a_run("other", hours=0)], trials=trials, **HERE)
    (note,) = many.verdict.notes
    assert (note.level, note.text.endswith("older runs are not shown")) == (Level.UNKNOWN, True)
    assert note.remedy.startswith("run `vibedata jobs --failed --instance k3v9x2p7`")
