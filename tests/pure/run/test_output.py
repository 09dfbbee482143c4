"""The output of a job: within the limits, in the right stream, without a secret; and its last line."""

import dataclasses
import io
import json
import logging
import warnings
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.basics.redaction import Redactor
from runbook_lib.change import Change, NoChange, Plan, Result
from runbook_lib.errors import RunbookError
from runbook_lib.run.output import RECORD_LIMIT, RESULT_LIMIT, STREAM_LIMIT, JobOutput, library_messages
from runbook_lib.run.result import Report, RunResult, failure_of, result_line
from vibedata.error_catalogue import CATALOGUE

CANARY = "canary-7f3a9c/secret+value"


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=timezone.utc)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def output_to(stream: io.BytesIO, clock: FakeClock | None = None) -> JobOutput:
    redactor = Redactor()
    redactor.learn(CANARY)
    return JobOutput(stream, redactor=redactor, clock=clock or FakeClock(), full_record="table T, RunId r")


def test_every_line_of_a_record_has_the_streams_prefix() -> None:
    stream = io.BytesIO()
    output = output_to(stream)
    output.info("plain\nlines")
    output.warning("a\r\nb")
    output.error("c\u2028d")
    output.verbose("")
    assert stream.getvalue().decode().split("\n") == [
        "plain",
        "lines",
        "WARNING: a",
        "WARNING: b",
        "ERROR: c",
        "ERROR: d",
        "VERBOSE: ",
        "",
    ]


def test_no_text_picks_a_stream_or_reaches_the_terminal_by_itself() -> None:
    stream = io.BytesIO()
    output_to(stream).info("Error: not mine\nfine\x1b[31m\nDEBUG:x")
    assert stream.getvalue().decode() == " Error: not mine\nfine\\x1b[31m\n DEBUG:x\n"


def test_no_text_passes_for_the_result_or_hides_what_it_is() -> None:
    stream = io.BytesIO()
    output_to(stream).info('it says:\n{"status": "succeeded"}\n\u200bERROR: x\u202e\U000e0041\u3164')
    assert stream.getvalue().decode().splitlines() == [
        "it says:",
        ' {"status": "succeeded"}',
        "\\u200bERROR: x\\u202e\\U000e0041\\u3164",
    ]


def test_a_cause_is_told_once() -> None:
    stream = io.BytesIO()
    output = output_to(stream)
    first, second = (
        RunbookError(CATALOGUE["VD-NET-001"], "refused", target="host"),
        RunbookError(CATALOGUE["VD-LOG-001"], "refused"),
    )
    output.told(first)
    second.origin = first.origin
    output.warn_of(second)
    output.warn_of(RunbookError(CATALOGUE["VD-LOG-003"], "elsewhere", target="other"))
    lines = stream.getvalue().decode().splitlines()
    assert lines[0] == "WARNING: VD-LOG-001: the operations log could not be delivered; the cause is shown above"
    assert [line.split(":")[1].strip() for line in lines[1:]] == ["VD-LOG-003", "cause", "what to do", "rerun"]


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_written_and_the_secret_never(before: str, after: str) -> None:
    stream = io.BytesIO()
    output_to(stream).error(before + CANARY + after)
    assert CANARY.encode() not in stream.getvalue()
    assert all(line.startswith("ERROR: ") for line in stream.getvalue().decode().split("\n")[:-1])


def test_a_cut_leaves_no_part_of_a_secret() -> None:
    stream = io.BytesIO()
    output_to(stream).info("x" * (RECORD_LIMIT - 10) + CANARY)
    assert b"canary" not in stream.getvalue()


def test_progress_comes_every_two_seconds_and_not_before() -> None:
    stream, clock = io.BytesIO(), FakeClock()
    output = output_to(stream, clock)
    for tenth in range(50):
        clock.seconds = tenth / 10
        output.progress(f"at {tenth}")
    assert stream.getvalue().decode().splitlines() == ["at 20", "at 40"]


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["info", "verbose", "warning", "error"]), st.integers(0, 60_000))))
def test_whatever_is_written_the_result_fits(records: list[tuple[str, int]]) -> None:
    stream = io.BytesIO()
    output = output_to(stream)
    for kind, length in records * 8:  # mostly longer than the limit
        getattr(output, kind)("y" * length)
    output.result("r" * (RESULT_LIMIT - 1))
    assert len(stream.getvalue()) <= STREAM_LIMIT
    assert stream.getvalue().endswith(b"r\n")


def test_full_output_says_so_once_and_keeps_room_for_errors() -> None:
    stream = io.BytesIO()
    output = output_to(stream)
    for _ in range(200):
        output.info("z" * 10_000)
    assert not output.info("one more " * 1000)
    assert output.error("what matters")
    lines = stream.getvalue().decode().splitlines()
    notices = [line for line in lines if "VD-OUTPUT-001" in line]
    assert len(notices) == 1
    assert notices[0].startswith("WARNING: ")
    assert "table T, RunId r" in notices[0]
    assert lines[-1] == "ERROR: what matters"


class GoneStream(io.BytesIO):
    def write(self, _data: Any) -> int:
        raise BrokenPipeError


