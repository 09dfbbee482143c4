"""Logs ingestion and query, driven by the official clients and by plain requests."""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.monitor.ingestion import LogsIngestionClient
from azure.monitor.query import LogsQueryClient, LogsQueryResult

from tests.support.running_lab import LabUnderTest

TABLE = "VibeData_Operations_CL"
STREAM = f"Custom-{TABLE}"
MEGABYTE = 1024 * 1024


class Logs:
    """Both clients, and plain requests to the ingestion endpoint."""

    def __init__(self, lab: LabUnderTest, credential: ManagedIdentityCredential) -> None:
        self.rule = lab.env["VIBEDATA_DCR_ID"]
        self.endpoint = lab.env["VIBEDATA_LOGS_ENDPOINT"]
        self.workspace = lab.control("GET", "/names")["workspace_id"]
        self.credential = credential
        self.ingestion = LogsIngestionClient(self.endpoint, credential, retry_total=0)
        self.query_client = LogsQueryClient(
            credential,
            endpoint=lab.env["VIBEDATA_LOGS_QUERY_ENDPOINT"],  # also the audience, unless another is given
            retry_total=0,
        )

    def send(self, *records: dict[str, Any]) -> None:
        self.ingestion.upload(self.rule, STREAM, list(records))

    def query(self, query: str, timespan: Any = None) -> list[dict[str, Any]]:
        result = self.query_client.query_workspace(self.workspace, query, timespan=timespan)
        assert isinstance(result, LogsQueryResult)
        (table,) = result.tables
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    def post(
        self,
        body: bytes,
        *,
        resource: str = "https://monitor.azure.com",
        rule: str | None = None,
        stream: str = STREAM,
        query: str = "api-version=2023-01-01",
        **headers: str,
    ) -> tuple[int, str]:
        sent = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if resource:
            sent["Authorization"] = f"Bearer {self.credential.get_token(f'{resource}/.default').token}"
        url = f"{self.endpoint}/dataCollectionRules/{rule or self.rule}/streams/{stream}?{query}"
        answer = requests.post(url, data=body, headers=sent, timeout=60)
        return answer.status_code, answer.json()["error"]["code"] if answer.content else ""


@pytest.fixture
def logs(lab: LabUnderTest) -> Iterator[Logs]:
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        logs = Logs(lab, credential)
        with logs.ingestion, logs.query_client:
            yield logs


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_events_arrive_with_their_types(lab: LabUnderTest, logs: Logs) -> None:
    at = now().replace(microsecond=120_000) - timedelta(hours=1)
    event = {
        "TimeGenerated": at.isoformat(),
        "EventId": "ab" * 32,
        "RunId": "run",
        "Sequence": 0,
        "PreviousEventId": None,
        "Runbook": "import_images",
        "Outcome": "done",
        "DurationMs": 1234,
        "Attempts": 1,
        "Message": "päckage imported",
        "Details": {"z": 1, "a": ["ä"]},
        "NotDeclared": "dropped",
    }
    logs.send(event)
    (row,) = logs.query(TABLE)
    assert row["TimeGenerated"] == at
    assert (row["Sequence"], row["DurationMs"], row["Attempts"]) == (0, 1234, 1)
    assert (row["Message"], row["Details"], row["PreviousEventId"]) == ("päckage imported", '{"z":1,"a":["ä"]}', None)
    assert (row["Type"], row["TenantId"], row["Step"]) == (TABLE, logs.workspace, None)
    assert "NotDeclared" not in row
    (entry,) = lab.journal(service="logs")
    assert (entry["method"], entry["status"], entry["api_version"]) == ("POST", 204, "2023-01-01")
    lab.reset()
    assert logs.query(TABLE) == []


def test_values_of_another_type_become_null_or_are_converted(logs: Logs) -> None:
    logs.send(
        {"RunId": 7, "Sequence": "3", "DurationMs": 1.5, "Attempts": True, "Details": "text", "Message": {"a": 1}},
        {"RunId": True, "Sequence": 2**31, "DurationMs": 2**31, "Attempts": "many", "Details": [1], "Message": "x"},
        {"Sequence": "1e999", "DurationMs": "-1e999", "Attempts": 10**400},
    )
    first, second, beyond = logs.query(TABLE)
    columns = ("RunId", "Sequence", "DurationMs", "Attempts", "Details", "Message")
    assert [first[name] for name in columns] == ["7", 3, None, None, "text", '{"a":1}']
    assert [second[name] for name in columns] == ["true", None, 2**31, None, "[1]", "x"]
    assert [beyond[name] for name in columns[1:4]] == [None, None, None]


