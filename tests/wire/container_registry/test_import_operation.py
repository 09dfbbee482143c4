"""An import's long-running operation, with a server that gives the answers of a gateway before ARM."""

from pathlib import Path
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.rest import HttpRequest

from runbook_lib.container_registry._import_operation import ASK_SECONDS, ImportOperation
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.network.sdk_retry import SdkRetryPolicy
from tests.support.fake_clock import FakeClock
from tests.support.scripted_server import Answer, ScriptedServer, json_answer


@pytest.mark.parametrize("page", [b"", b"<html>Bad Gateway</html>"])
def test_a_gateways_page_says_nothing_about_an_import(
    page: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    with ScriptedServer(tmp_path).running() as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
        policy = SdkRetryPolicy(NetworkRetryPolicy, clock=clock)
        client: PipelineClient[Any, Any] = PipelineClient(server.url, policies=[policy])
        operation = ImportOperation(image="a", arm_endpoint=server.url, clock=clock)
        server.play(Answer(status=202, headers={"Location": f"{server.url}/operation"}))
        operation.take(client, client.send_request(HttpRequest("GET", server.url)))
        server.play(*[Answer(status=502, body=page)] * 20)
        clock.sleep(ASK_SECONDS)
        operation.ask()
        assert operation.over_since is None
        server.forget()
        server.play(json_answer({}))
        clock.sleep(3600)
        operation.ask()
        assert operation.story == "the operation succeeded"
