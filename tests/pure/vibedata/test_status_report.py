"""The report of `vibedata status` from its readings: the verdict, the order, the page."""

import io
import json
from collections.abc import Mapping
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from runbook_lib.basics.clock import rfc3339
from tests.support.status_readings import AT, HOUR, a_run, component, credential, made, notes, release
from vibedata.jobs.history import STATES
from vibedata.lines import plain
from vibedata.status.facts import Level, Trouble, age, duration
from vibedata.status.page import page
from vibedata.status.report import COMPONENT_REGISTRY, RUNS, StatusReport
from vibedata.status.text import lines, tables

HOSTILE = "</title><script>alert(1)</script>\"'&\x1b[31m\u202ered[/bold]"


def text(shown: StatusReport) -> str:
    """Return the output of `--all`."""
    return plain(lines(shown)) + tables(shown)


@pytest.mark.parametrize(
    ("components", "level", "headline"),
    [
        ([component("a"), component("b")], Level.WELL, "All 2 components are healthy"),
        ([component("a")], Level.WELL, "The only component is healthy"),
        ([component("a"), component("b", "unhealthy")], Level.ILL, "1 of 2 components is ill: b"),
        (
            [component("a", "degraded"), component("b", "unhealthy"), component("c")],
            Level.ILL,
            "2 of 3 components are ill: b, a",
        ),
        ([component("a", "unknown", checkedAt="")], Level.UNKNOWN, "Nobody has looked at the components' health yet"),
        ([], Level.UNKNOWN, "No component is registered"),
        (
            [component("a"), component("b", "unknown", healthKind="none", checkedAt="")],
            Level.WELL,
            "The only component that is probed is healthy",
        ),
        (
            [component("a"), component("b", "unknown", checkedAt="")],
            Level.ATTENTION,
            "1 of 2 components is known to be healthy; 1 thing needs attention",
        ),
        ([component("a"), component("b", "unhealthy", state="vanished")], Level.WELL, "The only component is healthy"),
        ([component("a"), component("b", "on fire")], Level.ATTENTION, "1 of 2 components is known to be healthy; 1"),
    ],
)
def test_headline_tells_the_worst(components: list[Mapping[str, Any]], level: Level, headline: str) -> None:
    verdict = made(*components).verdict
    assert (verdict.level, verdict.headline[: len(headline)]) == (level, headline)


def test_observability_is_no_component_and_is_told() -> None:
    reason = "alert rule cpu is disabled"
    shown = made(component("a"), component("alerts", "unhealthy", PartitionKey="observability", healthReason=reason))
    assert shown.verdict.headline == "The only component is healthy; 1 thing needs attention"
    assert notes(shown) == ["Observability: alerts is unhealthy: alert rule cpu is disabled"]
    assert "alerts" in text(shown)
    assert "alerts" in page(shown).partition("<h2>Observability")[2]


def test_a_headline_names_five_and_counts_the_rest() -> None:
    shown = made(*(component(f"c{number}", "degraded") for number in range(8)))
    assert shown.verdict.headline == "8 of 8 components are ill: c0, c1, c2, c3, c4 and 3 more"


def test_components_are_in_the_order_of_their_trouble() -> None:
    shown = made(
        component("healthy"),
        component("vanished", "unhealthy", state="vanished"),
        component("not-probed", "unknown", healthKind="none"),
        component("unknown", "unknown"),
        component("degraded", "degraded"),
        component("drifted", drift="the release has 2, 1 is there"),
        component("unhealthy", "unhealthy"),
    )
    order = ["unhealthy", "degraded", "unknown", "drifted", "healthy", "not-probed", "vanished"]
    assert [found.name for found in shown.facts.components] == order
    assert "Drift from the release: drifted" in notes(shown)


@pytest.mark.parametrize(
    ("days", "state", "level", "words"),
    [
        (30, "enabled", Level.WELL, None),
        (29.9, "enabled", Level.ATTENTION, "Credential key expires in 29 days"),
        (1.5, "enabled", Level.ATTENTION, "Credential key expires in 1 day"),
        (0.5, "enabled", Level.ATTENTION, "Credential key expires in less than a day"),
        (-0.1, "enabled", Level.ILL, "Credential key has expired"),
        (-400, "enabled", Level.ILL, "Credential key has expired"),
        (None, "enabled", Level.WELL, None),
        (None, "absent", Level.ILL, "Credential key is absent"),
        (100, "disabled", Level.ILL, "Credential key is disabled"),
        (None, "not provisioned", Level.ATTENTION, "Credential key is not provisioned yet"),
        (-1, "previous", Level.WELL, None),
        (5, "current", Level.WELL, None),
        (None, "pending", Level.WELL, None),
        (-1, "retired", Level.WELL, None),
    ],
)
def test_credentials_are_told_before_they_expire(days: float | None, state: str, level: Level, words: str) -> None:
    verdict = made(component("a"), credentials=[credential("key", days=days, state=state)]).verdict
    assert verdict.level is level
    told = [verdict.headline, *(note.text for note in verdict.notes)]
    assert [words] == [line for line in told if "Credential" in line] or words is None


