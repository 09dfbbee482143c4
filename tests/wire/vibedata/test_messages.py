"""The messages for a person who types a command while something is wrong: the cause first and once, then the next
command.
"""

import json
import re
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.mgmt.automation import models as m

from tests.support.automation import Automation, automation
from tests.support.runbook_run import IMAGES, MANIFEST, run
from tests.support.running_lab import LabUnderTest, environment
from vibedata import cli

ROOT = Path(__file__).parents[3]
WITHOUT_IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")
UNRESOLVED = "nowhere.invalid"


@pytest.fixture
def closed() -> Iterator[str]:
    """An address that refuses connections."""
    with socket.socket() as reserved:  # bound and not listening
        reserved.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{reserved.getsockname()[1]}"


@pytest.fixture
def account(lab: LabUnderTest) -> Iterator[Automation]:
    with automation(lab) as made:
        yield made


def vibedata(environ: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "vibedata.cli", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def codes(text: str) -> set[str]:
    return set(re.findall(r"VD-[A-Z]+-\d{3}", text))


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert cli.main([*arguments, "--output", "json"]) == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["error"]
    return found


# --- Who one is comes first -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--plan",)])
def test_without_a_login_there_are_four_lines_and_nothing_is_asked(
    lab: LabUnderTest, options: tuple[str, ...], tmp_path: Path
) -> None:
    environ = {name: value for name, value in environment(lab).items() if name not in WITHOUT_IDENTITY}
    environ["PATH"] = str(tmp_path)  # no `az` and no `azd`
    before = lab.last_request()
    failed = vibedata(environ, "run", "import_manifest", *options)
    assert (failed.returncode, failed.stdout) == (1, "")
    lines = failed.stderr.splitlines()
    assert len(lines) == 4, failed.stderr
    assert lines[0].startswith("VD-IDENTITY-002: ") and "`az login`" in lines[2]
    assert codes(failed.stderr) == {"VD-IDENTITY-002"}
    assert lab.last_request() == before


def test_a_job_without_a_token_reports_nothing_else(
    lab: LabUnderTest, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = closed.replace("https", "http")
    monkeypatch.setenv("IDENTITY_ENDPOINT", address)  # the SDK reads the process's environment
    done = run(lab, MANIFEST, environ={"IDENTITY_ENDPOINT": address})
    assert (done.exit_code, codes(done.text)) == (1, {"VD-IDENTITY-001"})
    assert "WARNING" not in done.text
    assert done.requests == []


# --- A service that does not answer, or refuses -----------------------------------------------------------------------


def test_a_dead_host_is_reported_first_once_and_while_it_is_tried_again(lab: LabUnderTest, closed: str) -> None:
    host = closed.removeprefix("https://")
    done = run(lab, IMAGES, environ={"VIBEDATA_BLOB_ENDPOINT": f"{closed}/account"})
    lines = done.text.splitlines()
    for attempt in (1, 2, 3):
        assert lines.count(f"{host} does not answer; trying again in 2 s ({attempt} of 3)") == 1
    message = done.result["error"]["message"]
    assert f"({host}): Connection refused; blob storage: GET {host}/account/release-manifests" in message
    assert "as object id " in message
    first = next(number for number, line in enumerate(lines) if line.startswith(("ERROR", "WARNING")))
    assert lines[first].startswith("ERROR: VD-NET-001: ")
    assert done.text.count("  cause: ") == 1, "what it leads to is told without the cause"
    assert done.text.count("Connection refused") == 2, "in the error, and in the result"
    assert "VD-LOG-003: stored events of the operations log cannot be delivered; the cause is shown above" in done.text


def test_a_name_that_does_not_resolve_is_reported_at_once(lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        if host == UNRESOLVED:  # as the C library reports it; no real server is asked
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    done = run(lab, IMAGES, environ={"VIBEDATA_BLOB_ENDPOINT": f"https://{UNRESOLVED}/account"})
    assert done.error_code == "VD-NET-001"
    assert f"the name {UNRESOLVED} does not resolve" in done.result["error"]["message"]
    assert "trying again" not in done.text
    # The same through requests, without an SDK.
    done = run(lab, MANIFEST, environ={"VIBEDATA_PUBLISHER_REGISTRY": UNRESOLVED})
    assert "trying again" not in done.text and done.exit_code == 1


@pytest.mark.parametrize(
    ("match", "role", "scope"),
    [
        ({"service": "blob", "path": "/release-manifests"}, "Storage Blob Data Contributor", "storageAccounts/"),
        ({"service": "key_vault"}, "Key Vault Secrets User", "/resourceGroups/vibedata-managed"),
        ({"service": "arm", "path": "/storageAccounts/"}, "Reader", "storageAccounts/"),
    ],
)
def test_a_refusal_comes_with_the_line_that_assigns_the_role(
    lab: LabUnderTest, match: dict[str, str], role: str, scope: str
) -> None:
    lab.fault("status", status=403, times=0, match=match)
    error = run(lab, IMAGES if match["service"] == "blob" else MANIFEST).result["error"]
    assert error["code"] == "VD-NET-003", error
    line = re.search(r"az role assignment create --assignee (\S+) --role \"([^\"]+)\" --scope (\S+)$", error["remedy"])
    assert line is not None, error["remedy"]
    assert (line[1] in error["message"], line[2]) == (True, role)
    assert line[3].startswith(f"/subscriptions/{lab.env['VIBEDATA_SUBSCRIPTION_ID']}/resourceGroups/")
    assert scope in line[3]


def test_a_command_tells_the_role_too(lab: LabUnderTest, capsys: pytest.CaptureFixture[str]) -> None:
    lab.fault("status", status=403, times=0, match={"service": "arm", "path": "/automationAccounts/"})
    error = error_of(capsys, "invoke", "import_images")
    assert error["code"] == "VD-NET-003"
    assert '--role "Automation Contributor"' in error["remedy"]
    assert f"/automationAccounts/{lab.env['VIBEDATA_AUTOMATION_ACCOUNT']}" in error["remedy"]


# --- Jobs -------------------------------------------------------------------------------------------------------------


def test_why_a_job_is_not_started_has_a_code_of_its_own(
    account: Automation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = error_of(capsys, "invoke", "import_images")
    assert nothing["code"] == "VD-AUTOMATION-021" and "`vibedata deploy DIR`" in nothing["remedy"]
    account.environment()
    body = m.RunbookCreateOrUpdateParameters(
        name="draft",
        location="westeurope",
        properties=m.RunbookCreateOrUpdateProperties(runbook_type="Python", draft=m.RunbookDraft()),
    )
    account.client.runbook.create_or_update(*account.at, "draft", body)
    assert error_of(capsys, "invoke", "draft")["code"] == "VD-AUTOMATION-021"
    account.publish("print('{}')\n")
    unknown = error_of(capsys, "invoke", "porbe")
    assert unknown["code"] == "VD-AUTOMATION-020"
    assert "it has draft, probe - did you mean 'probe'?" in unknown["message"]
    monkeypatch.setenv("VIBEDATA_AUTOMATION_ACCOUNT", "nosuch")
    assert error_of(capsys, "invoke", "probe")["code"] == "VD-AUTOMATION-001"


HOSTILE_JOB = r"""
import json, sys
sys.stdout.write("\x1b]0;title\x07 plain \x1b[2J\x1b[8m \u202e\u200b\U000e0041\x9b31m\n")
sys.stdout.write("WARNING: first\rVD-OK: forged\n")
print("z" * 100_000)
error = {"code": "VD-X\x1b[31m", "message": "a\nprobe: succeeded\x1bc", "remedy": "\u202eb", "retryable": False}
print(json.dumps({"runbook": "probe", "status": "failed\x1b[2J", "changed": 0, "error": error}))
"""


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_a_job_prints_reaches_no_terminal_unfiltered(
    account: Automation, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    account.environment()
    account.publish(HOSTILE_JOB, log_verbose=True)
    capsys.readouterr()
    cli.main(["invoke", "probe", "--output", output])
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert [each for each in text if each != "\n" and unicodedata.category(each)[0] == "C"] == []
        assert "probe: succeeded" not in text.splitlines()
    assert "\\x1b]0;title\\x07 plain" in shown.out + shown.err
    if output == "text":
        assert max(map(len, shown.out.splitlines())) < 3000
    else:
        # A last line in another form is not a result, whatever status it has.
        assert json.loads(shown.out)["status"] == "failed"