def test_a_reader_that_went_away_fails_nothing() -> None:
    output = output_to(GoneStream())
    output.info("anybody?")
    output.result("{}")


def test_what_libraries_log_goes_to_the_verbose_stream_redacted() -> None:
    stream = io.BytesIO()
    with library_messages(output_to(stream)):
        logging.getLogger("azure.some").error("failed with %s", CANARY)
        logging.getLogger("azure.some").info("quiet")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(False)
            logging.captureWarnings(True)
            warnings.warn("old thing", stacklevel=1)
    lines = stream.getvalue().decode().splitlines()
    assert lines[0] == "VERBOSE: azure.some: failed with ***"
    assert all(line.startswith("VERBOSE: ") for line in lines)
    assert any("old thing" in line for line in lines)


def result_of(results: list[Result], *, plan: Plan | None = None, planned_only: bool = False) -> RunResult:
    return RunResult(
        runbook="import_images",
        version="2026.11.0",
        correlation_id="c",
        run_id="r",
        plan=plan or Plan(tuple(result.change for result in results)),
        results=results,
        planned_only=planned_only,
        error=failure_of(results),
        duration_ms=12,
    )


def line_of(result: RunResult) -> dict[str, Any]:
    redactor = Redactor()
    redactor.learn(CANARY)
    line = result_line(result, redactor.redact)
    assert len(line) < RESULT_LIMIT
    assert "\n" not in line
    assert CANARY not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def change(number: int, text: str = "") -> Change:
    return Change(0, "import", f"image{number}", None, f"sha256:{number}{text}")


def test_the_result_has_the_contracts_form() -> None:
    error = RunbookError(CATALOGUE["VD-IMPORT-001"], "gone", target="image1")
    results = [
        Result(change=change(0), outcome="done", observed="sha256:0", attempts=1),
        Result(change=change(1), outcome="failed", error=error, attempts=1),
        Result(change=change(2), outcome="skipped"),
    ]
    line = line_of(result_of(results))
    assert list(line) == [
        "runbook",
        "version",
        "status",
        "correlation_id",
        "run_id",
        "changed",
        "unchanged",
        "changes",
        "error",
        "duration_ms",
    ]
    assert (line["status"], line["changed"], line["unchanged"]) == ("failed", 1, 0)
    assert line["changes"][0] == {
        "action": "import",
        "target": "image0",
        "before": None,
        "after": "sha256:0",
        "outcome": "done",
        "error": None,
    }
    assert line["changes"][1]["error"] == {"code": "VD-IMPORT-001", "message": error.message}
    assert [entry["outcome"] for entry in line["changes"]] == ["done", "failed", "skipped"]
    assert set(line["error"]) == {"code", "message", "cause", "remedy", "retryable"}
    assert "1 of 3 changes failed, the first: import image1" in line["error"]["message"]


def test_status_says_what_happened() -> None:
    done = [Result(change=change(0), outcome="done")]
    assert line_of(result_of(done))["status"] == "succeeded"
    nothing = line_of(result_of([], plan=Plan((), (NoChange("image0", "is there"),))))
    assert (nothing["status"], nothing["unchanged"], nothing["changes"]) == ("unchanged", 1, [])
    planned = line_of(result_of([], plan=Plan((change(0),)), planned_only=True))
    assert (planned["status"], planned["changed"]) == ("planned", 0)
    assert [entry["outcome"] for entry in planned["changes"]] == ["planned"]


def test_too_many_changes_are_counted_and_the_failed_ones_kept() -> None:
    error = RunbookError(CATALOGUE["VD-IMPORT-001"], CANARY * 50)
    results = [
        Result(
            change=change(number, "\u00e9" * 400 + CANARY),
            outcome="failed" if number % 100 == 0 else "done",
            error=error if number % 100 == 0 else None,
        )
        for number in range(5000)
    ]
    line = line_of(result_of(results))
    assert line["changes_omitted"] == 5000 - len(line["changes"]) > 0
    assert sum(entry["outcome"] == "failed" for entry in line["changes"]) == 50
    assert len(line["changes"]) > 50
    targets = [int(entry["target"].removeprefix("image")) for entry in line["changes"]]
    assert targets == sorted(targets)


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, 3000), st.text(max_size=2000))
def test_the_result_always_fits(count: int, text: str) -> None:
    error = RunbookError(CATALOGUE["VD-ENGINE-900"], text * 10)
    one = Result(change=Change(0, text, text, text, text), outcome="failed", error=error)
    assert line_of(result_of([one] * count, plan=Plan()))["error"] is None or count


def test_the_report_is_told_redacted_and_cut_and_the_line_stays_within_its_limit() -> None:
    plain = line_of(result_of([]))
    assert "report" not in plain
    report: Report = {
        "components": 12,
        "release": "2026.11.0",
        "drift": [f"{number} {'é' * 1000}" for number in range(1000)],
    }
    results = [Result(change=change(number, "é" * 1000), outcome="done") for number in range(1000)]
    told = line_of(dataclasses.replace(result_of(results), report=report))["report"]
    assert (told["components"], told["release"], len(told["drift"])) == (12, "2026.11.0", 21)
    assert told["drift"][-1] == "... and 980 more"
    assert max(len(text) for text in told["drift"]) == 300
