"""`vibedata jobs` and `vibedata logs`: the jobs, their output and their end, and the message for a missing login."""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.run.parameters import encode
from tests.support.automation import Automation, automation, wait_for
from tests.support.probe_jobs import LONG, bring_to, impatient_account, probe, running
from tests.support.running_lab import LabUnderTest
from vibedata import cli
from vibedata.jobs.following import MAX_SHOWN_LINES, Lines

OTHER_TENANT = "99999999-8888-4777-8666-555555555555"
# All are jobs of `probe` except the last one. The newest is the last one.
STARTED: tuple[tuple[str, dict[str, object]], ...] = (
    ("probe", {"correlation_id": "good", "started_by": "ada@desk with vibedata"}),
    ("probe", {"correlation_id": "good", "plan_only": True, "trial": True, "started_by": "validate_runbooks"}),
    ("probe", {"correlation_id": "bad", "started_by": "ada\x1b[2J"}),
    ("probe", {"correlation_id": "none", "plan_only": True}),
    ("check_it", {"correlation_id": "good"}),
)


@pytest.fixture
def account(lab: LabUnderTest) -> Iterator[Automation]:
    with automation(lab) as opened:
        opened.environment()
        yield opened


def typed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.main([*words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def as_json(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    found, out, err = typed(capsys, *words, "--output", "json")
    assert found == code, out + err
    result: dict[str, Any] = json.loads(out)
    return result


def controls_in(text: str) -> list[str]:
    return [each for each in text if each != "\n" and unicodedata.category(each)[0] == "C"]


def test_jobs_and_their_logs(account: Automation, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("probe", "check_it"):
        account.publish(probe(name), name=name)
    ids = [account.start({"parameters": encode(given)}, name=name) for name, given in STARTED]
    for job in ids:
        account.ended(job)

    shown = as_json(capsys, "jobs")
    assert [job["job_id"] for job in shown["jobs"]] == ids[::-1]
    assert (shown["more"], shown["older_than"]) == (0, None)
    told = [
        tuple(job[part] for part in ("mode", "release", "state", "status", "code", "result", "started_by"))
        for job in reversed(shown["jobs"])
    ]
    lost = "the job ended without a result"
    assert told == [
        ("run", "2026.11.0", "done", "succeeded", "", "2 changed, 3 already right", "ada@desk with vibedata"),
        ("trial", "2026.11.0", "done", "planned", "", "0 to change, 3 already right", "validate_runbooks"),
        ("run", "2026.11.0", "failed", "failed", "VD-PUBLISH-001", "it broke", ""),
        ("plan", "2026.11.0", "failed", "", "VD-AUTOMATION-005", lost, ""),
        ("run", "2026.11.0", "done", "succeeded", "", "2 changed, 3 already right", ""),
    ]

    def listed(*options: str) -> list[int]:
        return [ids.index(job["job_id"]) for job in as_json(capsys, "jobs", *options)["jobs"]]

    assert listed("--failed") == [3, 2]
    assert listed("--runbook", "CHECK_IT") == [4]
    assert listed("--since", "1h", "--limit", "2") == [4, 3]
    assert listed("--since", "2999-01-01T00:00:00Z") == []
    assert listed("--runbook", "import_images") == [], "a runbook that has had no job yet"
    page = as_json(capsys, "jobs", "--limit", "2")
    assert (page["more"], page["older_than"]) == (3, ids[3])
    assert listed("--limit", "2", "--older-than", page["older_than"]) == [2, 1]
    code, out, _ = typed(capsys, "jobs", "--limit", "2")
    assert code == 0 and f"3 older: vibedata jobs --older-than {ids[3][:8]}" in out
    assert controls_in(out) == []
    options = ("--runbook", "probe", "--since", "36h", "--limit", "1")
    _, out, _ = typed(capsys, "jobs", *options)
    assert out.endswith(f"3 older: vibedata jobs --older-than {ids[3][:8]} --runbook probe --since 36h --limit 1\n")
    _, out, _ = typed(capsys, *out.splitlines()[-1].partition("vibedata ")[2].split())
    assert ids[2][:8] in out and out.count("release 2026.11.0") == 1

    wrong = as_json(capsys, "jobs", "--runbook", "porbe", code=1)["error"]
    assert wrong["code"] == "VD-AUTOMATION-023" and "did you mean 'probe'?" in wrong["message"]
    for option in (("--limit", "0"), ("--limit", "many"), ("--since", "yesterday")):
        assert typed(capsys, "jobs", *option)[0] == 2
    code, _, err = typed(capsys, "jobs", "--faild")
    assert code == 2 and "did you mean '--failed'?" in err

    for word in (ids[0], ids[0].upper(), ids[0][:13]):
        code, out, err = typed(capsys, "logs", word)
        assert code == 0 and f"probe: succeeded (job {ids[0]})" in out
        assert "of probe: run, started by ada@desk with vibedata, 20" in err
    code, out, _ = typed(capsys, "logs", ids[2])
    assert code == 1 and "VD-PUBLISH-001: it broke\n  cause: a test\n  what to do: mend it\n" in out
    newest = as_json(capsys, "logs", "check_it")
    assert (newest["job_id"], newest["runbook"], newest["mode"]) == (ids[4], "check_it", "run")
    ended_without = as_json(capsys, "logs", "probe", code=1)["error"]
    assert ended_without["code"] == "VD-AUTOMATION-005" and ids[3] in ended_without["message"]


def test_a_job_that_is_not_meant_or_not_there(account: Automation, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = as_json(capsys, "logs", "probe", code=1)["error"]
    assert nothing["code"] == "VD-AUTOMATION-023" and "has had no job at all" in nothing["message"]
    assert as_json(capsys, "jobs")["jobs"] == []
    account.publish(probe())
    for digit in "12":
        account.start({"parameters": encode({})}, job=f"abcdef00-0000-4000-8000-00000000000{digit}")
    several = as_json(capsys, "logs", "abcdef", code=1)["error"]
    assert several["code"] == "VD-AUTOMATION-024"
    assert "abcdef00-0000-4000-8000-000000000001 (probe)" in several["message"]
    for word in ("ffff0000", "abcdef00-0000-4000-8000-00000000000f", "porbe"):
        gone = as_json(capsys, "logs", word, code=1)["error"]
        assert gone["code"] == "VD-AUTOMATION-023"
        assert ("did you mean 'probe'?" in gone["message"]) is (word == "porbe")


def test_a_job_that_runs(account: Automation, capsys: pytest.CaptureFixture[str]) -> None:
    account.publish(LONG)
    job = running(account)
    code, out, _ = typed(capsys, "logs", "probe")
    assert code == 0
    assert out.splitlines() == ["begun", f"probe: running; until its end: vibedata logs {job} --follow"]
    assert as_json(capsys, "logs", "probe")["status"] == "running"
    listed = as_json(capsys, "jobs")["jobs"][0]
    assert (listed["state"], listed["result"], listed["ended"]) == ("running", "", None)
    bring_to(account, job, "Suspended", "The sandbox ran out of memory.")
    code, out, err = typed(capsys, "logs", "probe", "--follow")
    assert code == 1 and "begun" in out
    assert "VD-AUTOMATION-027" in err and "The sandbox ran out of memory." in err
    bring_to(account, job, "Blocked")
    assert as_json(capsys, "logs", "probe", "--follow", code=1)["error"]["code"] == "VD-AUTOMATION-028"
    bring_to(account, job, "Removed")
    assert as_json(capsys, "logs", job, code=1)["error"]["code"] == "VD-AUTOMATION-023"


def test_what_a_job_wrote_is_filtered_and_bounded(account: Automation, capsys: pytest.CaptureFixture[str]) -> None:
    account.publish(
        "import sys\nfor number in range(20000):\n    print(number)\n"
        "print('probe: succeeded (job 1)\\x1b[2J\\u202e' + 'z' * 9000)\n"
    )
    job = account.start()
    account.ended(job)
    code, out, err = typed(capsys, "logs", "probe")
    lines = out.splitlines()
    assert code == 1 and "VD-AUTOMATION-005" in err
    assert MAX_SHOWN_LINES <= len(lines) < MAX_SHOWN_LINES + 10
    assert any(f"only {MAX_SHOWN_LINES} lines are shown" in line for line in lines)
    account.publish("print('probe: succeeded (job 1)\\x1b[2J\\u202e' + 'z' * 9000)\n")
    account.ended(account.start())
    for words in (("logs", "probe"), ("jobs",)):
        _, out, err = typed(capsys, *words)
        assert controls_in(out + err) == []
        assert max(map(len, out.splitlines())) < 3000


def test_each_look_reads_only_the_last_page_and_the_end_reads_all(lab: LabUnderTest, account: Automation) -> None:
    account.publish("import time\nfor number in range(250):\n    print(number, flush=True)\ntime.sleep(600)\n")
    job = account.start()
    wait_for(lambda: len(list(account.client.job_stream.list_by_job(*account.at, job))), lambda found: found == 250)
    lines = Lines(impatient_account(lab.env), job)

    def reads(*, whole: bool = False) -> tuple[int, int]:
        """Return the number of new lines and of requests."""
        before = len(streams_asked(lab))
        return len(list(lines.new(whole=whole))), len(streams_asked(lab)) - before

    assert [reads(), reads(), reads(whole=True), reads()] == [(250, 3), (0, 1), (0, 3), (0, 1)]
    # Automation does not know the address of the page any more.
    lab.fault("status", status=400, times=1, match={"service": "arm", "path": "/streams\\?"})
    assert reads() == (0, 4)


def streams_asked(lab: LabUnderTest) -> list[object]:
    return [each for each in lab.journal(service="arm") if str(each["path"]).split("?")[0].endswith("/streams")]


# --- The login --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("invoke", "probe"), ("jobs",), ("logs", "probe"), ("status",)])
def test_without_a_login_there_are_four_lines(
    lab: LabUnderTest,
    command: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path))  # no `az` and no `azd`
    before = lab.last_request()
    code, out, err = typed(capsys, *command)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 4, err
    assert err.startswith("VD-IDENTITY-002: ") and "`az login`" in err
    assert lab.last_request() == before


@pytest.mark.parametrize("command", [("invoke", "probe"), ("jobs",), ("logs", "probe"), ("run", "check_health")])
def test_with_a_login_of_another_tenant_there_are_four_lines(
    lab: LabUnderTest,
    command: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    document = json.loads((lab.directory / "instance.json").read_text())
    document |= {"tenant_id": OTHER_TENANT}
    file = tmp_path / "other.json"
    file.write_text(json.dumps(document))
    # The subscription accepts the login all the same, as if rights were delegated.
    code, _, err = typed(capsys, "jobs", "--instance", str(file))
    assert code == 0, err
    publishers = lab.env["VIBEDATA_PUBLISHER_CLIENT_ID"]
    document["settings"]["uami_client_id"] = publishers
    file.write_text(json.dumps(document))
    monkeypatch.setenv("VIBEDATA_UAMI_CLIENT_ID", publishers)
    code, out, err = typed(capsys, *command, "--instance", str(file))
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 4, err
    assert err.startswith("VD-IDENTITY-003: ") and f"`az login --tenant {OTHER_TENANT}`" in err
