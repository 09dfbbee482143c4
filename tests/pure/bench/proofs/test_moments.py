"""The moments of a step: what their names leave out, and which requests match them."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from bench.proofs.moments import Moment, Request, moment_of, moments, request_of, requests_of

ID, OTHER_ID = "2f4cfa0e-6b0d-4a4e-8a67-6f9f1b8a7c02", "e1d2c3b4-0000-4a4e-8a67-000000000001"
DIGEST, OTHER_DIGEST = "ab" * 32, "0f" * 32
JOB = "/subscriptions/{}/providers/Microsoft.Automation/automationAccounts/a/jobs/{}?api-version=2024-10-23"


def entry(method: str, path: str, service: str = "blob") -> Mapping[str, Any]:
    return {"service": service, "method": method, "path": path}


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        (JOB.format(ID, ID), JOB.format(OTHER_ID, OTHER_ID), JOB.format("{id}", "{id}").partition("?")[0]),
        (f"/a/artifacts/{DIGEST}/b.py", f"/a/artifacts/{OTHER_DIGEST}/b.py", "/a/artifacts/{digest}/b.py"),
        (
            f"/secrets/hmac-{ID}-3163fd0b0c6089bb/{'1' * 32}",
            f"/secrets/hmac-{ID}-12b0ce4c8b951f00/{'2' * 32}",
            "/secrets/hmac-{id}-{key}/{version}",
        ),
        ("/e/vibedata-5a862ff3c936/packages", "/e/vibedata-0123456789ab/packages", "/e/vibedata-{packages}/packages"),
        (
            f"/a/spool/2026-11-29T14:00:01.5Z-deployment-{ID}-{DIGEST}.json",
            f"/a/spool/2026-11-30T01%3A02%3A03Z-deployment-{ID}-{DIGEST}.json",
            "/a/spool/{time}-deployment-{id}-{digest}.json",
        ),
        ("/a/p-1.81234567.55.whl?comp=block&blockid=1", "/a/p-1.91234567.7.whl?comp=block&blockid=2", None),
    ],
)
def test_a_name_leaves_out_what_is_new_each_time(one: str, other: str, path: str | None) -> None:
    found = request_of(entry("GET", one))
    assert found == request_of(entry("GET", other))
    assert path is None or found.path == path
    pattern = str(found.match()["path"])
    assert re.search(pattern, one) and re.search(pattern, other)


def test_a_fault_takes_no_other_request() -> None:
    pattern = str(request_of(entry("PUT", f"/a/locks/b{ID}?timeout=5")).match()["path"])
    assert re.search(pattern, f"/a/locks/b{OTHER_ID}")
    for other in (
        f"/a/locks/b{ID}?comp=lease",
        f"/a/locks/b{ID}?timeout=5&comp=lease",
        f"/a/locks/b{ID}/c",
        "/a/locks/b",
    ):
        assert not re.search(pattern, other)
    lease = str(request_of(entry("PUT", f"/a/locks/b{ID}?timeout=5&comp=lease")).match()["path"])
    assert re.search(lease, f"/a/locks/b{ID}?comp=lease")
    assert not re.search(lease, f"/a/locks/b{ID}?comp=leases") and not re.search(lease, f"/a/locks/b{ID}")


def test_parentheses_and_dots_of_a_path_stand_for_themselves() -> None:
    path = f"/a/Rows(PartitionKey='x.y',RowKey='{ID}')"
    pattern = str(request_of(entry("PATCH", path)).match()["path"])
    assert re.search(pattern, path)
    assert not re.search(pattern, path.replace("x.y", "xzy"))


def test_there_is_a_moment_after_every_write_and_after_the_first_of_equal_reads() -> None:
    entries = [entry("GET", "/a/b/c"), entry("PUT", "/a/b/c"), entry("GET", "/a/b/c"), entry("PUT", "/a/b/c")]
    put, get = Request("blob", "PUT", "/a/b/c"), Request("blob", "GET", "/a/b/c")
    assert moments(entries, with_commands_own=False) == [Moment(get, 1), Moment(put, 1), Moment(put, 2)]
    assert requests_of(entries) == [get, put]


def test_a_token_is_read_whatever_the_method() -> None:
    entries = [entry("POST", "/oauth2/token", "customer_registry")] * 3
    assert [moment.count for moment in moments(entries, with_commands_own=False)] == [1]


def test_the_commands_own_requests_are_moments_where_they_are_asked_for() -> None:
    own = [
        entry("PUT", "/vibedatastorage/locks/deployment"),
        entry("POST", "/vibedatapublisher/InstanceReports", "table"),
    ]
    others = [entry("PUT", "/vibedatastorage/artifacts/a")]
    assert len(moments([*own, *others], with_commands_own=True)) == 3
    assert moments([*own, *others], with_commands_own=False) == moments(others, with_commands_own=True)


def test_a_name_leads_back_to_its_moment() -> None:
    moment = Moment(request_of(entry("PATCH", f"/a/Rows(PartitionKey='x, y',RowKey='{ID}')?comp=lease", "table")), 12)
    assert moment_of(str(moment)) == moment
    with pytest.raises(ValueError):
        moment_of("killed")
