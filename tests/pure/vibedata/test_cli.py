"""The output for a program after a wrong command or a run of a runbook: one JSON object, and nothing else."""

import json
import re

import pytest

from vibedata import cli

WRONG = (
    ("deploy", "--from", "nowhere"),
    ("deploy", "--only", "report"),
    ("frob",),
    ("lab", "frob"),
    ("run", "import_imagez"),
    ("build", "--release"),
    ("push", "dist", "--username", "a", "--entra"),
    ("rotate-hmac", "--overlap-seconds", "-600"),
    ("rotate-acr-token", "--overlap-seconds", "2592001"),
    ("rotate-hmac", "--overlap-seconds", "9" * 5000),
    ("rotate-hmac", "--overlap-seconds", "\u0666\u0660\u0660"),
    ("rotate-hmac", "--overlap-seconds", "6_00"),
    ("rotate-acr-token", "--overlap-seconds", " 600"),
)


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
@pytest.mark.parametrize("form", [("--output", "json"), ("--output=json",)], ids=" ".join)
def test_a_wrong_command_line_is_one_json_object(
    arguments: tuple[str, ...], form: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for typed in ((*form, *arguments), (*arguments, *form)):
        assert cli.main(typed) == 2
        shown = capsys.readouterr()
        assert shown.err == ""
        result = json.loads(shown.out)
        assert result["status"] == "failed"
        assert result["error"]["remedy"].endswith("--help")


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_wrong_command_line_is_told_with_its_usage(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("usage: vibedata")
    assert "what to do: vibedata" in shown.err


def test_a_misspelt_command_is_told_with_all_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists all commands, even if a later word is a command."""
    assert cli.main(["--output", "text", "statu", "invoke"]) == 2
    assert "'status'" in capsys.readouterr().err


def test_which_container_registry_must_be_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIBEDATA_PUBLISHER_REGISTRY", raising=False)
    trust = ("--trust-root", "0" * 64, "--identity", "CN=x,O=y,ST=z,C=NL")
    assert cli.main(["verify", "latest", *trust, "--output", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "VD-PUSH-004"


def test_a_runbooks_result_is_all_that_a_program_reads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIBEDATA_SUBSCRIPTION_ID", raising=False)
    assert cli.main(["run", "import_images", "--output", "json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["code"] == "VD-SETTINGS-001"
    assert "VD-SETTINGS-001" in shown.err


@pytest.mark.parametrize("words", [("--bogus", "1"), ("--plan", "--bogus=1"), ("--bogus", "1", "--", "--plan-only")])
def test_what_run_does_not_know_goes_to_the_runbook(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--output", "json", "run", "import_manifest", *words]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "VD-PARAM-001" and "(--bogus): it takes release_tag" in error["message"]


def test_no_other_command_passes_words_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["invoke", "import_manifest", "--bogus", "1"]) == 2
    assert "it knows no '--bogus 1'" in capsys.readouterr().err


def test_a_script_that_forgets_plan_deploys_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["deploy", "latest", "--detailed-exitcode", "--output", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "--detailed-exitcode goes with --plan"


@pytest.mark.parametrize(("options", "code"), [(("--plan",), 2), (("--plan", "--detailed-exitcode"), 1)])
def test_a_detailed_exit_code_of_a_failure_does_not_mean_changes(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: int
) -> None:
    assert cli.main(["deploy", "--instance", "./no-such.json", *options, "--output", "json"]) == code
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "VD-INSTANCE-008"


def test_a_run_says_who_started_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "-ann b$\x1b")
    cli.main(["run", "import_manifest"])
    cli.main(["run", "import_manifest", "--started-by", "the pipeline"])
    first, second = (line for line in capsys.readouterr().out.splitlines() if ", correlation " in line)
    assert re.search(r": run, started by u-ann_b__@[A-Za-z0-9._-]+ with vibedata, run ", first)
    assert ": run, started by the pipeline, run " in second


def test_a_runbooks_help_is_a_text_whatever_the_output_is(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "import_images", "--output", "json", "--", "--help"]) == 0
    shown = capfd.readouterr()
    assert shown.out.startswith("import_images: ") and "--plan-only" in shown.out
    assert shown.err == ""
