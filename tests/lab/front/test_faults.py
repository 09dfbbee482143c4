"""Journal, faults and latency, over the wire. The tests use the identity endpoint as an example of any service."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.running_lab import LabUnderTest

STORAGE = "https://storage.azure.com"
IDENTITY = {"service": "identity"}


def ask(lab: LabUnderTest, method: str = "GET", *, resource: str = STORAGE) -> requests.Response:
    url, sent = lab.env["IDENTITY_ENDPOINT"], {"resource": resource, "client_id": lab.env["VIBEDATA_UAMI_CLIENT_ID"]}
    headers = {"X-IDENTITY-HEADER": lab.env["IDENTITY_HEADER"], "User-Agent": "test"}
    if method == "GET":
        return requests.get(url, params=sent, headers=headers, timeout=60)
    return requests.post(url, data=sent, headers=headers, timeout=60)


def test_journal_tells_what_was_asked_and_answered(lab: LabUnderTest) -> None:
    requests.get(lab.env["IDENTITY_ENDPOINT"] + "?sig=secret&api-version=2019-08-01", timeout=60)
    ask(lab, "POST")
    first, second = lab.journal(service="identity")
    assert first["sequence"] < second["sequence"]
    assert first["path"] == "/oauth2/token?sig=***&api-version=2019-08-01"
    assert (first["api_version"], first["status"], first["job_id"]) == ("2019-08-01", 401, None)
    assert (second["method"], second["client"], second["status"], second["fault"]) == ("POST", "test", 200, None)
    assert 0 < second["seconds"] < 60
    assert abs(second["at"] - time.time()) < 60
    assert lab.journal(method="POST") == [second]
    assert lab.journal(since=first["sequence"]) == [second]
    assert lab.journal(service="arm") == []
    assert lab.control("GET", "/requests/summary") == {
        "total": 2,
        "services": {"identity": {"methods": {"GET": 1, "POST": 1}, "statuses": {"200": 1, "401": 1}}},
        "dropped": 0,
    }


def test_status_fault_uses_the_services_own_error_shape(lab: LabUnderTest) -> None:
    lab.fault("status", status=503, seconds=7, match=IDENTITY)
    lab.fault("status", status=403, match={"service": "customer_registry"})
    lab.fault("status", status=409, match={"service": "blob"})
    refused = ask(lab)
    assert (refused.status_code, refused.headers["Retry-After"], refused.json()["statusCode"]) == (503, "7", 503)
    registry = requests.get(f"https://{lab.env['VIBEDATA_CUSTOMER_REGISTRY']}/v2/", timeout=60)
    assert (registry.status_code, registry.json()["errors"][0]["code"]) == (403, "DENIED")
    blob = requests.get(lab.env["VIBEDATA_BLOB_ENDPOINT"], timeout=60)
    assert blob.headers["x-ms-error-code"] == "OperationNotAllowed"
    assert blob.text.startswith("<?xml")
    assert ask(lab).status_code == 200  # once, unless `times` says more
    assert [entry["fault"] for entry in lab.journal(service="identity")] == ["status", None]


def test_status_fault_takes_the_error_code_that_is_asked_for(lab: LabUnderTest) -> None:
    lab.fault("status", status=409, code="AccountIsDisabled", match={"service": "blob"})
    blob = requests.get(lab.env["VIBEDATA_BLOB_ENDPOINT"], timeout=60)
    assert (blob.status_code, blob.headers["x-ms-error-code"]) == (409, "AccountIsDisabled")


def test_status_fault_below_400_has_no_body(lab: LabUnderTest) -> None:
    lab.fault("status", status=202, match=IDENTITY, times=0)
    answers = [ask(lab) for _ in range(3)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 3


def test_reset_before_drops_the_connection_and_applies_nothing(lab: LabUnderTest) -> None:
    lab.fault("reset_before", match=IDENTITY)
    with pytest.raises(requests.ConnectionError):
        ask(lab)
    (entry,) = lab.journal(service="identity")
    assert (entry["fault"], entry["status"]) == ("reset_before", None)


def test_reset_after_applies_the_request_and_drops_the_answer(lab: LabUnderTest) -> None:
    lab.fault("reset_after", match={**IDENTITY, "method": "post"})
    assert ask(lab, "GET").status_code == 200
    with pytest.raises(requests.ConnectionError):
        ask(lab, "POST")
    entry = lab.journal(service="identity")[-1]
    assert (entry["fault"], entry["status"]) == ("reset_after", 200)


def test_resets_hold_over_tls(lab: LabUnderTest) -> None:
    for action in ("reset_before", "reset_after"):
        lab.fault(action, match={"service": "arm"})
        with pytest.raises(requests.ConnectionError):
            requests.get(lab.env["VIBEDATA_ARM_ENDPOINT"] + "/subscriptions", timeout=60)


def test_delay_holds_the_request_up_and_goes_on(lab: LabUnderTest) -> None:
    lab.fault("delay", seconds=0.3, match=IDENTITY)
    lab.fault("status", status=500, match=IDENTITY)
    assert ask(lab).status_code == 500  # both faults were due
    assert ask(lab).status_code == 200
    entry = lab.journal(service="identity")[0]
    assert entry["seconds"] >= 0.3


def test_throttle_is_429_with_retry_after(lab: LabUnderTest) -> None:
    lab.fault("throttle", seconds=2.5, match=IDENTITY)
    refused = ask(lab)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")


@pytest.mark.unmet_faults("the request is not a job's")
@pytest.mark.parametrize(("action", "match"), [("kill_job", {}), ("reset_after", {"jobs": True})])
def test_a_fault_for_jobs_leaves_other_clients_alone(lab: LabUnderTest, action: str, match: dict[str, bool]) -> None:
    lab.fault(action, times=0, match=match)
    assert ask(lab).status_code == 200
    assert lab.control("GET", "/faults")["faults"][0]["matched"] == 0


def test_nth_and_times(lab: LabUnderTest) -> None:
    lab.fault("status", status=500, match={**IDENTITY, "nth": 2})
    lab.fault("status", status=502, match={**IDENTITY, "path": r"resource=https%3A.*storage", "nth": 4}, times=2)
    assert [ask(lab).status_code for _ in range(6)] == [200, 500, 200, 502, 502, 200]
    assert [fault["applied"] for fault in lab.control("GET", "/faults")["faults"]] == [1, 2]


def test_a_fault_at_every_kth_request_begins_with_the_nth(lab: LabUnderTest) -> None:
    lab.fault("status", status=500, match={**IDENTITY, "nth": 2, "every": 3}, times=0)
    assert [ask(lab).status_code for _ in range(7)] == [200, 500, 200, 200, 500, 200, 200]


def test_a_fault_at_every_kth_request_never_meets_a_repetition(lab: LabUnderTest) -> None:
    """Otherwise, with several clients at once, each repetition could meet the fault, until its client gives up."""
    lab.fault("status", status=500, match={**IDENTITY, "nth": 1, "every": 2}, times=0)
    others = "https://vault.azure.net"
    assert ask(lab).status_code == 500
    assert ask(lab, resource=others).status_code == 200
    assert ask(lab).status_code == 200  # the third, and the repetition of the first
    assert ask(lab, resource=others).status_code == 200
    assert ask(lab).status_code == 500


def test_requests_to_one_path_with_other_bodies_are_no_repetitions(lab: LabUnderTest) -> None:
    """Threads send batches of entities to one path. Each batch may meet trouble once, and then it gets through."""
    lab.fault("status", status=500, match={**IDENTITY, "nth": 1, "every": 2}, times=0)
    others = "https://vault.azure.net"
    assert ask(lab, "POST").status_code == 500
    assert ask(lab, "POST", resource=others).status_code == 200
    assert ask(lab, "POST").status_code == 200  # the third, and the repetition of the first


@pytest.mark.unmet_faults("it checks what happens then")
def test_a_fault_that_met_no_request_is_reported_to_its_test(lab: LabUnderTest) -> None:
    lab.fault("status", status=500, match=IDENTITY)
    assert ask(lab).status_code == 500
    lab.require_met()
    lab.fault("status", status=500, match={"service": "logs"})
    with pytest.raises(AssertionError, match="these faults met no request"):
        lab.require_met()
    with pytest.raises(AssertionError, match="these faults met no request"):
        lab.clear_faults()
    assert lab.control("GET", "/faults") == {"faults": []}


def test_delete_takes_every_fault_back(lab: LabUnderTest) -> None:
    lab.fault("status", status=500, times=0)
    lab.control("DELETE", "/faults")
    assert ask(lab).status_code == 200


def test_latency_of_a_service_counts_until_taken_back(lab: LabUnderTest) -> None:
    lab.latency(service="identity", method="GET", seconds=2)
    ask(lab)
    ask(lab, "POST")
    lab.latency(service="identity", seconds=3)  # the one posted last counts
    ask(lab)
    lab.control("DELETE", "/latency")
    ask(lab)
    seconds = [entry["seconds"] for entry in lab.journal(service="identity")]
    assert seconds[0] >= 2 > seconds[1]
    assert seconds[2] >= 3
    assert seconds[3] < 2


@pytest.mark.parametrize("held_by", ["latency", "faults"])
def test_what_is_held_up_goes_on_when_that_is_taken_back(lab: LabUnderTest, held_by: str) -> None:
    if held_by == "latency":
        lab.latency(service="identity", seconds=3600)
    else:
        lab.fault("delay", seconds=3600, times=2, match=IDENTITY)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask, lab) for _ in range(2)]
        while len(lab.journal(service="identity")) < len(asked):
            time.sleep(0.05)
        lab.control("DELETE", f"/{held_by}")
        assert {each.result().status_code for each in asked} == {200}
    assert max(entry["seconds"] for entry in lab.journal(service="identity")) < 3600


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"action": "explode"},
        {"action": "status"},
        {"action": "status", "status": 99},
        {"action": "status", "status": "500"},
        {"action": "delay"},
        {"action": "delay", "seconds": -1},
        {"action": "delay", "seconds": 1, "status": 500},
        {"action": "reset_after", "seconds": 1},
        {"action": "status", "status": 500, "code": 1},
        {"action": "throttle", "code": "TooManyRequests"},
        {"action": "throttle", "times": -1},
        {"action": "throttle", "unknown": 1},
        {"action": "throttle", "match": {"unknown": 1}},
        {"action": "throttle", "match": {"service": "nowhere"}},
        {"action": "throttle", "match": {"service": "control"}},
        {"action": "throttle", "match": {"path": "("}},
        {"action": "throttle", "match": {"nth": 0}},
        {"action": "throttle", "match": {"jobs": 1}},
        {"action": "kill_job", "match": {"jobs": False}},
        {"action": "kill_client", "match": {"deployment": False}},
        {"action": "throttle", "match": {"deployment": 1}},
        {"action": "throttle", "match": {"every": 0}},
        {"action": "throttle", "match": []},
    ],
    ids=json.dumps,
)
def test_faults_that_are_not_understood_are_refused(lab: LabUnderTest, body: object) -> None:
    assert lab.control("POST", "/faults", body, status=400)["error"]["message"]
    assert lab.control("GET", "/faults") == {"faults": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"service": "arm"},
        {"service": "nowhere", "seconds": 1},
        {"seconds": "1"},
        {"operation": "importImage", "path": "x", "seconds": 1},
        {"operation": "", "seconds": 1},
        {"seconds": 1, "unknown": 1},
    ],
    ids=json.dumps,
)
def test_latencies_that_are_not_understood_are_refused(lab: LabUnderTest, body: object) -> None:
    assert lab.control("POST", "/latency", body, status=400)["error"]["message"]
