"""AutomationAccount against answers that the lab's account does not give."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.mgmt.automation import AutomationClient

from runbook_lib.automation import writing
from runbook_lib.automation.account import AutomationAccount, HeldRunbook
from runbook_lib.automation.publication import Facts, Wanted, plan
from runbook_lib.automation.texts import published_text
from runbook_lib.azure.settings import Settings, load
from runbook_lib.errors import RunbookError
from runbook_lib.release.artifacts import ArtifactBlob, PackageSet
from tests.support.scripted_server import Answer, ScriptedServer, json_answer

GUID = "00000000-0000-4000-8000-000000000000"


class Entra:
    """Gives tokens."""

    def get_token(self, *_scopes: str, **_: object) -> AccessToken:
        return AccessToken("a-token", 2**31)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path).running() as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running


@pytest.fixture
def account(server: ScriptedServer) -> Iterator[AutomationAccount]:
    names = {"subscription_id": GUID, "logs_endpoint": server.url, "dcr_id": "dcr-" + "0" * 32}
    settings: Settings = load({}, {}, json.dumps(names))
    with AutomationClient(
        Entra(), GUID, base_url=server.url, credential_scopes=["https://management.azure.com/.default"], retry_total=0
    ) as client:
        yield AutomationAccount(client=client, settings=settings)


def test_an_environment_of_another_language_is_refused(server: ScriptedServer, account: AutomationAccount) -> None:
    runtime = {"language": "PowerShell", "version": "7.4"}
    server.play(json_answer({"name": "x", "location": "westeurope", "properties": {"runtime": runtime}}))
    found = account.environment("vibedata-000000000000")
    listing = ArtifactBlob(filename="python-packages.json", sha256="0" * 64, size=2)
    wanted = Wanted(packages=PackageSet(digest="sha256:" + "0" * 64, listing=listing, wheels=()), scripts=())
    facts = Facts(wanted=wanted, environment=None, kept={}, packages={}, runbooks={}, own=())
    with pytest.raises(RunbookError) as refused:
        plan(replace(facts, environment=found))
    assert (refused.value.code, refused.value.detail) == ("VD-AUTOMATION-011", "it is of PowerShell 7.4")


def test_a_text_is_read_byte_for_byte_with_any_declared_character_set(
    server: ScriptedServer, account: AutomationAccount
) -> None:
    text = "print('é ü €')\r\n".encode()
    for kind in ("text/plain", "text/powershell", "text/plain; charset=latin-1"):
        server.play(Answer(headers={"Content-Type": kind}, body=text))
        assert published_text(account, "alpha") == text


def test_a_member_that_an_answer_leaves_out_counts_as_empty(server: ScriptedServer, account: AutomationAccount) -> None:
    server.play(json_answer({"name": "alpha", "properties": {"state": "New", "runbookType": "Python3"}}))
    assert account.runbook("alpha") == HeldRunbook(
        kind="Python3", environment=None, sha256=None, in_edit=True, ours=False
    )
    server.play(json_answer({"value": [{"name": "Azure_Core", "properties": {"provisioningState": "Succeeded"}}]}))
    packages = account.packages("vibedata-000000000000")
    assert packages["azure_core"].state == "Succeeded"
    assert packages["azure_core"].version is None


REFUSAL = {"error": {"code": "RunbookQuotaExceeded", "message": "no more of them"}}


@pytest.mark.parametrize(
    "body",
    [REFUSAL, REFUSAL["error"], json.dumps(REFUSAL), {"error": {"code": "BadRequest", "message": json.dumps(REFUSAL)}}],
    ids=["wrapped", "bare", "text", "in the message"],
)
def test_a_refusal_keeps_its_code_wherever_it_stands(
    server: ScriptedServer, account: AutomationAccount, body: object
) -> None:
    server.play(json_answer(body, status=400))
    with pytest.raises(RunbookError) as refused:
        writing.put_runbook(account, "alpha", kind="Python3", environment="e", location="westeurope")
    assert refused.value.code == "VD-AUTOMATION-007"
    assert "RunbookQuotaExceeded: no more of them" in refused.value.detail


def test_a_packages_error_keeps_its_codes(server: ScriptedServer, account: AutomationAccount) -> None:
    inner = json.dumps({"error": {"code": "LinkNotReadable", "message": "the link\nhas expired"}})
    for error, told in (
        ({"code": "ImportFailed", "message": "no wheel"}, "ImportFailed: no wheel"),
        ({"code": "ImportFailed", "message": inner}, "ImportFailed LinkNotReadable: the link has expired"),
        ({"code": None, "message": inner}, "LinkNotReadable: the link has expired"),
        ({"code": "ImportFailed", "message": None}, "ImportFailed"),
        ({"code": None, "message": None}, ""),
    ):
        package = {"name": "tiny", "properties": {"provisioningState": "Failed", "error": error}}
        server.play(json_answer({"value": [package]}))
        assert account.packages("e")["tiny"].error == told


@pytest.mark.parametrize("value", ["[" * 100_000 + "]" * 100_000, "no JSON", '"cut', "", '{"a": 1}', "null"])
def test_a_variable_of_another_form_is_another_text(
    server: ScriptedServer, account: AutomationAccount, value: str
) -> None:
    server.play(json_answer({"name": "v", "properties": {"value": value}}))
    assert account.variable("v") == value


def test_a_variable_without_a_value_is_there_and_an_encrypted_one_is_refused(
    server: ScriptedServer, account: AutomationAccount
) -> None:
    server.play(json_answer({"name": "v", "properties": {"isEncrypted": False}}))
    assert account.variable("v") == ""
    server.play(json_answer({"name": "v", "properties": {"isEncrypted": True}}))
    with pytest.raises(RunbookError) as refused:
        account.variable("v")
    assert (refused.value.code, refused.value.target) == ("VD-AUTOMATION-012", "v")