def test_times_too_old_or_too_far_ahead_are_replaced(lab: LabUnderTest, logs: Logs) -> None:
    times = [now() + offset for offset in (timedelta(days=-3), timedelta(hours=-47), timedelta(hours=23))]
    late = now() + timedelta(hours=25)
    logs.send(*({"RunId": "r", "TimeGenerated": time.isoformat()} for time in (*times, late)), {"RunId": "r"})
    logs.send({"RunId": "r", "TimeGenerated": "yesterday"})
    received = [row["TimeGenerated"] for row in logs.query(TABLE)]
    kept = [received.index(time) for time in times[1:]]
    assert kept == [1, 2]
    assert all(abs(received[index] - now()) < timedelta(minutes=5) for index in (0, 3, 4, 5))
    lab.control("POST", "/clock", {"advance_seconds": 3 * 24 * 3600})
    with ManagedIdentityCredential(client_id=lab.env["VIBEDATA_UAMI_CLIENT_ID"]) as credential:
        later = Logs(lab, credential)  # the tokens of before have expired
        with later.ingestion, later.query_client:
            later.send({"RunId": "later", "TimeGenerated": now().isoformat()})
            (row,) = later.query(f'{TABLE} | where RunId == "later"')
    assert row["TimeGenerated"] > now() + timedelta(days=2)


def test_long_fields_are_cut(logs: Logs) -> None:
    logs.send({"Message": "ä" * 40_000, "Step": "x" * 65_536})
    (row,) = logs.query(TABLE)
    assert (row["Message"], len(row["Step"])) == ("ä" * 32_768, 65_536)


def test_calls_above_one_megabyte_are_refused(logs: Logs) -> None:
    fitting = json.dumps([{"Message": "x" * (MEGABYTE - 16)}], separators=(",", ":")).encode()
    assert len(fitting) == MEGABYTE
    assert logs.post(fitting) == (204, "")
    assert logs.post(fitting + b" ") == (413, "ContentLengthLimitExceeded")
    assert logs.post(gzip.compress(fitting), Content_Encoding="gzip") == (204, "")
    bomb = gzip.compress(fitting + b" ")
    assert len(bomb) < 10_000
    assert logs.post(bomb, Content_Encoding="gzip") == (413, "ContentLengthLimitExceeded")
    assert len(logs.query(TABLE)) == 2


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[1]", b"null", b'[{"a":1}, []]'])
def test_bodies_are_arrays_of_objects(logs: Logs, body: bytes) -> None:
    assert logs.post(body) == (400, "InvalidPayload")


def test_requests_are_checked(lab: LabUnderTest, logs: Logs) -> None:
    assert logs.post(b"[]") == (204, "")
    assert logs.post(b"[]", resource="") == (401, "AuthenticationFailed")
    assert logs.post(b"[]", resource="https://management.azure.com") == (401, "InvalidToken")
    assert logs.post(b"[]", rule="dcr-0") == (404, "NotFound")
    assert logs.post(b"[]", stream=TABLE) == (404, "NotFound")
    assert logs.post(b"[]", query="api-version=2021-11-01") == (400, "UnsupportedApiVersion")
    assert logs.post(b"[]", query="") == (400, "ApiVersionUnspecified")
    assert logs.post(b"[]", Content_Type="text/plain") == (415, "UnsupportedMediaType")
    assert logs.post(b"[]", Content_Encoding="br") == (415, "UnsupportedMediaType")
    assert logs.post(b"[]", Content_Encoding="gzip") == (400, "InvalidPayload")
    assert logs.post(gzip.compress(b"[]")[:-4], Content_Encoding="gzip") == (400, "InvalidPayload")
    lab.fault("throttle", match={"service": "logs"}, seconds=9)
    with pytest.raises(HttpResponseError) as throttled:
        logs.send({"RunId": "r"})
    response: Any = throttled.value.response
    assert (throttled.value.status_code, response.headers["Retry-After"]) == (429, "9")


def test_the_client_says_which_rule_is_unknown(logs: Logs) -> None:
    with pytest.raises(HttpResponseError, match="Data collection rule with immutable Id 'dcr-0' not found"):
        logs.ingestion.upload("dcr-0", STREAM, [{"RunId": "r"}])


@pytest.fixture
def run(logs: Logs) -> Logs:
    for number, outcome in enumerate(["planned", "done", "failed", "done"]):
        logs.send(
            {
                "TimeGenerated": (now() - timedelta(hours=number)).isoformat(),
                "RunId": 'a "quoted" run',
                "Sequence": number,
                "Outcome": outcome,
                "Attempts": number or None,
            }
        )
    return logs


@pytest.mark.parametrize(
    ("steps", "sequences"),
    [
        ("", [0, 1, 2, 3]),
        ('| where Outcome == "done"', [1, 3]),
        ("| where Outcome == 'done' | order by Sequence", [3, 1]),
        ("| where Outcome == 'Done'", []),
        ("| where Sequence == 2", [2]),
        ("| sort by Outcome asc, Sequence desc", [3, 1, 2, 0]),
        ("| order by Attempts asc", [0, 1, 2, 3]),
        ("| order by Attempts", [3, 2, 1, 0]),
        ("| order by TimeGenerated asc\n| take 2", [3, 2]),
        ("| limit 1 | project Sequence", [0]),
        ('| where RunId == "a \\"quoted\\" run" | where Sequence == 1 | project RunId, Sequence', [1]),
    ],
)
def test_queries(run: Logs, steps: str, sequences: list[int]) -> None:
    rows = run.query(f"{TABLE} {steps}")
    assert [row["Sequence"] for row in rows] == sequences
    if "project" in steps:
        assert list(rows[0]) == steps.rpartition("project ")[2].split(", ")


