"""The front of the publisher's callback API and the processes behind it.

A small program there reports what it received.
"""

import concurrent.futures
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import running_lab
from tests.support.processes import processes_below, wait_until_none
from tests.support.running_lab import LabUnderTest

ECHO = """
import argparse, http.server, json, os, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        if self.path.startswith("/early"):
            self.wfile.write(b"HTTP/1.1 413 X\\r\\nConnection: close\\r\\nContent-Length: 9\\r\\n\\r\\ntoo large")
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/slow"):
            time.sleep(3)
        if self.path.startswith("/stuck"):
            time.sleep(600)
        told = {"pid": os.getpid(), "path": self.path, "body": body.decode(), "headers": dict(self.headers)}
        answer = json.dumps({**told, "environment": dict(os.environ)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
http.server.ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "publisher").mkdir()
    (root / "publisher/__main__.py").write_text(ECHO)
    return root


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[LabUnderTest]:
    with running_lab.running(tmp_path_factory.mktemp("lab"), "--publisher-root", str(root)) as lab:
        yield lab


@pytest.fixture
def api(started: LabUnderTest) -> LabUnderTest:
    started.reset()
    return started


def call(api: LabUnderTest, path: str = "/v1", *, body: str = "", session: requests.Session | None = None) -> Any:
    url, trusted = api.env["VIBEDATA_PUBLISHER_API"] + path, api.env["SSL_CERT_FILE"]
    return (session or requests).post(url, data=body, verify=trusted, timeout=60)


def pids(api: LabUnderTest) -> list[int]:
    return [one["pid"] for one in api.control("GET", "/publisher-api")["running"]]


def gone(pid: int) -> bool:
    """Tell whether a process has ended. It gets a short time to do so."""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_first_request_starts_the_process_and_is_passed_on_whole(api: LabUnderTest) -> None:
    assert pids(api) == []
    told = call(api, "/v1/instances/a%2Fb/ping?x=%2B&y", body="{}").json()
    assert (told["path"], told["body"]) == ("/v1/instances/a%2Fb/ping?x=%2B&y", "{}")
    assert told["headers"]["Host"] == api.env["VIBEDATA_PUBLISHER_API"].removeprefix("https://")
    assert pids(api) == [told["pid"]]
    environment = told["environment"]
    shared = {name for name in environment if name.startswith("VIBEDATA_")} | {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}
    assert {name: environment[name] for name in shared} == {name: api.env[name] for name in shared}
    assert set(environment) - shared <= {"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "PATH", "LANG", "LC_CTYPE", "PWD"}
    assert environment["IDENTITY_HEADER"] != api.env["IDENTITY_HEADER"]
    entry = api.journal(service="publisher_api")[-1]
    assert (entry["method"], entry["status"]) == ("POST", 200)


def test_it_has_only_the_publishers_identity(api: LabUnderTest) -> None:
    environment = call(api).json()["environment"]
    headers = {"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]}

    def token(client_id: str) -> requests.Response:
        query = {"resource": "https://vault.azure.net", "client_id": client_id}
        return requests.get(environment["IDENTITY_ENDPOINT"], params=query, headers=headers, timeout=60)

    assert token(api.env["VIBEDATA_UAMI_CLIENT_ID"]).status_code == 400
    bearer = {"Authorization": f"Bearer {token(environment['VIBEDATA_PUBLISHER_CLIENT_ID']).json()['access_token']}"}
    for vault, status in (("VIBEDATA_PUBLISHER_KEY_VAULT_ENDPOINT", 200), ("VIBEDATA_KEY_VAULT_ENDPOINT", 403)):
        url = f"{api.env[vault]}/secrets?api-version=7.6"
        assert requests.get(url, headers=bearer, verify=api.env["SSL_CERT_FILE"], timeout=60).status_code == status


def test_processes_take_turns_and_a_killed_one_is_started_again(api: LabUnderTest) -> None:
    assert api.control("POST", "/publisher-api", {"processes": 3}) == {"processes": 3, "running": []}
    asked = [call(api).json()["pid"] for _ in range(6)]
    assert len(set(asked[:3])) == 3
    assert asked[3:] == asked[:3]
    os.kill(asked[0], signal.SIGKILL)
    assert gone(asked[0])
    again = [call(api) for _ in range(6)]
    assert [answer.status_code for answer in again] == [200] * 6
    assert asked[0] not in {answer.json()["pid"] for answer in again}
    assert len(pids(api)) == 3
    for body in ({"processes": 0}, {"processes": True}, {}, {"processes": 1, "surprise": 1}):
        api.control("POST", "/publisher-api", body, status=400)


def test_restart_breaks_no_request_off(api: LabUnderTest) -> None:
    before = call(api).json()["pid"]
    with concurrent.futures.ThreadPoolExecutor() as pool, requests.Session() as session:
        slow = pool.submit(call, api, "/slow")
        while len(api.journal(service="publisher_api")) < 2:
            time.sleep(0.01)
        api.control("POST", "/publisher-api/restart", {})
        after = call(api, session=session).json()["pid"]
        assert after != before
        assert slow.result().json()["pid"] == before
    assert gone(before)
    api.control("POST", "/publisher-api/restart", {"kill": 1}, status=400)


def test_an_answer_before_the_end_of_the_request_reaches_the_client(api: LabUnderTest) -> None:
    for _ in range(20):
        answer = call(api, "/early", body="x" * 1_000_000)
        assert (answer.status_code, answer.text) == (413, "too large")


def test_killed_in_mid_request_is_a_bad_gateway(api: LabUnderTest) -> None:
    before = call(api).json()["pid"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stuck = pool.submit(call, api, "/stuck")
        while len(api.journal(service="publisher_api")) < 2:
            time.sleep(0.01)
        time.sleep(0.1)
        api.control("POST", "/publisher-api/restart", {"kill": True})
        assert stuck.result().status_code == 502
    assert gone(before)
    assert call(api).status_code == 200


def test_a_program_that_cannot_start_is_reported_with_its_log(api: LabUnderTest, root: Path) -> None:
    program = root / "publisher/__main__.py"
    program.write_text("raise SystemExit('no such luck')")
    try:
        answer = call(api)
    finally:
        program.write_text(ECHO)
    assert answer.status_code == 502
    message = answer.json()["error"]["message"]
    assert "publisher-api-1.log" in message
    assert "no such luck" in message
    assert call(api).status_code == 200


def test_faults_and_reset(api: LabUnderTest) -> None:
    api.control("POST", "/publisher-api", {"processes": 2})
    before = call(api).json()["pid"]
    api.fault("status", match={"service": "publisher_api"}, status=503)
    assert [call(api).status_code for _ in range(2)] == [503, 200]
    api.reset()
    assert gone(before)
    assert api.control("GET", "/publisher-api") == {"processes": 1, "running": []}


def test_no_process_outlives_the_lab(tmp_path: Path, root: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        directory = tmp_path / str(number)
        with running_lab.running(directory, "--publisher-root", str(root)) as lab:
            child = call(lab).json()["pid"]
            os.kill(lab.pid, number)
            wait_until_none(directory)
            assert gone(child)
            assert processes_below(directory) == []
