"""The operator's process: the gate knows its requests, and a fault can kill it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.support import running_lab
from tests.support.running_lab import LabUnderTest

# It begins when the test tells it to, and makes three requests.
OPERATOR = """
import os, sys, urllib.error, urllib.request
sys.stdin.readline()
for _ in range(3):
    try:
        urllib.request.urlopen(os.environ["IDENTITY_ENDPOINT"]).read()
    except urllib.error.HTTPError as error:
        error.close()
"""
IDENTITY = {"service": "identity"}


@contextmanager
def operator(lab: LabUnderTest) -> "Iterator[subprocess.Popen[str]]":
    """The operator's process, known to the lab, before its first request."""
    with subprocess.Popen(
        [sys.executable, "-c", OPERATOR], env=running_lab.environment(lab), stdin=subprocess.PIPE, text=True
    ) as process:
        try:
            lab.control("POST", "/operator", {"pid": process.pid})
            yield process
        finally:
            process.kill()


def others_ask(lab: LabUnderTest) -> None:
    assert requests.get(lab.env["IDENTITY_ENDPOINT"], timeout=60).status_code == 401


def test_its_requests_are_told_apart(lab: LabUnderTest) -> None:
    with operator(lab) as process:
        others_ask(lab)
        process.communicate("go\n", timeout=60)
    assert [entry["operator"] for entry in lab.journal(service="identity")] == [False, True, True, True]


def test_kill_client_kills_it_after_its_nth_request(lab: LabUnderTest) -> None:
    lab.fault("kill_client", match={**IDENTITY, "nth": 2})
    with operator(lab) as process:
        others_ask(lab)
        others_ask(lab)
        process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    met = [(entry["operator"], entry["fault"], entry["status"]) for entry in lab.journal(service="identity")]
    assert met == [(False, None, 401)] * 2 + [(True, None, 401), (True, "kill_client", 401)]


def test_a_fault_for_a_deployment_leaves_others_alone(lab: LabUnderTest) -> None:
    lab.fault("status", status=503, times=0, match={**IDENTITY, "deployment": True})
    others_ask(lab)
    with operator(lab) as process:
        process.communicate("go\n", timeout=60)
    lab.control("POST", "/operator", {"pid": None})
    others_ask(lab)
    assert [entry["status"] for entry in lab.journal(service="identity")] == [401, 503, 503, 503, 401]


def test_a_fault_for_a_deployment_without_its_jobs_is_for_the_operator(lab: LabUnderTest) -> None:
    lab.fault("status", status=503, times=0, match={**IDENTITY, "deployment": True, "jobs": False})
    others_ask(lab)
    with operator(lab) as process:
        process.communicate("go\n", timeout=60)
    assert [entry["status"] for entry in lab.journal(service="identity")] == [401, 503, 503, 503]


@pytest.mark.parametrize("body", [{}, {"pid": 1}, {"pid": True}, {"pid": "12"}, {"pid": 12, "more": 1}, []])
def test_what_is_no_process_is_refused(lab: LabUnderTest, body: object) -> None:
    assert lab.control("POST", "/operator", body, status=400)["error"]["message"]