def test_a_credential_is_renewed_by_the_command_that_can() -> None:
    rows = [credential("token", days=1), {**credential("key", days=None, state="absent"), "PartitionKey": "hmac-key"}]
    verdict = made(component("a"), credentials=rows).verdict
    assert [note.remedy for note in verdict.notes] == ["run `vibedata rotate-acr-token`"]
    missing = {**credential("key", days=None, state="not provisioned"), "PartitionKey": "hmac-key"}
    told = made(component("a"), credentials=[missing]).verdict.notes
    assert [note.remedy for note in told] == ["run `vibedata rotate-hmac`"]


def test_a_certificate_is_shown_with_its_days_and_judged_by_its_end_alone() -> None:
    def told(days: float, state: str = "enabled") -> StatusReport:
        row = {**credential("vibedata-tls", days=days, state=state), "PartitionKey": "tls-certificate"}
        return made(component("a"), credentials=[row])

    well = told(4.5)
    assert (well.verdict.level, well.facts.credentials[0].days_left) == (Level.WELL, 4)
    for gone in (told(-1), told(40, state="disabled")):
        assert (gone.verdict.level, gone.verdict.remedy) == (Level.ILL, "run `vibedata rotate-tls`")


def test_old_health_is_no_news() -> None:
    old = rfc3339(AT - 9 * HOUR)
    assert notes(made(component("a", checkedAt=old), component("b", checkedAt=old))) == [
        "Health was last checked 9 h ago"
    ]
    assert notes(made(component("a", checkedAt=old), component("b"))) == ["Health was not checked for 2 h: a"]
    assert made(component("a", checkedAt=rfc3339(AT - 2 * HOUR))).verdict.level is Level.WELL
    assert made(component("a", checkedAt=rfc3339(AT + HOUR))).verdict.level is Level.WELL  # another clock


def test_only_the_last_run_of_a_runbook_counts() -> None:
    runs = [a_run("import_images", hours=3, status="Failed"), a_run("import_images", hours=2)]
    assert notes(made(component("a"), runs=runs)) == []
    runs.append(a_run("import_images", hours=1, status="Failed", job="the-job"))
    shown = made(component("a"), runs=runs)
    assert notes(shown) == ["The last run of import_images ended as failed, 59 min ago"]
    assert shown.verdict.notes[0].remedy.startswith("run `vibedata logs the-job`")


@pytest.mark.parametrize("status", ["Failed", "Stopped", "Suspended", "Blocked", "Disconnected"])
def test_a_last_run_that_is_not_well_needs_attention(status: str) -> None:
    shown = made(component("a"), runs=[a_run("import_images", hours=1, status=status, job="the-job")])
    how = f"is {STATES[status]}" if status in ("Blocked", "Disconnected") else f"ended as {STATES[status]}"
    assert shown.verdict.level is Level.ATTENTION
    assert notes(shown) == [f"The last run of import_images {how}, 59 min ago"]
    assert "1 run, 1 not well" in page(shown)


def test_hourly_runs_push_no_other_runbook_out_of_sight() -> None:
    runs = [a_run("import_manifest", hours=70), a_run("import_manifest", hours=50)]
    runs += [a_run("check_health", hours=hours) for hours in range(40)]
    shown = made(component("a"), runs=runs).facts.runs
    assert [run.runbook for run in shown] == ["check_health"] * 10 + ["import_manifest"]
    assert shown[-1].job_id == "import_manifest-50"


def test_the_newest_of_two_current_releases_is_the_installed_one() -> None:
    old = release("2026.10.0", updatedAt=rfc3339(AT - HOUR))
    shown = made(component("a"), releases=(old, release("2026.11.0"), release("2026.12.0", state="former")))
    assert shown.facts.release is not None
    assert shown.facts.release.version == "2026.11.0"
    assert "No release is recorded as installed" in notes(made(component("a"), releases=()))


def test_without_component_registry_it_says_what_to_run() -> None:
    shown = made(entities=None, runs=(a_run("import_manifest", hours=1),))
    assert shown.verdict.headline == "The component registry does not exist yet"
    assert "vibedata invoke bootstrap_registry" in text(shown)
    assert "<code>vibedata invoke bootstrap_registry</code>" in page(shown)
    assert "import_manifest" in text(shown)


