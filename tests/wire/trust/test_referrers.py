"""The referrers of a manifest, from a server with answers that an honest one never gives, and page by page."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.container_registry.reader import ContainerRegistryReader
from runbook_lib.container_registry.tokens import AccessTokens, PublisherTokenSource
from runbook_lib.container_registry.wire import PUBLISHER, ContainerRegistryWire
from runbook_lib.errors import RunbookError
from runbook_lib.network.http_session import new_session
from runbook_lib.network.retry import NetworkRetryPolicy
from runbook_lib.trust.referrers import (
    MAX_ENTRIES,
    MAX_LIST_BYTES,
    MAX_LOOKED_AT,
    MAX_PAGE_BYTES,
    MAX_PAGES,
    list_referrers,
)
from tests.support.fake_clock import FakeClock
from tests.support.release_maker import OCI_INDEX, OCI_MANIFEST, digest_of
from tests.support.scripted_server import Answer, ScriptedServer, json_answer

REPOSITORY = "vibedata/release-manifest"
SUBJECT = "sha256:" + "a" * 64
KIND = "application/vnd.cncf.notary.signature"
TOKEN = json_answer({"access_token": "a-token", "expires_in": 3600})
NOT_THERE = json_answer({"errors": [{"code": "NOT_FOUND", "message": "no such page"}]}, status=404)
PATH = f"/v2/{REPOSITORY}/referrers/{SUBJECT}"


def descriptor(number: int, kind: str | None = KIND) -> dict[str, Any]:
    made = {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 700}
    return made if kind is None else {**made, "artifactType": kind}


def page(*items: object, link: str = "", media_type: str = OCI_INDEX) -> Answer:
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": items}).encode()
    headers = {"Content-Type": media_type, **({"Link": link} if link else {})}
    return Answer(headers=headers, body=body)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(tmp_path).running() as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running


def listed(server: ScriptedServer, *acts: Answer) -> list[str]:
    """Return the digests that are found with these answers of the server."""
    clock = FakeClock()
    wire = ContainerRegistryWire(
        login_server=server.host, side=PUBLISHER, session=new_session(), policy=NetworkRetryPolicy, clock=clock
    )
    source = PublisherTokenSource(wire=wire, username="user", password="password", clock=clock)
    reader = ContainerRegistryReader(wire=wire, tokens=AccessTokens(source=source, clock=clock))
    server.play(TOKEN, *acts)
    return [one["digest"][-2:] for one in list_referrers(reader, REPOSITORY, SUBJECT, KIND)]


def asked(server: ScriptedServer) -> list[str]:
    return [request.path for request in server.requests[1:]]


def test_the_list_is_requested_by_type_and_filtered_if_the_server_does_not_filter(server: ScriptedServer) -> None:
    entries = (descriptor(1), descriptor(2, "application/other"), descriptor(3, KIND.upper()), "no descriptor")
    assert listed(server, page(*entries)) == ["01", "03"]
    assert asked(server) == [f"{PATH}?artifactType=application%2Fvnd.cncf.notary.signature"]
    assert server.requests[1].headers["Accept"] == OCI_INDEX


@pytest.mark.parametrize(
    "link",
    [
        f'<{PATH}?n=1&last=x>; rel="next"',
        f'<https://HOST{PATH}?n=1&last=x>; rel="next"',
        f'<HTTPS://HOST{PATH}?n=1&last=x>; rel="next"',
        f'<{PATH.replace(":", "%3A")}?n=1&last=x>; rel="next"',
        '<?n=1&last=x>; rel="next"',
        "<?n=1&last=x>;REL=NEXT",
        '<?n=1&last=x>; title="a, \\"b\\"; rel=prev"; rel="prev next"; rel=last',
        f'<{PATH}?n=0>; rel="first", <{PATH}?n=1&last=x>; rel="next", </help>; rel="describedby"',
    ],
)
def test_a_list_is_read_page_by_page(server: ScriptedServer, link: str) -> None:
    found = listed(server, page(descriptor(1), link=link.replace("HOST", server.host)), page(descriptor(2)))
    assert found == ["01", "02"]
    assert asked(server)[1] == f"{PATH}?n=1&last=x"


@pytest.mark.parametrize(
    "link",
    [
        '<https://elsewhere.example/v2/x>; rel="next"',
        f'<http://HOST{PATH}?n=1>; rel="next"',
        f'</v2/other/referrers/{SUBJECT}?n=1>; rel="next"',
        f'<{PATH}/../x?n=1>; rel="next"',
        '<https://[>; rel="next"',
        '<https://127.1/x>; rel="next"',
        '<https://\xe2\x84\xa0.example/>; rel="next"',
    ],
)
def test_a_next_page_that_is_elsewhere_is_not_asked_for(server: ScriptedServer, link: str) -> None:
    with pytest.raises(RunbookError, match="elsewhere") as caught:
        listed(server, page(descriptor(1), link=link.replace("HOST", server.host)))
    assert caught.value.code == "VD-TRUST-014"
    assert len(asked(server)) == 1


@pytest.mark.parametrize(
    "link", [f'<{PATH}?n=1>; rel="last"', '</help>; rel="describedby"', f"<{PATH}?n=1>; anchor=x; rel=next", "", ","]
)
def test_without_a_next_page_the_list_is_whole(server: ScriptedServer, link: str) -> None:
    assert listed(server, page(descriptor(1), link=link)) == ["01"]
    assert len(asked(server)) == 1


@pytest.mark.parametrize("link", ["no link", f'<{PATH}?n=1; rel="next"', f'<{PATH}?n=1>; rel="next'])
def test_a_link_that_cannot_be_read_is_no_end(server: ScriptedServer, link: str) -> None:
    with pytest.raises(RunbookError, match="Link cannot be read") as caught:
        listed(server, page(descriptor(1), link=link))
    assert caught.value.code == "VD-TRUST-014"


# --- Entries without a type -------------------------------------------------------------------------------------------


def typed(number: int, **fields: Any) -> tuple[dict[str, Any], Answer]:
    """Return an entry without a type, and the answer with its manifest."""
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "number": number, **fields}).encode()
    entry = {"mediaType": OCI_MANIFEST, "digest": digest_of(content), "size": len(content)}
    return entry, Answer(headers={"Content-Type": OCI_MANIFEST}, body=content)


def test_an_entry_without_a_type_is_what_its_manifest_says(server: ScriptedServer) -> None:
    older, older_manifest = typed(1, config={"mediaType": KIND.upper()})
    newer, newer_manifest = typed(2, artifactType=KIND, config={"mediaType": "application/vnd.oci.empty.v1+json"})
    bill, bill_manifest = typed(3, artifactType="application/spdx+json", config={"mediaType": KIND})
    found = listed(
        server, page(older, {**newer, "artifactType": ""}, bill), older_manifest, newer_manifest, bill_manifest
    )
    assert found == [older["digest"][-2:], newer["digest"][-2:]]
    assert asked(server)[1:] == [f"/v2/{REPOSITORY}/manifests/{entry['digest']}" for entry in (older, newer, bill)]


def test_what_cannot_be_looked_at_may_be_a_signature(server: ScriptedServer) -> None:
    assert listed(server, page(descriptor(1, None), descriptor(2, None)), NOT_THERE, json_answer({}, status=403)) == [
        "01",
        "02",
    ]
    server.forget()
    # After a failure the server gets no further requests.
    failing = [Answer(status=503)] * 4
    assert listed(server, page(*(descriptor(number, None) for number in range(30))), *failing) == [
        f"{number:02x}" for number in range(30)
    ]
    assert len(asked(server)) == 1 + 4


def test_only_so_many_entries_without_a_type_are_looked_at(server: ScriptedServer) -> None:
    made = [typed(number, artifactType="application/other") for number in range(MAX_LOOKED_AT + 2)]
    entries, manifests = [entry for entry, _ in made], [manifest for _, manifest in made]
    assert listed(server, page(*entries), *manifests) == [entry["digest"][-2:] for entry in entries[MAX_LOOKED_AT:]]
    assert len(asked(server)) == 1 + MAX_LOOKED_AT


def test_entries_that_name_no_manifest_are_not_looked_at(server: ScriptedServer) -> None:
    odd = [
        {**descriptor(1, None), "mediaType": OCI_INDEX},
        {**descriptor(2, None), "size": 10**6},
        {**descriptor(3, None), "digest": "sha512:" + "a" * 128},
        {**descriptor(4, None), "artifactType": 5},
        {},
    ]
    assert listed(server, page(*odd)) == []
    assert len(asked(server)) == 1


def test_a_server_that_filters_by_what_it_does_not_know_is_asked_for_all(server: ScriptedServer) -> None:
    entry, manifest = typed(1, config={"mediaType": KIND})
    empty = page()
    filtered = Answer(headers={**empty.headers, "OCI-Filters-Applied": "artifactType"}, body=empty.body)
    assert listed(server, filtered, page(entry), manifest) == [entry["digest"][-2:]]
    assert asked(server)[1] == PATH
    server.forget()
    assert listed(server, filtered, page()) == []
    server.forget()
    assert listed(server, page()) == []  # it has shown everything that it has
    assert len(asked(server)) == 1


def test_a_list_without_an_end_ends(server: ScriptedServer) -> None:
    endless = [page(link=f'<{PATH}?n={number}>; rel="next"') for number in range(MAX_PAGES + 1)]
    with pytest.raises(RunbookError, match=f"more than {MAX_PAGES} pages"):
        listed(server, *endless)


def test_a_list_that_would_fill_the_memory_is_not_read_on(server: ScriptedServer) -> None:
    half = [descriptor(number) for number in range(MAX_ENTRIES // 2)]
    following = f'<{PATH}?n=1>; rel="next"'
    assert len(listed(server, page(*half, link=following), page(*half))) == MAX_ENTRIES
    server.forget()
    with pytest.raises(RunbookError, match=f"more than {MAX_ENTRIES} of {KIND}") as caught:
        listed(server, page(*half, link=following), page(*half, descriptor(1)))
    assert caught.value.code == "VD-TRUST-014"
    server.forget()
    # Few entries with much content in each.
    large = page({**descriptor(1), "x": "x" * (MAX_PAGE_BYTES - 1000)}, link=following)
    with pytest.raises(RunbookError, match=f"more than {MAX_LIST_BYTES} bytes") as caught:
        listed(server, *[large] * 5)
    assert caught.value.code == "VD-TRUST-014"
    server.forget()
    with pytest.raises(RunbookError) as caught:
        listed(server, page({**descriptor(1), "x": "x" * MAX_PAGE_BYTES}))
    assert caught.value.code == "VD-REGISTRY-006"


@pytest.mark.parametrize(
    "answer",
    [
        page(descriptor(1), media_type="text/html"),
        page(descriptor(1), media_type=""),
        Answer(headers={"Content-Type": OCI_INDEX}, body=b"<html>"),
        Answer(headers={"Content-Type": OCI_INDEX}, body=b"[]"),
        Answer(headers={"Content-Type": OCI_INDEX}, body=b'{"manifests": {}}'),
        Answer(headers={"Content-Type": OCI_INDEX}, body=b'{"manifests": [], "manifests": []}'),
        Answer(headers={"Content-Type": OCI_INDEX}, body=b"[" * 100_000),
    ],
)
def test_what_is_no_list_is_not_taken_for_an_empty_one(server: ScriptedServer, answer: Answer) -> None:
    with pytest.raises(RunbookError) as caught:
        listed(server, answer)
    assert (caught.value.code, caught.value.retryable) == ("VD-TRUST-014", True)


def test_a_page_that_vanishes_is_no_end(server: ScriptedServer) -> None:
    with pytest.raises(RunbookError, match="a page of the list is not there"):
        listed(server, page(descriptor(1), link=f'<{PATH}?n=1>; rel="next"'), NOT_THERE)


def test_a_list_is_empty_only_if_the_api_and_the_tag_are_both_absent(server: ScriptedServer) -> None:
    assert listed(server, NOT_THERE, NOT_THERE) == []
    assert asked(server)[1] == f"/v2/{REPOSITORY}/manifests/{SUBJECT.replace(':', '-')}"
    server.forget()
    assert listed(server, NOT_THERE, page(descriptor(7))) == ["07"]
    server.forget()
    with pytest.raises(RunbookError) as caught:
        listed(server, NOT_THERE, json_answer({}, status=403))
    assert caught.value.code == "VD-REGISTRY-002"
