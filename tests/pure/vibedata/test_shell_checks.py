"""Mistakes in the shell get their own message, before the command tries anything else."""

import json
import socket
from collections.abc import Iterator

import pytest

from runbook_lib.azure.settings import load
from runbook_lib.errors import RunbookError
from vibedata import cli
from vibedata.shell_checks import OTHER_VARIABLES, nearest, require_lab, unknown_variables

GUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as reserved:  # bound and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        yield int(reserved.getsockname()[1])


def test_a_variable_that_looks_like_a_setting_is_told() -> None:
    environ = {"VIBEDATA_SUBSCRIPTON_ID": "x", "VIBEDATA_REGION_OF_SOMETHING_ELSE": "x", "PATH": "x"}
    assert unknown_variables(environ) == [
        "VIBEDATA_SUBSCRIPTON_ID is no setting and is not read - did you mean 'VIBEDATA_SUBSCRIPTION_ID'?"
    ]
    known = dict.fromkeys(OTHER_VARIABLES, "x") | {"VIBEDATA_DCR_ID": "x", "VIBEDATA_PUBLISHER_API": "x"}
    assert unknown_variables(known) == []


def test_all_settings_that_are_missing_are_told_at_once() -> None:
    with pytest.raises(RunbookError) as caught:
        load({}, {"VIBEDATA_RESOURCE_GROUP": "g"}, None)
    assert caught.value.code == "VD-SETTINGS-001"
    for name in ("subscription_id", "logs_endpoint", "dcr_id"):
        assert name in caught.value.message
        assert f"VIBEDATA_{name.upper()}" in caught.value.remedy
    with pytest.raises(RunbookError) as one:
        load({}, {"VIBEDATA_SUBSCRIPTION_ID": GUID, "VIBEDATA_LOGS_ENDPOINT": "https://x"}, None)
    assert one.value.message.startswith("a setting is missing (dcr_id): ")


@pytest.mark.parametrize("command", [("status",), ("invoke", "x"), ("run", "import_images"), ("verify", "latest")])
def test_a_lab_that_is_not_running_is_named(
    command: tuple[str, ...],
    closed_port: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIBEDATA_ARM_ENDPOINT", f"https://127.0.0.1:{closed_port}")
    assert cli.main([*command, "--output", "json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert "the lab is not running" in error["message"]
    assert "`vibedata lab up" in error["remedy"]


@pytest.mark.parametrize(
    "endpoint", ["", "https://[", "https://127.0.0.1:99999", "https://management.azure.com", "no address"]
)
def test_an_endpoint_elsewhere_is_not_asked(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it is no lab")

    monkeypatch.setattr(socket, "create_connection", never)
    require_lab({"VIBEDATA_ARM_ENDPOINT": endpoint})


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("statu",), "status"),
        (("status", "--htlm", "x"), "--html"),
        (("lab", "upp"), "up"),
        (("run", "import_imagez"), "import_images"),
        (("rotate-hmac", "--superseed", "x"), "--supersede"),
        (("--output", "jsn", "status"), "json"),
        (("--outptu", "json", "status"), "--output"),
        (("--output=text", "--versoin", "status"), "--version"),
        (("lba",), "lab"),
        (("puhs",), "push"),
    ],
)
def test_a_word_that_is_nearly_right_is_told(
    arguments: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_an_option_that_a_command_does_not_have_leads_to_the_commands_own_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (("lab", "up", "--recrod"), ("status", "--plan"), ("invoke", "check_health", "--", "--release-tag")):
        command = " ".join(word for word in words[: 2 if words[0] == "lab" else 1])
        assert cli.main(words) == 2
        shown = capsys.readouterr().err
        assert f"vibedata {command}: it knows no '--" in shown and f"what to do: vibedata {command} --help" in shown


def test_a_word_that_is_like_nothing_has_no_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert nearest("qqq", ["status", "run"]) == ""
    assert cli.main(("x" * 5000,)) == 2
    shown = capsys.readouterr().err
    assert "did you mean" not in shown and max(map(len, shown.splitlines())) < 400
