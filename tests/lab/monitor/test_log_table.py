"""The workspace's table of the operations log, and the columns of the rule's stream, as ARM changes them."""

from typing import Any

import pytest

from tests.support.arm import code, group, send
from tests.support.running_lab import LabUnderTest

WORKSPACE = "Microsoft.OperationalInsights/workspaces/vibedata-logs/tables"
VERSION = "api-version=2025-07-01"
RULE = "Microsoft.Insights/dataCollectionRules/vibedata-operations?api-version=2024-03-11"
STREAM = "Custom-VibeData_Operations_CL"


def table(lab: LabUnderTest, name: str = "VibeData_Operations_CL") -> str:
    return f"{group(lab)}/providers/{WORKSPACE}/{name}?{VERSION}"


def columns(lab: LabUnderTest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = send(lab, table(lab)).json()["properties"]["schema"]["columns"]
    return found


def body(*made: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {"schema": {"name": "VibeData_Operations_CL", "columns": list(made)}}}


def test_a_table_is_what_was_put_last(lab: LabUnderTest) -> None:
    before = columns(lab)
    assert {"name": "TimeGenerated", "type": "dateTime"} in before
    assert {"name": "Details", "type": "dynamic"} in before
    listed = send(lab, f"{group(lab)}/providers/{WORKSPACE}?{VERSION}").json()["value"]
    assert [one["name"] for one in listed] == ["VibeData_Operations_CL"]
    fewer = [one for one in before if one["name"] != "Attempts"]
    assert send(lab, table(lab), "PATCH", json=body(*fewer)).ok
    assert columns(lab) == fewer
    assert send(lab, table(lab), "DELETE").ok
    assert code(send(lab, table(lab))) == (404, "ResourceNotFound")
    assert send(lab, f"{group(lab)}/providers/{WORKSPACE}?{VERSION}").json()["value"] == []
    assert code(send(lab, table(lab), "PATCH", json=body(*fewer))) == (404, "ResourceNotFound")
    assert send(lab, table(lab), "PUT", json=body(*before)).ok
    assert columns(lab) == before


@pytest.mark.parametrize(
    "made",
    [
        [{"name": "TimeGenerated", "type": "dateTime"}, {"name": "Attempts", "type": "string"}],
        [{"name": "Attempts", "type": "int"}],
        [{"name": "TimeGenerated", "type": "dateTime"}, {"name": "Attempts", "type": "number"}],
        [{"name": "TimeGenerated", "type": "dateTime", "size": 1}],
    ],
)
def test_what_a_table_cannot_become_is_refused(lab: LabUnderTest, made: list[dict[str, Any]]) -> None:
    before = columns(lab)
    assert send(lab, table(lab), "PUT", json=body(*made)).status_code == 400
    assert columns(lab) == before
    assert send(lab, table(lab, "Other_CL"), "PUT", json=body(*before)).status_code == 400


def test_the_columns_of_the_rules_stream_change_and_nothing_else_does(lab: LabUnderTest) -> None:
    path = f"{group(lab)}/providers/{RULE}"
    before = send(lab, path).json()
    malformed: list[object] = [{"without": 5}, {"without": ["Unknown"]}, {"without": [[]]}, {}, []]
    for wrong in malformed:
        lab.control("POST", "/rule", wrong, status=400)
    lab.control("POST", "/rule", {"without": ["Attempts"]})
    assert send(lab, path).json() != before
    assert send(lab, path, "PUT", json=before).json() == before == send(lab, path).json()
    others: list[object] = [{}, {"Custom-Other_CL": {"columns": []}}, {STREAM: {}}, {STREAM: {"columns": "all"}}, []]
    for streams in others:
        odd = {**before, "properties": {**before["properties"], "streamDeclarations": streams}}
        assert code(send(lab, path, "PUT", json=odd)) == (400, "InvalidPayload"), streams
    assert send(lab, path).json() == before
    before["properties"]["dataFlows"] = []
    assert code(send(lab, path, "PUT", json=before)) == (400, "InvalidPayload")
    other = path.replace("vibedata-operations", "other")
    assert code(send(lab, other, "PUT", json=before)) == (404, "ResourceNotFound")
    assert STREAM in before["properties"]["streamDeclarations"]
