"""A session works in the same way in any environment and with many threads."""

from typing import Any

import pytest
from azure.keyvault.secrets import SecretClient

from runbook_lib.network.http import TooLarge, read_capped
from runbook_lib.network.http_session import new_session
from tests.support.every_client import BODY, IN_RANGE, StaticCredential, World, _get_blob
from tests.support.scripted_server import Answer


def test_a_netrc_file_and_cookies_change_no_request(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(netrc))
    world.server.play(Answer(headers={"Set-Cookie": "a=b"}), Answer())
    for _ in range(2):
        world.send("GET", headers={"Authorization": "Bearer token"})
    assert [request.headers["Authorization"] for request in world.server.requests] == ["Bearer token"] * 2
    assert all("Cookie" not in request.headers for request in world.server.requests)


def test_no_more_is_read_than_was_agreed(world: World) -> None:
    world.server.play(Answer(body=b"1234"), Answer(body=b"12345"))
    assert read_capped(world.send("GET", stream=True), 4) == b"1234"
    with pytest.raises(TooLarge):
        read_capped(world.send("GET", stream=True), 4)


def test_many_threads_share_one_client_and_its_connections(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    world.server.play(*[IN_RANGE] * 64)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: (_get_blob(world), world.clients.blob_service), range(64)))
    assert {body for body, _ in found} == {BODY}
    assert len({id(client) for _, client in found}) == 1


def test_a_tables_client_leaves_the_requests_of_other_threads_alone(world: World) -> None:
    """azure-data-tables 12.7.0 would link the policies of all these clients anew for each client (AzureClients)."""
    service = world.clients.table_service
    policies = service._client._client._pipeline._impl_policies
    # The last one sends through a transport that is wrapped anew each time, and this does no harm.
    links = [policy.next for policy in policies[:-1]]
    service.get_table_client("Policies")
    assert all(policy.next is link for policy, link in zip(policies, links, strict=False))
    assert len(links) > 5


def test_the_vaults_challenge_is_checked(world: World) -> None:
    elsewhere = SecretClient(
        world.server.url.replace("127.0.0.1", "localhost"),
        StaticCredential(),
        transport=world.clients.secrets._client._client._pipeline._transport,
    )
    with pytest.raises(ValueError, match="does not match"):
        elsewhere.get_secret("s")


def test_a_session_reports_problems_only_with_exceptions(capfd: pytest.CaptureFixture[str]) -> None:
    import logging

    new_session()
    logging.getLogger("azure.identity").warning("would go to stderr")
    logging.getLogger("msal").error("would go to stderr")
    assert capfd.readouterr().err == ""