def test_counts_and_timespans(run: Logs) -> None:
    assert run.query(f"{TABLE} | where Outcome == 'done' | count") == [{"Count": 2}]
    assert run.query(f"{TABLE} | count", timedelta(minutes=90)) == [{"Count": 2}]
    assert run.query(f"{TABLE} | count", (now() - timedelta(hours=4), timedelta(minutes=90))) == [{"Count": 1}]
    assert run.query(f"{TABLE} | count", (now() - timedelta(hours=4), now())) == [{"Count": 4}]


@pytest.mark.parametrize(
    ("query", "kusto_code", "message"),
    [
        (f"{TABLE} | summarize count()", "SYN0002", f"'summarize' on line \\[1,{len(TABLE) + 4}\\]"),
        (f"{TABLE} |\n where", "SYN0002", "<EOF>"),
        (f"{TABLE} | where Outcome = 'done'", "SYN0002", "'='"),
        (f"{TABLE} | where Outcome == 'done' or Sequence == 1", "SYN0002", "'or'"),
        (f"{TABLE} | take -1", "SYN0002", "'-1'"),
        (f'{TABLE} | where Outcome == "open', "SYN0002", "1,43"),
        ("", "SYN0002", "<EOF>"),
        ("Heartbeat | count", "SEM0100", "'Heartbeat'"),
        (f"{TABLE} | project Nothing", "SEM0100", "'Nothing'"),
        (f"{TABLE} | where Sequence == 'one'", "SEM0064", "int and string"),
        (f"{TABLE} | where Outcome == 1", "SEM0064", "string and long"),
    ],
)
def test_what_is_not_understood_is_refused(run: Logs, query: str, kusto_code: str, message: str) -> None:
    with pytest.raises(HttpResponseError, match=message) as refused:
        run.query(query)
    assert refused.value.response is not None
    error = refused.value.response.json()["error"]  # type: ignore[attr-defined]
    assert (refused.value.status_code, error["code"]) == (400, "BadArgumentError")
    assert error["innererror"]["innererror"]["code"] == kusto_code


def test_query_requests_are_checked(lab: LabUnderTest, logs: Logs) -> None:
    endpoint = lab.env["VIBEDATA_LOGS_QUERY_ENDPOINT"]
    token = logs.credential.get_token("https://api.loganalytics.io/.default").token
    wrong = logs.credential.get_token("https://monitor.azure.com/.default").token

    def ask(path: str, bearer: str, body: object) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        answer = requests.post(endpoint + path, json=body, headers=headers, timeout=60)
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    path, body = f"/v1/workspaces/{logs.workspace}/query", {"query": TABLE, "timespan": "P1D"}
    assert ask(path, token, body) == (200, "")
    assert ask(path, "", body) == (401, "AuthorizationRequiredError")
    assert ask(path, wrong, body) == (401, "InvalidTokenError")
    assert ask("/v1/workspaces/00000000-0000-0000-0000-000000000000/query", token, body)[0] == 404
    assert ask("/v2" + path[3:], token, body)[0] == 404
    assert ask(path, token, {**body, "surprise": 1}) == (400, "BadArgumentError")
    assert ask(path, token, {**body, "timespan": "a day"}) == (400, "BadArgumentError")
    assert ask(path, token, {"timespan": "P1D"}) == (400, "BadArgumentError")


def test_arm_shows_the_rule(lab: LabUnderTest, logs: Logs) -> None:
    names = lab.control("GET", "/names")
    token = logs.credential.get_token("https://management.azure.com/.default").token
    group = f"/subscriptions/{names['subscription_id']}/resourceGroups/{names['resource_group']}"
    url = f"{lab.env['VIBEDATA_ARM_ENDPOINT']}{group}/providers/Microsoft.Insights/dataCollectionRules/{names['dcr']}"
    headers = {"Authorization": f"Bearer {token}"}
    rule = requests.get(f"{url}?api-version=2023-03-11", headers=headers, timeout=60).json()
    assert rule["properties"]["immutableId"] == logs.rule
    assert rule["properties"]["endpoints"]["logsIngestion"] == logs.endpoint
    columns = rule["properties"]["streamDeclarations"][STREAM]["columns"]
    assert {"name": "Details", "type": "dynamic"} in columns
    assert requests.get(f"{url}x?api-version=2023-03-11", headers=headers, timeout=60).status_code == 404