@pytest.mark.parametrize("source", [COMPONENT_REGISTRY, RUNS])
def test_what_cannot_be_read_is_told_and_the_rest_shown(source: str) -> None:
    trouble = Trouble(source=source, code="VD-NET-003", message="403 no", remedy="assign the role")
    changes: dict[str, Any] = {"entities": None} if source == COMPONENT_REGISTRY else {}
    shown = made(component("a", "unhealthy"), troubles=(trouble,), **changes)
    expected = "Health cannot be read" if source == COMPONENT_REGISTRY else "1 of 1 component is ill: a"
    assert shown.verdict.headline == expected
    assert f"The {source} cannot be read: VD-NET-003: 403 no" in notes(shown)
    assert "does not exist" not in text(shown)


def test_json_has_times_in_utc_and_no_more_than_was_read() -> None:
    shown = made(
        component("a", "degraded", healthReason="slow", dependsOn='["b"]'),
        credentials=[credential("key", days=1.5)],
        runs=(a_run("check_health", hours=1), a_run("import_images", hours=0, status="Running")),
    ).as_json()
    told = json.loads(json.dumps(shown))
    assert told["at"] == "2026-11-23T11:30:00.000000Z"
    assert told["verdict"]["level"] == "ill"
    assert (told["components"][0]["checked_at"], told["components"][0]["depends_on"]) == (
        "2026-11-23T11:15:00.000000Z",
        ["b"],
    )
    assert told["credentials"][0]["days_left"] == 1
    assert [run["seconds"] for run in told["runs"]] == [None, 14.0]
    assert told["release"]["manifest_digest"] == "sha256:" + "ab" * 32


class Page(HTMLParser):
    """Elements and attributes of a page, and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = io.StringIO()
        self.open: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "path", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.write(data)


def everything(words: str) -> StatusReport:
    trouble = Trouble(source=RUNS, code="VD-NET-001", message="no", remedy="wait")
    return made(
        component(f"ill{words}", "unhealthy", healthReason=words, drift=words, endpoint=f"https://{words}"),
        component(f"well{words}", PartitionKey=words, version=words, endpoint=f"javascript:{words}", drift=words),
        component("vanished", state="vanished", dependsOn=json.dumps([words]), endpoint=""),
        component("alerts", "degraded", PartitionKey="observability", healthReason=words, endpoint=""),
        credentials=[credential(words, days=3), credential(f"x{words}", days=None, state=words)],
        releases=(release(words, digest=words, channel=words),),
        runs=(a_run("check_health", hours=1, status="Suspended"), a_run("import_images", hours=0, status="Running")),
        scope=words,
        troubles=(trouble,),
    )


def test_page_stands_alone_and_says_all_in_words() -> None:
    shown = Page(page(everything("plain")))
    assert shown.open == []
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(shown.tags)
    assert not [value for name, value in shown.attributes if name in ("src", "style") or name.startswith("on")]
    assert [value for name, value in shown.attributes if name == "href"] == ["https://plain"]
    assert "<dt>Release (plain)</dt><dd>plain</dd>" in page(everything("plain"))
    style = page(everything("plain")).partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    words = shown.text.getvalue()
    for expected in ("unhealthy", "healthy", "vanished", "suspended", "running", "expires in 3 days", "drift: plain"):
        assert expected in words
    assert "2026-11-23 11:15 UTC" in words
    assert "15 min ago" in words


def test_page_shows_hostile_words_as_words() -> None:
    content = page(everything(HOSTILE))
    shown = Page(content)
    assert "script" not in shown.tags
    assert "\x1b" not in content
    assert "\u202e" not in content
    assert "</title><script>alert(1)</script>" in shown.text.getvalue()
    assert all(value.startswith("https://") for name, value in shown.attributes if name == "href")


def test_terminal_gets_hostile_words_as_words() -> None:
    shown = text(everything("x[red]y[/bold]\x1b]0;title\x07"))
    assert "\x1b" not in shown  # standard output is not a terminal here, so an escape could only come from the words
    assert "\x07" not in shown
    assert "ill: illx[red]y[/bold]" in shown
    assert "\u2502 x[red]y[/bold]" in shown  # in a table, too


@given(st.text(max_size=40))
def test_any_words_make_a_whole_page(words: str) -> None:
    assert Page(page(everything(words))).open == []


def test_text_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = text(everything("a-name-that-is-rather-long"))
    tables = [line for line in shown.splitlines() if line[:1] in "│┃┏┡└"]
    assert tables
    assert all(cell_len(line) <= 80 for line in tables)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 days"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
    assert age(AT - timedelta(seconds=seconds), AT) == f"{words} ago"


def test_what_lies_ahead() -> None:
    assert age(AT + timedelta(days=12), AT) == "in 12 days"
